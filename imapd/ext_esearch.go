package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extESearch is RFC 4731.
var extESearch = extension{
	after: []imap.Cap{imap.CapESearch},
	searchReturns: []searchReturn{
		{name: "MIN", option: plainOption{
			func(w *responder, r *searchResult) {
				if len(r.nums) > 0 {
					w.Raw(" MIN ").Number(r.nums[0])
				}
			},
			func(n int) (lo, hi int) { return 0, min(n, 1) },
		}},
		{name: "MAX", option: plainOption{
			func(w *responder, r *searchResult) {
				if n := len(r.nums); n > 0 {
					w.Raw(" MAX ").Number(r.nums[n-1])
				}
			},
			func(n int) (lo, hi int) { return max(n-1, 0), n },
		}},
		{name: "ALL", does: listsMessages, option: plainOption{
			func(w *responder, r *searchResult) {
				if len(r.nums) > 0 {
					w.Raw(" ALL ")
					writeRanges(w, r.nums)
				}
			},
			keepsAll,
		}},
		{name: "COUNT", option: plainOption{
			func(w *responder, r *searchResult) { w.Raw(" COUNT ").Number(uint32(len(r.nums))) },
			keepsAll,
		}},
	},
}
