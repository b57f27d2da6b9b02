//go:build !race

package imapd

const raceDetector = false
