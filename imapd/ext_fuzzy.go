package imapd

import (
	"github.com/emersion/go-imap/v2"
)

// extFuzzy is RFC 6203. Texts are matched inexactly (fuzzyPattern); all other keys as ever, which §5 leaves to
// the server.
var extFuzzy = extension{
	after: []imap.Cap{"SEARCH=FUZZY"},
	searchKeys: []searchKey{{"FUZZY", func(p *searchParser) (n searchNode) {
		outer := p.fuzzy
		p.fuzzy, p.anyFuzzy = true, true
		p.d.Nest(func() {
			p.d.SP()
			n = p.key(p.word())
		})
		p.fuzzy = outer
		return n
	}}},
	searchReturns: []searchReturn{{
		name: "RELEVANCY", does: wantsScores,
		option: plainOption{
			func(w *responder, r *searchResult) {
				w.Raw(" RELEVANCY ")
				w.list(len(r.scores), func(i int) { w.Number(uint32(r.scores[i])) })
			},
			keepsNone,
		},
	}},
}
