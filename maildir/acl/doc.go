// Package acl is access control lists as data (RFC 4314): the rights, who a list's lines are about, and the lists
// themselves. It does no I/O. Which file a list comes from, when it is read again and what happens to one that is
// broken is maildir's; what a right allows there is maildir.May's to say.
//
// It lies below maildir and not in pubroot, because the store and the engine need its types and imports go
// downwards.
package acl
