package transcript

import (
	"errors"
	"path/filepath"
	"testing"
)

// PlayDir plays every transcript of a directory in all its variants, each against the server, or the user,
// that start makes for it.
func PlayDir(t *testing.T, dir string, start func(t *testing.T, s *Script) *Server) {
	t.Helper()
	scripts, err := LoadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scripts {
		t.Run(s.Name(), func(t *testing.T) { play(t, s, start) })
	}
}

// Play plays one transcript.
func Play(t *testing.T, path string, start func(t *testing.T, s *Script) *Server) {
	t.Helper()
	s, err := Load(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	play(t, s, start)
}

func play(t *testing.T, s *Script, start func(t *testing.T, s *Script) *Server) {
	for _, v := range s.Variants() {
		t.Run(string(v), func(t *testing.T) {
			err := Run(s, start(t, s), v)
			if errors.Is(err, ErrNeeds) {
				t.Skip(err)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}
