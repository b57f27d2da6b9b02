package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"maildir-imapctl": main,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":   checkMode,
			"verify": verifyPassword,
			"race":   raceChanges,
			"own":    ownTree,
			"print":  printTree,
		},
		Setup: func(e *testscript.Env) error {
			return os.Chmod(e.WorkDir, 0o755)
		},
	})
}
