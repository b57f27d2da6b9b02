// Package acl is access control lists as data (RFC 4314): the rights, who a list's lines are about, the lists
// themselves, the two formats they are kept in, what they give to somebody and why, and how they are changed. It
// does no I/O. Which file a list comes from, when it is read again and what happens to one that is broken is
// maildir's; what a right allows there is maildir.May's to say.
//
// It lies below maildir and not in pubroot, because the store and the engine need its types and imports go
// downwards.
//
// # dovecot-acl
//
// A line is `identifier [letters][ :names]`, as Dovecot 2.3 takes it; contrib/interop asks it about some hundred
// files. The identifier ends at the first space, so that a TAB does not end it and makes it one that nobody knows;
// behind it blanks of any number are well. One with a blank in its name stands in double quotes, where a backslash
// takes the character behind it for itself, and the dash of a negative line stands inside: "-user=a b". Empty lines
// and those with # in the first column say nothing. Letters are l r w s t i p e k x a, each its own; c and d are
// letters of the protocol only. Behind a colon come names, apart by blanks and commas: lookup, read, write,
// write-seen and so on are the letters again, others are other programs' and kept.
//
// One bad line makes the whole file bad: what a reader guesses may give too much. A NUL is such a mistake, though
// Dovecot takes it for the end of the line: a file of zeros is what a power cut leaves, and it is told as one.
//
// # What a list gives
//
// Only lines that are about the asker count. They are taken in the order of Kind, and of the lines of one kind the
// first replaces what was given before, and what was taken away before if it is negative; further groups add to it.
// What is taken away is subtracted at the end, so a negative line for anyone holds against a positive one for a user
// unless there is a negative line for that user as well. The owner begins with everything, and anyone's,
// authenticated's and groups' lines are not about the owner.
//
// Two odd things are Dovecot's and stay, so that both servers answer alike. Groups come in the order of their names,
// and when the first of somebody's groups has a negative line only, the positive lines of the others add to anyone's
// instead of replacing them. And where two lines about the same have one sign, they stand for a third of the other
// sign with no rights, which replaces as any line does: two negative lines for a user leave nothing of what anyone has.
//
// A list that says nothing about the asker decides nothing, empty or not: Rights tells so, and who asks looks
// elsewhere.
//
// # courierimapacl
//
// Courier adds up all lines that match and subtracts all negative ones that do, whatever order they are in. Its letter
// for k is c. The owner always administers, and who is in the group administrators begins with everything. It refuses
// nothing: a letter or an identifier that it does not know says nothing, and letters with a blank among them are none;
// contrib/interop asks Debian's maildiracl. Nobody is unmatched in it. It is never written: Expand makes a list of the
// other kind, which gives nobody more than before.
//
// # Changes
//
// Apply changes one identifier's line. All others are written as they were read, byte for byte and in their order,
// with comments; Dovecot sorts the file and drops comments. The file says the same either way.
package acl
