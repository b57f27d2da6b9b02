package imapd

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/imapd/wire"
)

// searchReturn is one row of the result options (RFC 4466 §2.6, RFC 4731) that SEARCH, SORT and their like
// take after RETURN.
type searchReturn struct {
	name string
	does returnEffects
	// parse reads what follows the name; nil when nothing does, and option is the value then.
	parse  func(d *wire.Decoder) resultOption
	option resultOption
}

// returnEffects is what an option asks for beside its own words.
type returnEffects uint8

const (
	// listsMessages: it names the messages found; one of its kind is allowed (RFC 9394 §3.1).
	listsMessages returnEffects = 1 << iota
	// savesResult: "$" stands for the result afterwards (RFC 5182).
	savesResult
	// wantsScores: each message found is to be given a relevancy (RFC 6203 §4).
	wantsScores
)

// resultOption writes its part of an ESEARCH response.
type resultOption interface {
	write(w *responder, r *searchResult)
	// keeps says which of n messages found, in the order of the answer, "$" stands for when the result is
	// saved: those from lo up to, not including, hi. The saved result is the union over the options: this
	// is the table of RFC 5182 §2.4 and that of RFC 9394 §3.2.
	keeps(n int) (lo, hi int)
}

// plainOption is a resultOption made of funcs.
type plainOption struct {
	put  func(w *responder, r *searchResult)
	span func(n int) (lo, hi int)
}

func (o plainOption) write(w *responder, r *searchResult) { o.put(w, r) }
func (o plainOption) keeps(n int) (lo, hi int)            { return o.span(n) }

func keepsAll(n int) (lo, hi int) { return 0, n }
func keepsNone(int) (lo, hi int)  { return 0, 0 }

// resultOptions are those of one command, in the order given.
type resultOptions struct {
	does  returnEffects
	rows  []*searchReturn
	given []resultOption
}

// parseResultOptions reads "(" options ")".
func parseResultOptions(d *wire.Decoder, x *index) (o resultOptions) {
	d.List(func() {
		name := d.Keyword()
		row := x.searchReturns[name]
		if row == nil {
			d.Fail("unknown SEARCH result option %s", name)
			return
		}
		option := row.option
		if row.parse != nil {
			option = row.parse(d)
		}
		o.add(d, row, option)
	})
	if len(o.rows) == 0 && d.Err() == nil { // RFC 4731 §3.1: "()" means ALL
		o.addAll(d, x)
	}
	return o
}

func (o *resultOptions) addAll(d *wire.Decoder, x *index) {
	row := x.searchReturns["ALL"]
	o.add(d, row, row.option)
}

func (o *resultOptions) add(d *wire.Decoder, row *searchReturn, option resultOption) {
	if row.parse == nil && slices.Contains(o.rows, row) {
		return
	}
	if o.does&row.does&listsMessages != 0 {
		d.Fail("%s besides another option that lists messages", row.name)
		return
	}
	o.does |= row.does
	o.rows, o.given = append(o.rows, row), append(o.given, option)
}

// searchResult is what was found in one mailbox.
type searchResult struct {
	tag string
	// mailbox and validity tell which mailbox it is about, where a command searches several (RFC 7377
	// §2.1); the mailbox is empty where that is understood.
	mailbox  string
	validity uint32

	uid    bool     // nums are UIDs
	nums   []uint32 // in the order of the answer: ascending for SEARCH, sorted for SORT
	scores []uint8  // of the same messages, where wantsScores
}

// write is the ESEARCH response (RFC 9051 §7.3.4). There is none when nothing but SAVE was asked for
// (RFC 5182 §1).
func (o *resultOptions) write(w *responder, r *searchResult) {
	if len(o.rows) == 1 && o.does&savesResult != 0 {
		return
	}
	w.untagged().Raw("ESEARCH (TAG ").String(r.tag)
	if r.mailbox != "" {
		w.Raw(" MAILBOX ").Mailbox(r.mailbox).Raw(" UIDVALIDITY ").Number(r.validity)
	}
	w.Special(')')
	if r.uid {
		w.Raw(" UID")
	}
	for _, option := range o.given {
		option.write(w, r)
	}
	w.CRLF()
}

// save makes "$" stand for what the options keep of a result of the selected mailbox.
func (o *resultOptions) save(sel *selection, r *searchResult) {
	if o.does&savesResult == 0 {
		return
	}
	n := len(r.nums)
	all, limited := false, false
	var keep []uint32
	for i, option := range o.given {
		if o.rows[i].does&(savesResult|wantsScores) != 0 {
			continue // not about which messages
		}
		limited = true
		lo, hi := option.keeps(n)
		if all = lo == 0 && hi == n; all {
			break
		}
		keep = append(keep, r.nums[lo:hi]...)
	}
	if all || !limited {
		keep = r.nums
	}
	if !slices.IsSorted(keep) {
		keep = slices.Clone(keep)
		slices.Sort(keep)
	}
	uids := uidsOfNumbers(sel, keep, r.uid)
	if len(uids) > manyRanges {
		uids = sel.joined(uids)
	}
	sel.saved = saved(uids)
}

// forget makes "$" stand for nothing where a search that was to be saved has failed (RFC 5182 §2.1).
func (o *resultOptions) forget(sel *selection) {
	if o.does&savesResult != 0 {
		sel.saved = nil
	}
}

// uidsOfNumbers makes a set of ascending numbers, which may repeat.
func uidsOfNumbers(sel *selection, nums []uint32, uid bool) imap.UIDSet {
	var uids imap.UIDSet
	var seqs imap.SeqSet
	for i := 0; i < len(nums); {
		first, last := nums[i], nums[i]
		for i++; i < len(nums) && nums[i]-last <= 1; i++ {
			last = nums[i]
		}
		if uid {
			uids = append(uids, imap.UIDRange{Start: imap.UID(first), Stop: imap.UID(last)})
		} else {
			seqs = append(seqs, imap.SeqRange{Start: first, Stop: last})
		}
	}
	if len(seqs) > 0 {
		uids, _ = sel.UIDsOf(seqs)
	}
	return uids
}

// writeRanges writes numbers as a set, neighbours joined.
func writeRanges(w *responder, nums []uint32) {
	for i := 0; i < len(nums); {
		j := i
		for j+1 < len(nums) && nums[j+1] == nums[j]+1 {
			j++
		}
		if i > 0 {
			w.Special(',')
		}
		w.Number(nums[i])
		if j > i {
			w.Special(':').Number(nums[j])
		}
		i = j + 1
	}
}
