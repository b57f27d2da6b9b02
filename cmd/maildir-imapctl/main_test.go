package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(tidy{m}, map[string]func(){
		"maildir-imapctl": main,
	})
}

func TestScripts(t *testing.T) {
	completions, err := filepath.Abs("../../contrib/completions")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"mode":   checkMode,
			"verify": verifyPassword,
			"race":   raceChanges,
			"own":    ownTree,
			"print":  printTree,

			"fill": fillMailbox, "remember": rememberMailbox, "same": sameMailbox,
			"deadlock": deadLock, "replace": replaceText, "cut": cutFile, "lengthen": lengthen,
			"daemon": startDaemon, "fake": startFake, "certificate": makeCertificate,
			"old": oldMail, "session": openSession, "told": sessionTold,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Setup: func(e *testscript.Env) error {
			e.Values[liveKey{}] = new(liveSession)
			e.Setenv("COMPLETIONS", completions)
			return os.Chmod(e.WorkDir, 0o755)
		},
	})
}
