// Package usermail says where users' mail is and how it lies there: what configuration and password file come
// to, for the daemon and the administrator's tool alike. What maildir-imapctl looks at is what the daemon serves
// because both ask here.
//
// A [User] is a name and, if the password file has one, a home. [Own] is the tree of that user's own mail and
// [At] the one that lies at a path; [Open] opens it with its special uses. [Public] and [PublicAt]
// are the namespaces that users share, [AllPublic] all the trees of one. [Users] lists whom the password file knows;
// [People] says who somebody is for access lists, [PublicAccess] what such a one may do, [Sharing] where others see a
// user's mail.
//
// Nothing here takes on anybody's rights: whoever opens a tree decides as whom. There is no state, and a
// *config.Config is only read.
package usermail
