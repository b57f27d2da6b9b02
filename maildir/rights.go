package maildir

import "maildir-imapd/maildir/acl"

// Rights are what a user may do with a mailbox.
type Rights = acl.Rights
