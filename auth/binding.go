package auth

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"sync"

	"github.com/xdg-go/scram"
)

// bound reports whether SCRAM-*-PLUS can be used on the connection.
func (c Conn) bound() bool {
	if !c.TLS || c.ChannelBinding == nil {
		return false
	}
	typ, data := c.ChannelBinding()
	return typ != "" && len(data) > 0
}

// binding is the channel binding of the type a client asked for, with no data when the
// connection has none of that type.
func (c Conn) binding(typ string) scram.ChannelBinding {
	var b scram.ChannelBinding
	if own, data := c.ChannelBinding(); own == typ || typ == "" {
		b = scram.ChannelBinding{Type: scram.ChannelBindingType(own), Data: data}
	} else if typ == string(scram.ChannelBindingTLSServerEndpoint) && c.EndPoint != nil {
		b = scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: c.EndPoint()}
	}
	return b
}

// TLSBinding gives Conn.ChannelBinding of a TLS connection, nil for nil.
func TLSBinding(state *tls.ConnectionState) func() (typ string, data []byte) {
	if state == nil {
		return nil
	}
	// Once: each mechanism with PLUS asks whether there is one, and the exporter is dear beside all else at a login.
	return sync.OnceValues(func() (string, []byte) {
		if state.Version >= tls.VersionTLS13 {
			// RFC 9266 §2: 32 bytes, no context.
			data, err := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
			if err != nil {
				return "", nil
			}
			return string(scram.ChannelBindingTLSExporter), data
		}
		// Empty where a resumed session would make it unsafe.
		return string(scram.ChannelBindingTLSUnique), state.TLSUnique
	})
}

// EndPointBinding is the tls-server-end-point binding (RFC 5929 §4.1) of the
// certificate a server shows: its hash, with the hash of its signature, or SHA-256 where
// that is MD5 or SHA-1. It is nil for a signature that has no hash of its own.
func EndPointBinding(cert *x509.Certificate) []byte {
	var h crypto.Hash
	switch cert.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		h = crypto.SHA256
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		h = crypto.SHA512
	default:
		return nil
	}
	sum := h.New()
	sum.Write(cert.Raw)
	return sum.Sum(nil)
}
