//go:build !race

package message

const instrumented = 0
