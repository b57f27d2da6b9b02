// Package order puts messages into the orders that SORT and THREAD of RFC 5256 ask for: it says what the
// keys are and compares them. It imports no package of ours, knows no mailbox and no session, does no I/O
// and has no state: every function may be called by any number of goroutines, each with buffers of its own.
//
// # Keys
//
// [BaseSubject] is RFC 5256 §2.1 on text that has been decoded; [SentDate] is §2.2 and the grammar of RFC
// 5322 §3.3 with its obsolete forms. The collation is i;unicode-casemap (RFC 5051): what it folds two texts
// to is compared byte by byte, so a key is the folded text. Folding itself is the caller's.
//
// # Orders
//
// Whatever a key is, a number stands for it: [Unsigned] makes one of a number that has a sign, [Values.Ranks] of
// a text, equal ones for equal values. A mailbox keeps numbers, not texts, and [Sorter.Sort] sorts by them, by as many keys as are wanted, each
// upwards or downwards; messages that all keys leave equal stay in the order they came in (§3).
//
// # Threads
//
// [Threader] works on message ids that the caller has made numbers of: [NextID] reads them from a field,
// [Values] numbers them. A result is a [Forest]: nodes that point to their first child and next sibling. It
// has every message once and no loops, whatever the messages say. All of it is iterative, however deep a
// thread goes, and linear in messages and references but for what adversaries make (n log n).
package order
