// Package fulltext proves that a text does not contain a string, in a few hundred
// bytes a text. It does no I/O and knows nothing of mail: it is given bytes.
//
// A filter is a row of bits. Every trigram (three bytes in a row) of the text sets
// one of them, chosen by a hash. A string can be in the text only if the bits of all
// its trigrams are set; where one is not, it certainly is none of it. There are no
// positions, no words and no languages in this, so it holds for any substring in
// any script, which is what IMAP's SEARCH looks for.
//
// The bits are few on purpose: half of them or more may be set, so that one trigram
// proves little; but a string of ten bytes has eight, and a rare one is not excused
// by chance more than once in a thousand texts.
//
// # Format of a filter
//
// n bytes, bit b being bit b%8 of byte b/8. The trigram of the bytes x, y, z is
// k = x<<16 | y<<8 | z and its bit is (k * 0x9e3779b1 mod 2^32) * 8n >> 32. Runs of
// text end at NUL. No bytes at all mean that nothing is known.
//
// # Invariant
//
// For a text, a filter made of it with any limit, and any part of the text that
// holds no NUL, May is true.
//
// A [Builder] is used by one goroutine at a time. A [Query] does not change.
package fulltext
