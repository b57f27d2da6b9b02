package auth

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/xdg-go/scram"
)

// Both ends of a real TLS connection come to the same bindings.
func TestBindingsOfBothEndsAgree(t *testing.T) {
	for version, typ := range map[uint16]string{tls.VersionTLS13: "tls-exporter", tls.VersionTLS12: "tls-unique"} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, data := TLSBinding(r.TLS)()
			w.Header().Set("Type", name)
			w.Write(data)
		}))
		server.TLS = &tls.Config{MinVersion: version, MaxVersion: version}
		server.StartTLS()
		client := server.Client()
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.Header.Get("Type") != typ || len(got) == 0 {
			t.Errorf("%s: %q %x, %v", typ, resp.Header.Get("Type"), got, err)
		}
		want := resp.TLS.TLSUnique
		if version == tls.VersionTLS13 {
			b, err := scram.NewTLSExporterBinding(resp.TLS)
			if err != nil {
				t.Fatal(err)
			}
			want = b.Data
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: server %x, client %x", typ, got, want)
		}
		b, err := scram.NewTLSServerEndpointBinding(resp.TLS)
		if err != nil || !bytes.Equal(EndPointBinding(server.Certificate()), b.Data) {
			t.Errorf("tls-server-end-point: %v", err)
		}
		client.CloseIdleConnections()
		server.Close()
	}
	if TLSBinding(nil) != nil {
		t.Error("a binding without TLS")
	}
}
