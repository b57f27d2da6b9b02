package main

import (
	"fmt"
	"net"
)

// hints says how to look at the demo with other programs.
func hints(d *daemon, p places) string {
	_, plain, _ := net.SplitHostPort(d.imap)
	_, secure, _ := net.SplitHostPort(d.imaps)
	return fmt.Sprintf(`
The server goes on until Ctrl-C. User demo, password demo:

  curl -k --user demo:demo "imaps://%[1]s/INBOX?TEXT%%20hike"
  curl -k --user demo:demo "imaps://%[1]s/INBOX;MAILINDEX=1"
  neomutt -f imaps://demo@%[1]s/          (accept the certificate)
  openssl s_client -quiet -connect %[1]s  (then: a login demo demo)
  Thunderbird: server 127.0.0.1, port %[3]s SSL/TLS or %[2]s STARTTLS, user demo

  mail       %[4]s
  settings   %[5]s/imapd.ini
  log        tail -f %[6]s
`, d.imaps, plain, secure, p.user, p.dir, d.log)
}
