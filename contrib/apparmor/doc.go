// Package apparmor holds the profile that an administrator may confine the daemon by, and the tests that hold it to
// what the daemon does: apparmor_parser reads it, and each path that strace sees a daemon at work open, make, rename,
// link or lock is allowed by a rule of it.
package apparmor
