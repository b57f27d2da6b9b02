//go:build race

package auth

// raceDetector is on: a hash takes ten times as long.
const raceDetector = true
