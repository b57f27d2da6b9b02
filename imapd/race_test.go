//go:build race

package imapd

// raceDetector makes frames larger.
const raceDetector = true
