package imapd

import (
	"encoding/binary"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// savedSet is the messages that "$" stands for (RFC 5182), which a session keeps as long as it has the mailbox
// selected: ranges of UIDs in ascending order, each as its distance from the one before and its length, in
// varints. Every second of a million messages is 1 MB, not the 4 of an imap.UIDSet.
type savedSet []byte

// saved makes one of an ordered, merged set.
func saved(uids imap.UIDSet) savedSet {
	var s savedSet
	last := imap.UID(0)
	for _, r := range uids {
		s = binary.AppendUvarint(s, uint64(r.Start-last))
		s = binary.AppendUvarint(s, uint64(r.Stop-r.Start))
		last = r.Stop
	}
	return slices.Clone(s) // without the room that appending left
}

// uids is the set again.
func (s savedSet) uids() imap.UIDSet {
	var uids imap.UIDSet
	last := imap.UID(0)
	for len(s) > 0 {
		gap, n := binary.Uvarint(s)
		more, k := binary.Uvarint(s[n:])
		s = s[n+k:]
		start := last + imap.UID(gap)
		last = start + imap.UID(more)
		uids = append(uids, imap.UIDRange{Start: start, Stop: last})
	}
	return uids
}

// manyRanges are worth a look at whether they are one range but for UIDs that no message has any more.
const manyRanges = 1024

// joined joins ranges that are neighbours in the view.
func (sel *selection) joined(uids imap.UIDSet) imap.UIDSet {
	seqs := sel.seqsOf(uids)
	n := 0
	for _, r := range seqs {
		if n > 0 && seqs[n-1].Stop+1 == r.Start {
			seqs[n-1].Stop = r.Stop
			continue
		}
		seqs[n] = r
		n++
	}
	if n == 0 {
		return nil
	}
	uids, _ = sel.UIDsOf(seqs[:n])
	return uids
}
