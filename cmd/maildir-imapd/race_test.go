//go:build race

package main

// raceDetector is on: everything takes several times as long.
const raceDetector = true
