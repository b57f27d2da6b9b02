//go:build race

package message

import "flag"

// instrumented is what the race detector's build allocates more a message: it inlines less. It also takes ten times as
// long, to watch the one goroutine that a parser has: the tests give it less to read.
const instrumented = 1

func init() { flag.Set("rapid.checks", "25") } // on the command line it wins
