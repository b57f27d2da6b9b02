// Package gate is what a connection passes before its first IMAP byte: the listening sockets, the limits on
// connections, and TLS. It speaks one IMAP line, the "* BYE" of a refusal, and knows nothing else of the
// protocol: a TLS hello or an HTTP request on the plain port is the engine's to notice.
//
// # Listeners
//
// A socket that systemd passes belongs to the [listener] section that has its FileDescriptorName: the order of
// LISTEN_FDNAMES varies from start to start, so places mean nothing. A listener without a socket is opened at
// its listen addresses. Where systemd passes no socket at all, a listener without addresses takes its
// protocol's port (143, or 993 for implicit TLS); where it passes some, the socket units have decided. One
// that cannot be opened is logged; having none at all is [ErrNoListener].
//
// # Certificates
//
// [Certificates] holds one immutable set behind an atomic pointer. [Certificates.Config] never changes: each
// handshake fetches the set of its moment (GetConfigForClient), so a reload reaches new handshakes, STARTTLS
// included, and disturbs no connection that has one. A set that does not load leaves the old one in force.
//
// The self-signed certificate and its key lie in one file, [server] state/self-signed.pem, mode 0600, so that
// no crash can leave a certificate without its key. Renewals keep the key.
//
// # Limits
//
// Connections in all, from one address, and memory: the gate asks whether there is any ([Options.Memory]) and counts
// refusals by key of [limits]. A client reads the key and its value; the log does, a line a second at most.
//
// # Goroutines
//
// One accept loop per listening socket, from Start until Close, which waits for them; one goroutine per
// connection, which runs the handler and is waited for by Wait. Limits are counted under one mutex that is
// never held over I/O.
package gate
