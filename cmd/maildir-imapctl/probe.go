package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildir-imapd/imapd/config"
)

// probe is in six files: this one says which servers are looked at, probe_conn.go connects as far as the greeting, with
// limits on time and bytes, probe_tls.go judges certificates, probe_session.go logs in and looks around through imapclient,
// probe_sasl.go has the mechanisms that it lacks, and probe_print.go tells.

type probeFlags struct {
	config  string
	user    string
	ca      string
	trust   bool
	json    bool
	timeout time.Duration
}

func probeCommand() *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe [-config FILE] [-user USER] [-ca FILE] [-k] [-timeout TIME] [-json] [HOST[:PORT]]",
		Short: "look at a server as a mail program does, and say what is wrong",
		Long: `probe connects to an IMAP server as a mail program does and prints how it is encrypted,
the certificate, what the server offers, how long each step takes, and in words what is
wrong. With -user it logs in, lists folders and opens INBOX without changing anything; the
password is asked for on a terminal, else read as one line from standard input.

Without HOST it looks at what the configuration listens on, from this machine. With HOST
and no port it tries ports 143 and 993.
`,
		Example: `  maildir-imapctl probe
  maildir-imapctl probe -user alice mail.example.org`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		RunE:                  func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	cmd.Flags().StringVar(&f.config, "config", config.DefaultPath, "the daemon's configuration `FILE`, which says where it\nlistens; of no use with HOST")
	cmd.Flags().StringVar(&f.user, "user", "", "log in as `USER`")
	cmd.Flags().StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `FILE` instead of those\nthat the system trusts")
	cmd.Flags().BoolVarP(&f.trust, "insecure", "k", false, "take any certificate, and use the password even where\nothers could read it")
	cmd.Flags().DurationVar(&f.timeout, "timeout", 10*time.Second, "how much `TIME` each step has")
	cmd.Flags().BoolVar(&f.json, "json", false, "print JSON, for programs")
	return cmd
}

// target is one server to look at.
type target struct {
	network, addr string
	name          string // that its certificate should have
	guess         bool   // nobody has said the name: clients may use whichever the certificate has
	tls           config.TLSMode
	sniff         bool // whether TLS comes first is to be found out
	own           bool // a listener of the configuration
}

func (f *probeFlags) run(cmd *cobra.Command, args []string) error {
	if f.timeout <= 0 {
		return misused(fmt.Errorf("-timeout %v: give some time, such as 10s", f.timeout))
	}
	p := prober{timeout: f.timeout, user: f.user, trust: f.trust}
	var targets []target
	var err error
	if len(args) == 1 {
		targets, err = hostTargets(args[0])
	} else {
		targets, err = f.ownTargets(&p)
	}
	if err != nil {
		return err
	}
	if f.ca != "" {
		if p.roots, err = readRoots(f.ca); err != nil {
			return err
		}
	}
	if f.user != "" {
		if p.password, err = knownPassword(cmd, f.user); err != nil {
			return err
		}
	}
	var reports []*probed
	wrong := false
	for i, t := range targets {
		r := p.probe(cmd.Context(), t)
		if cmd.Context().Err() != nil {
			return errors.New("interrupted") // what it was doing is not wrong
		}
		reports = append(reports, r)
		wrong = wrong || len(r.Wrong) > 0
		if !f.json {
			if i > 0 {
				fmt.Fprintln(cmd.OutOrStdout())
			}
			r.print(cmd.OutOrStdout())
		}
	}
	if f.json {
		err = printJSON(cmd.OutOrStdout(), reports)
	}
	return cmp.Or(err, map[bool]error{true: errFindings}[wrong])
}

// hostTargets reads HOST[:PORT]: an IPv6 address stands in brackets where there is a port.
func hostTargets(s string) ([]target, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), ""
	}
	if host == "" || strings.ContainsAny(s, " /@") {
		return nil, misused(fmt.Errorf("%q is no host; write mail.example.org or mail.example.org:993", s))
	}
	to := func(port string, mode config.TLSMode) target {
		return target{network: "tcp", addr: net.JoinHostPort(host, port), name: host, tls: mode}
	}
	switch port {
	case "":
		return []target{to("143", config.StartTLS), to("993", config.Implicit)}, nil
	case "143", "imap", "imap2":
		return []target{to("143", config.StartTLS)}, nil
	case "993", "imaps":
		return []target{to("993", config.Implicit)}, nil
	}
	t := to(port, config.StartTLS)
	t.sniff = true
	return []target{t}, nil
}

// ownTargets is what the configuration listens on, which must not be there where nobody has named it.
func (f *probeFlags) ownTargets(p *prober) ([]target, error) {
	c, _, err := config.Load(f.config)
	if errors.Is(err, fs.ErrNotExist) && f.config == config.DefaultPath {
		c, err = config.Default(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("the configuration does not say where the daemon listens: %w; or name HOST", err)
	}
	name := c.Server.Hostname
	if name == "" {
		name, _ = os.Hostname()
	}
	p.own = func() []*x509.Certificate { return ownCertificates(c) }
	var all []target
	for _, l := range c.Listeners {
		if !l.Enabled {
			continue
		}
		listen := l.Listen
		if len(listen) == 0 {
			listen = []string{map[bool]string{true: ":993", false: ":143"}[l.TLS == config.Implicit]}
		}
		for _, a := range listen {
			t := target{network: "tcp", addr: near(a), name: cmp.Or(name, "localhost"), guess: c.Server.Hostname == "", tls: l.TLS, own: true}
			if strings.HasPrefix(a, "/") {
				t.network, t.addr = "unix", a
			}
			if !slices.ContainsFunc(all, func(o target) bool { return o.addr == t.addr }) {
				all = append(all, t)
			}
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the configuration has no listener that is enabled; name HOST")
	}
	return all, nil
}

// near is where on this machine a client reaches what listens at an address.
func near(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	switch {
	case err != nil:
		return addr
	case host == "", ip != nil && ip.IsUnspecified() && ip.To4() != nil:
		return net.JoinHostPort("127.0.0.1", port)
	case ip != nil && ip.IsUnspecified():
		return net.JoinHostPort("::1", port)
	}
	return addr
}

// prober is what all targets of one run have in common.
type prober struct {
	timeout        time.Duration // of one step
	user, password string
	trust          bool           // -k
	roots          *x509.CertPool // -ca; nil: the system's
	// own is the certificates that this host's daemon has by its configuration, as far as they can be read. They are read
	// once there is one to compare: the first client makes the daemon sign one itself. Nil with HOST.
	own func() []*x509.Certificate
}

// probe looks at one server. Whatever goes wrong is told in the report.
func (p *prober) probe(ctx context.Context, t target) *probed {
	r := &probed{Server: t.addr, Steps: []step{}, Wrong: []string{}}
	l, ok := p.open(ctx, t, r)
	if !ok {
		return r
	}
	defer l.close()
	p.session(ctx, t, l, r)
	return r
}
