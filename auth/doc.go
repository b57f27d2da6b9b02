// Package auth knows who may log in: it reads the password file, speaks the
// SASL mechanisms as byte-in, byte-out steps, and decides how long a failure
// takes to be told.
//
// # The file
//
// One line is user:secret, optionally followed by the further fields of
// Dovecot's passwd-file (uid:gid:gecos:home:shell:extra). A user may have
// several lines, each with one verifier; PLAIN and LOGIN take the password of any
// of them, for each other mechanism the first line that can serve it is used. No
// empty password is right for PLAIN, LOGIN and CRAM-MD5. A secret is identified by its {SCHEME} or its $id$ and by
// nothing else: what is not recognised is an error that names file and line, never
// a password. Of the extra fields nologin and allow_nets are kept, after the
// secret was found right, and quota, quota_messages, userdb_quota_rule, groups and userdb_acl_groups are read.
// maildir-imapd.passwd(5) is the reference.
//
// [UpdateFile] changes the file, by [SetPassword], [AddUser] or [Remove], which keep every byte that is not about the user.
// [ParseGood], [File.Accounts] and [File.Prove] show what is in it, to the administrator's tool.
//
// A second file may say who belongs to which group; [Groups.Of] joins both. What groups are for, auth does not know.
//
// # Concurrency
//
// A *File and a *Groups are immutable. An *Authenticator may be used by any number of goroutines;
// an Exchange belongs to one. The package starts no goroutine: hashing and waiting
// happen in the caller's, bounded by Options.Workers and ended by its context.
//
// # Invariants
//
//  1. Every failed login is answered a whole number of Options.Delay after the call
//     that brought the last byte, normally exactly one. Nothing the caller can see
//     (text, code, time, number of steps, salt, iteration count) depends on whether
//     the user exists or which verifiers it has.
//  2. A user that does not exist costs the same hashing as one that does, in the same
//     queue.
//  3. Secrets are compared in constant time, and appear in no error and no String.
//  4. A success is remembered under an HMAC that covers user, verifier and password, with a key
//     that dies with the process; Replace drops those whose verifier is gone.
//
// The package writes no log: its errors carry the cause for the caller's.
package auth
