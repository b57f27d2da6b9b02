// Command lint holds the project's own rules, those that gofmt, vet and staticcheck do not know:
// which package may import which, how long a file and a function may be, that exported things are
// documented, that the engine asks for no extension by name, and which rooms the tree has.
//
//	go run ./contrib/lint        all rules over the tree, one finding a line, exit 1 if any
//
// Each rule is a func from the parsed tree to findings, in a file of its own; rules() lists them.
// The tests give every rule a small tree that breaks it. `go test ./contrib/lint` also runs the
// import rule over the real tree.
//
// lint reads files and runs `go list` and, where there is one, `git ls-files`. It changes nothing.
package main
