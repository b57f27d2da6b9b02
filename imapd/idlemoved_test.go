package imapd

import (
	"os"
	"path/filepath"
	"testing"
)

// TestIdleAfterRename: another program renames new/ or cur/ and puts it back while a client is idle, which hears of what is
// delivered afterwards without a command of its own; where another directory lies there, it is told that its mailbox is gone.
func TestIdleAfterRename(t *testing.T) {
	s := startServer(t, nil)
	c := s.client(t).login()
	c.do("a SELECT INBOX")
	c.send("b IDLE\r\n")
	c.expect("+")
	s.put(t, "Subject: a\n\n")
	c.expect("* 1 EXISTS")
	for i, name := range []string{"new", "cur"} {
		dir := filepath.Join(s.mail, name)
		for _, x := range [][2]string{{dir, dir + ".x"}, {dir + ".x", dir}} {
			if err := os.Rename(x[0], x[1]); err != nil {
				t.Fatal(err)
			}
		}
		s.put(t, "Subject: b\n\n")
		c.expect([]string{"* 2 EXISTS", "* 3 EXISTS"}[i])
	}
	for _, err := range []error{os.Rename(filepath.Join(s.mail, "new"), filepath.Join(s.mail, "old")), os.Mkdir(filepath.Join(s.mail, "new"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	c.expect("* BYE")
	again := s.client(t).login()
	again.do("a SELECT INBOX")
	again.send("b IDLE\r\n")
	again.expect("+")
	s.put(t, "Subject: c\n\n")
	again.expect("* ")
}
