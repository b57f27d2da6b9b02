package main

import (
	"math/rand/v2"
	"strings"
	"sync"
)

// common makes two thirds of what is written.
var common = strings.Fields(`the of and to in is you that it he was for on are as with his they at be this have from
or one had by word but not what all were we when your can said there use an each which she do how their if will up
other about out many then them these so some her would make like him into time has look two more write go see number
no way could people my than first water been call who oil its now find long down day did get come made may part
meeting invoice kernel patch release agenda minutes holiday budget server mailbox question answer review draft`)

// accented stands in bodies that say UTF-8.
var accented = strings.Fields("für Grüße über façade naïve déjà señor Ångström Привет мир 日本 東京 €100 “so”")

const (
	// needle is in the body of every 500th message and nowhere else, rareWord in every 5000th.
	needle   = "quetzalcoatlus"
	rareWord = "xylotheque"
)

// rareWords are 20,000 words that no language has. The further down, the rarer: without them every message
// would hold the same few letters in a row, and an index of them would look better than it is.
var rareWords = sync.OnceValue(func() []string {
	r := rand.New(rand.NewPCG(20000, 1))
	const starts, vowels, ends = "bcdfghjklmnprstvwz", "aeiou", "dklmnrst"
	all := make([]string, 20000)
	for i := range all {
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteByte(starts[r.IntN(len(starts))])
			b.WriteByte(vowels[r.IntN(len(vowels))])
			if r.IntN(3) == 0 {
				b.WriteByte(ends[r.IntN(len(ends))])
			}
		}
		all[i] = b.String()
	}
	return all
})

func pick(r *rand.Rand) string {
	if r.IntN(3) > 0 {
		return common[r.IntN(len(common))]
	}
	x := r.Float64()
	return rareWords()[int(x*x*x*float64(len(rareWords())))]
}

func title(r *rand.Rand) string { w := pick(r); return strings.ToUpper(w[:1]) + w[1:] }

func text(r *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pick(r))
	}
	return b.String()
}

// paragraphs are n of them, in plain ASCII unless exotic.
func paragraphs(r *rand.Rand, n int, exotic bool) string {
	var b strings.Builder
	for range n {
		for range 2 + r.IntN(5) {
			b.WriteString(text(r, 10+r.IntN(4)))
			if exotic && r.IntN(4) == 0 {
				b.WriteByte(' ')
				b.WriteString(accented[r.IntN(len(accented))])
			}
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	return b.String()
}
