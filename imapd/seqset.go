package imapd

import (
	"math"
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
	"maildir-imapd/maildir"
)

// numSet reads a set of sequence numbers or UIDs, or "$", the saved result of a search (RFC 5182).
func numSet(d *wire.Decoder, uid bool) imap.NumSet {
	set, dollar := d.NumSet(uid)
	if dollar {
		return imap.SearchRes()
	}
	return set
}

// uids resolves a set to UIDs of this session's view, "*" included. A sequence number beyond the view is
// the client's mistake (RFC 9051 §6.4.5); UIDs that are not there are ignored.
func (s *session) uids(set imap.NumSet) (imap.UIDSet, error) {
	if imap.IsSearchRes(set) {
		return s.sel.saved.uids(), nil
	}
	switch set := set.(type) {
	case imap.SeqSet:
		uids, ok := s.sel.UIDsOf(set)
		if !ok {
			return nil, bad("No such message: the mailbox has %d", s.sel.Count())
		}
		return uids, nil
	case imap.UIDSet:
		return s.sel.bound(set), nil
	}
	return nil, bad("Not a set of messages")
}

// search resolves a set as SEARCH understands it: numbers beyond the mailbox match nothing and are no
// mistake (RFC 7377 §2).
func (sel *selection) search(set imap.NumSet) imap.UIDSet {
	if imap.IsSearchRes(set) {
		return sel.saved.uids()
	}
	switch set := set.(type) {
	case imap.SeqSet:
		uids, _ := sel.UIDsOf(clipSeqs(set, sel.Count()))
		return uids
	case imap.UIDSet:
		return sel.bound(set)
	}
	return nil
}

// clipSeqs leaves what a mailbox of n messages has; "*" is its last.
func clipSeqs(set imap.SeqSet, n uint32) imap.SeqSet {
	var in imap.SeqSet
	for _, r := range set {
		first, last := r.Start, r.Stop
		if first == 0 {
			first = n
		}
		if last == 0 {
			last = n
		}
		if first > last {
			first, last = last, first
		}
		if first <= n && n > 0 {
			in = append(in, imap.SeqRange{Start: first, Stop: min(last, n)})
		}
	}
	return in
}

// seqsOf is the view's sequence numbers of the messages in an ordered, merged set. It costs two look-ups a
// range, however many messages lie in it.
func (sel *selection) seqsOf(uids imap.UIDSet) imap.SeqSet {
	var one [1]maildir.Message
	var seqs imap.SeqSet
	end := sel.Count() + 1
	at := func(after imap.UID) uint32 { // the sequence number of the first message above
		next := sel.Messages(one[:0], after, math.MaxUint32, 1)
		if len(next) == 0 {
			return end
		}
		return next[0].Seq
	}
	for _, r := range uids {
		if first, behind := at(r.Start-1), at(r.Stop); first < behind {
			seqs = append(seqs, imap.SeqRange{Start: first, Stop: behind - 1})
		}
	}
	return seqs
}

// bound is boundUIDs for this view.
func (sel *selection) bound(set imap.UIDSet) imap.UIDSet {
	last := sel.MaxUID()
	if last == 0 {
		return nil
	}
	return boundUIDs(set, last)
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
