// Package pubroot is the public root: the mailboxes below one directory that all users see.
//
// Who may do what with a folder is maildir's to judge, by the Access that the root is opened with (RFC 4314). Without
// one every folder is visible to everybody, with the rights l and r and no others: nothing can be created, deleted,
// renamed or changed. Giving new mail its UIDs writes UID list and index where the process may (see maildir) all the
// same, because a UID that one user has seen must be the next one's, too.
//
// A user's subscriptions to public names belong to the user and lie in the user's own tree; the tree here has
// none. The root directory itself is no mailbox, so there is no second INBOX.
//
// A Tree is safe for concurrent use as far as maildir.Tree is; it has no state of its own.
package pubroot
