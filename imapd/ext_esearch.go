package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extESearch is RFC 4731.
var extESearch = extension{
	after: []imap.Cap{imap.CapESearch},
	searchReturns: []searchReturn{
		{"MIN", func(w *responder, found []uint32) {
			if len(found) > 0 {
				w.Raw(" MIN ").Number(found[0])
			}
		}},
		{"MAX", func(w *responder, found []uint32) {
			if len(found) > 0 {
				w.Raw(" MAX ").Number(found[len(found)-1])
			}
		}},
		{"ALL", func(w *responder, found []uint32) {
			if len(found) > 0 {
				w.Raw(" ALL ")
				writeRanges(w, found)
			}
		}},
		{"COUNT", func(w *responder, found []uint32) { w.Raw(" COUNT ").Number(uint32(len(found))) }},
	},
}

// writeRanges writes ascending numbers as a set.
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
