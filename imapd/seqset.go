package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// numSet reads a set of sequence numbers or UIDs. "$" (RFC 5182) is not served yet.
func numSet(d *wire.Decoder, uid bool) imap.NumSet {
	set, dollar := d.NumSet(uid)
	if dollar {
		d.Fail("$ needs SEARCHRES, which is not offered")
	}
	return set
}

// uids resolves a set to UIDs of this session's view, "*" included. A sequence number beyond the view is
// the client's mistake (RFC 9051 §6.4.5); UIDs that are not there are ignored.
func (s *session) uids(set imap.NumSet) (imap.UIDSet, error) {
	switch set := set.(type) {
	case imap.SeqSet:
		uids, ok := s.sel.UIDsOf(set)
		if !ok {
			return nil, bad("No such message: the mailbox has %d", s.sel.Count())
		}
		return uids, nil
	case imap.UIDSet:
		last := s.sel.MaxUID()
		if last == 0 {
			return nil, nil
		}
		return boundUIDs(set, last), nil
	}
	return nil, bad("Not a set of messages")
}

// boundUIDs replaces "*" by the last UID; the set it returns is ordered and merged.
func boundUIDs(set imap.UIDSet, last imap.UID) imap.UIDSet {
	out := make(imap.UIDSet, 0, len(set))
	for _, r := range set {
		start, stop := r.Start, r.Stop
		if start == 0 {
			start = last
		}
		if stop == 0 {
			stop = last
		}
		out.AddRange(start, stop)
	}
	return out
}

// contains is a binary search in an ordered, merged set.
func contains(set imap.UIDSet, uid imap.UID) bool {
	_, ok := slices.BinarySearchFunc(set, uid, func(r imap.UIDRange, uid imap.UID) int {
		switch {
		case r.Stop < uid:
			return -1
		case r.Start > uid:
			return 1
		}
		return 0
	})
	return ok
}
