package maildir

import (
	"fmt"
	"path/filepath"
)

// Finding is one thing that is wrong with a tree of mailboxes.
type Finding struct {
	Invariant int    // its number in this package's documentation
	Mailbox   string // directory of the mailbox, or of the tree
	File      string // in it; "" for the mailbox as a whole
	Dir       string // where the file lies if it does not lie beside the mail
	What      string // what was seen
	Means     string // what comes of it for those who read their mail there
	Repair    string // what Tree.Repair does about it; else what a person can do
	ByHand    bool   // Repair is for a person
}

// Path names the file.
func (f *Finding) Path() string {
	if f.Dir != "" {
		return filepath.Join(f.Dir, f.File)
	}
	return filepath.Join(f.Mailbox, f.File)
}

// Error is the finding in one line, without what it means.
func (f *Finding) Error() string {
	return fmt.Sprintf("%s: invariant %d: %s", f.Path(), f.Invariant, f.What)
}

// The invariants that are no more than a number elsewhere.
const (
	invList      = 1
	invNames     = 2
	invLock      = 3
	invIndexID   = 4
	invIndexUIDs = 5
	invMODSEQ    = 6
	invSize      = 7
	invCache     = 8
	invText      = 9
	invIndex     = 10
	invKeywords  = 11
	invThird     = 12
	invSubscribe = 13
	invSentinel  = 14
	invProps     = 15
	invQuota     = 16
	invLeft      = 17
	invOwner     = 18
	invTwins     = 19
	invNoList    = 20
	invMarks     = 21
	invACL       = 22
)

// meanings says for each invariant what it means that it does not hold, and
// what repairing does.
var meanings = map[int]struct{ means, repair string }{
	invList:      {"messages whose lines cannot be read keep their UIDs only as long as the index has them", "sets the list aside and writes it anew from its good lines, the index and the third copy"},
	invNames:     {"only one of the files is shown", "gives the second file a name of its own, and so a new UID; a second link to the same file is removed"},
	invLock:      {"nobody can change the mailbox before the lock counts as forgotten, after two minutes without a change", "removes it"},
	invIndexID:   {"the index is of another life of this mailbox, and of no use", "sets it aside and writes a new one, with the save dates and keywords of messages that are still there; the history of expunges is lost"},
	invIndexUIDs: {"clients that were served from the index will see the message under the list's UID, as a new one", "sets the index aside and writes it anew with its save dates and keywords; the list of UIDs wins, and the history of expunges is lost"},
	invMODSEQ:    {"clients that ask for changes (CONDSTORE) miss some", "raises the mailbox's MODSEQ and writes the index anew"},
	invSize:      {"clients are told a size that is not what they get", "forgets the size; it is measured when it is asked for"},
	invCache:     {"what is damaged is read from the message instead", "sets the cache aside; it is filled again as clients ask"},
	invText:      {"searches read some messages for nothing", "sets the text index aside; a search asks for a new one"},
	invIndex:     {"flags are still in the file names; save dates, keywords past the 26th and the history of expunges behind the damage are lost", "sets the index aside and writes a new one"},
	invKeywords:  {"letters in the names of files mean nothing to clients", "sets the file aside and writes the good lines anew"},
	invThird:     {"UIDs could be given twice if the mailbox's own two copies were lost", "sets damaged lines aside; makes the mailbox go on above all UIDs that were given"},
	invSubscribe: {"clients that show subscribed folders only show none", "sets the file aside and begins a new one; people have to subscribe again"},
	invSentinel:  {"a mailbox made anew under an old name could get the UIDVALIDITY of the one before", "makes the file"},
	invProps:     {"special uses of folders, such as Sent, are not all known", "nothing by itself: mend or remove the line"},
	invQuota:     {"people are refused mail too early or too late", "counts anew"},
	invLeft:      {"it only takes space", "removes it"},
	invOwner:     {"the daemon may fail to read, change or remove it", "nothing by itself: chown and chmod it as the directory is (files made by root are a usual cause)"},
	invTwins:     {"only one of the directories is served", "nothing by itself: rename one, or move its messages into the other"},
	invNoList:    {"as long as the index or the third copy has them, UIDs stay; else clients will read all of it anew", "writes the list from what is left"},
	invMarks:     {"messages of public and shared mailboxes that the user has read are unread again, and clients are told so", "sets the file aside and writes the good marks anew"},
	invACL:       {"nobody has rights by the list, but for sessions of a daemon that has read a better version", "nothing by itself: mend the line, or write the list anew (maildir-imapctl acl explain tells what it says)"},
}

// byHand are the invariants that a program cannot restore.
var byHand = map[int]bool{invProps: true, invOwner: true, invTwins: true, invACL: true}

func newFinding(invariant int, mailbox, file, what string) Finding {
	m := meanings[invariant]
	return Finding{Invariant: invariant, Mailbox: mailbox, File: file, What: what, Means: m.means, Repair: m.repair, ByHand: byHand[invariant]}
}
