//go:build race

package message

// instrumented is what the race detector's build allocates more a message: it inlines less.
const instrumented = 1
