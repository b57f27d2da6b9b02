// Package pubroot is mail that is not the user's own: the public root (Tree), whose folders an administrator makes
// below one directory for all, and other users' mailboxes (Users), which these let one into.
//
// Who may do what with a folder is maildir's to judge, by the Access that a tree is opened with and the lists that lie
// in the folders (RFC 4314; maildir/acl). What this package decides is which names there are: a public root has no
// INBOX, its folders of hide are marked, and a folder that may not be looked up is in no listing but, where one below
// it may, as a parent that does not exist. A public root without Access is visible to everybody, with the rights l and
// r and no others. Giving new mail its UIDs writes UID list and index where the process may (see maildir) all the same,
// because a UID that one user has seen must be the next one's, too.
//
// Another user's mailbox is called by the owner's name, the separator, and the name that it has for the owner; INBOX
// is INBOX there. There is no list of who shares what that could be out of date: the lists in the mailboxes are all
// there is. Whoever is asked for by name is looked at at once. For LIST everybody's mailboxes are looked at, as cheaply
// as that can be (maildir.Lists): whose have no list are that user's alone, and no tree is opened but of those whose
// lists let the one in who asks. What was found is believed for twenty times as long as it took to find, and never for
// more than half a minute (Sharing): with ten users a list that some program writes shows at once, with five hundred
// after a second, with ten thousand after that half minute, and looking is never more than a small part of what the
// process does. What changes a list through this process, and a reload, have it looked at again; what takes rights away
// holds at once, as LIST asks the lists of those who are known to have some. Owners whose mail this process cannot read share
// nothing. After a reload that says of an owner's mail that it lies elsewhere, the tree that is open is let go of; a
// mailbox that is selected stays selected.
//
// A user's subscriptions to public and shared names belong to the user and lie in the user's own tree; the trees here
// have none.
//
// Trees are safe for concurrent use as far as maildir.Tree is. A look at many owners is done by two goroutines, both
// over when it returns; a panic of either is the caller's.
package pubroot
