package imapd

import (
	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// extPartial is RFC 9394: results and FETCHes by the page.
var extPartial = extension{
	after: []imap.Cap{"PARTIAL"},
	searchReturns: []searchReturn{{
		name: "PARTIAL", does: listsMessages,
		parse: func(d *wire.Decoder) resultOption {
			d.SP()
			return parsePartialRange(d)
		},
	}},
	fetchMods: []fetchMod{{name: "PARTIAL", parse: func(d *wire.Decoder, uid bool) fetchModifier {
		if !uid {
			d.Fail("PARTIAL goes with UID FETCH")
		}
		d.SP()
		return parsePartialRange(d)
	}}},
}

// partialRange counts messages from 1, from the end where it was written with minus signs (RFC 9394 §4).
type partialRange struct {
	first, last uint32 // as written
	backward    bool
}

func parsePartialRange(d *wire.Decoder) partialRange {
	var p partialRange
	p.backward = d.TrySpecial('-')
	p.first = d.NZNumber()
	d.Special(':')
	if p.backward {
		d.Special('-')
	}
	p.last = d.NZNumber()
	return p
}

// keeps is the page of n results, empty when it lies beyond them.
func (p partialRange) keeps(n int) (lo, hi int) {
	first, last := min(p.first, p.last), max(p.first, p.last)
	lo, hi = min(int(first)-1, n), min(int(last), n)
	if p.backward {
		lo, hi = n-hi, n-lo
	}
	return lo, hi
}

func (p partialRange) write(w *responder, r *searchResult) {
	sign := ""
	if p.backward {
		sign = "-"
	}
	w.Raw(" PARTIAL (").Raw(sign).Number(p.first).Special(':').Raw(sign).Number(p.last).SP()
	if lo, hi := p.keeps(len(r.nums)); lo < hi {
		writeRanges(w, r.nums[lo:hi])
	} else {
		w.NIL()
	}
	w.Special(')')
}

// narrow leaves the page of the messages that a UID FETCH names. No message is looked at: sequence numbers
// tell how many lie in a range of UIDs.
func (p partialRange) narrow(s *session, uids imap.UIDSet) imap.UIDSet {
	seqs := s.sel.seqsOf(uids)
	n := 0
	for _, r := range seqs {
		n += int(r.Stop-r.Start) + 1
	}
	lo, hi := p.keeps(n)
	page := seqs[:0]
	for _, r := range seqs {
		size := int(r.Stop-r.Start) + 1
		if from, to := max(lo, 0), min(hi, size); from < to {
			page = append(page, imap.SeqRange{Start: r.Start + uint32(from), Stop: r.Start + uint32(to) - 1})
		}
		lo, hi = lo-size, hi-size
	}
	if len(page) == 0 {
		return nil
	}
	narrowed, _ := s.sel.UIDsOf(page)
	return narrowed
}
