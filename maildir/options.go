package maildir

import (
	"log/slog"
	"time"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir/fsx"
)

// FsyncMode says how much survives a power cut.
type FsyncMode int

// FsyncYes makes everything but flags and expunges durable before it is
// confirmed, as Dovecot does; FsyncAlways those as well.
const (
	FsyncYes FsyncMode = iota
	FsyncAlways
)

// StoreOptions are what all mailboxes of a process have in common.
type StoreOptions struct {
	Fsync    FsyncMode
	LockWait time.Duration // for another program's lock; 10 s when zero
	Warm     int           // idle mailboxes kept in memory; 64 when zero, none when negative
	Memory   int64         // bytes that the process should do with (Store.SetMemory); 0: no limit
	Log      *slog.Logger  // nil drops everything
	State    string        // absolute directory for the third copy of UIDVALIDITYs and next UIDs; none when empty
	FS       fsx.FS
	Now      func() time.Time
	Watcher  *fsx.Watcher // the process's; nil makes one
}

// Layout is how a tree of mailboxes lies in directories.
type Layout int

// MaildirPP is Maildir++: ".A.B" beside cur and new. FS is nested directories.
const (
	MaildirPP Layout = iota
	FS
)

func (l Layout) String() string {
	if l == FS {
		return "fs"
	}
	return "maildir++"
}

// TreeOptions describe one tree of mailboxes.
type TreeOptions struct {
	Root       string // absolute path
	Control    string // absolute path of what Dovecot calls CONTROL: lists of UIDs and the like; "" is beside the mail
	Index      string // absolute path of what Dovecot calls INDEX: indices and caches; "" is beside the lists
	Layout     Layout
	Separator  byte                        // of names as clients see them: '/' (also when zero) or '.'
	Create     bool                        // make the Maildir with INBOX when it is absent
	SpecialUse map[string]imap.MailboxAttr // mailbox name -> attribute, from the configuration
	ReadOnly   bool                        // everybody may look and read, nobody change; Access is not asked
	Access     *Access                     // whose rights hold; nil: everything is allowed
	Follow     []string                    // further absolute directories that symbolic links may lead into
	DiskUTF8   bool                        // names on disk are UTF-8, not modified UTF-7
	NoInbox    bool                        // the root directory is no mailbox
	Quota      func() Quota                // the limits, asked for at every use; nil: none are configured
	Foreign    []string                    // prefixes of other namespaces whose subscriptions are kept in this tree's file
}

// Mode is what a mailbox is opened for.
type Mode int

// Select and Examine are the commands; Peek is STATUS and the source of a
// copy; Target the destination of APPEND, COPY and MOVE.
const (
	Select Mode = iota
	Examine
	Peek
	Target
)
