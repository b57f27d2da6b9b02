package firewall

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestFirewalld(t *testing.T) {
	text, err := os.ReadFile("firewalld.xml")
	if err != nil {
		t.Fatal(err)
	}
	var s struct { // firewalld.service(5)
		XMLName xml.Name `xml:"service"`
		Short   string   `xml:"short"`
		Ports   []struct {
			Protocol string `xml:"protocol,attr"`
			Port     string `xml:"port,attr"`
		} `xml:"port"`
	}
	if err := xml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, p := range s.Ports {
		ports = append(ports, p.Port+"/"+p.Protocol)
	}
	if s.Short == "" || !slices.Equal(ports, []string{"143/tcp", "993/tcp"}) {
		t.Errorf("%q has the ports %v", s.Short, ports)
	}
}

// TestUfw lets ufw read the profile, in a view of the file system where it is the only one.
func TestUfw(t *testing.T) {
	_, err := exec.LookPath("ufw")
	if (err != nil || os.Getuid() != 0) && os.Getenv("CI") == "" {
		t.Skip("needs ufw and root")
	}
	text, err := os.ReadFile("ufw")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "maildir-imapd"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"maildir-imapd": "143,993/tcp", "maildir-imapd TLS": "993/tcp"} {
		out, err := exec.Command("unshare", "--mount", "sh", "-ec", `mount --bind "$1" /etc/ufw/applications.d && exec ufw app info "$2"`, "sh", dir, name).CombinedOutput()
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "\n  "+want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
