package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// What the program ends with; 0 is done. A script must be able to tell what was found from what was asked wrongly.
const (
	exitFailed = 1  // of check, doctor, probe: something was found; of acl explain -may: no
	exitUnseen = 2  // of these: it could not look everywhere
	exitUsage  = 64 // sysexits(3): the command line is wrong, nothing was done
	exitStuck  = 71 // sysexits(3): root's rights could not be taken up again
)

// exitError is an error that says with what the program ends.
type exitError struct {
	error
	status int
}

func (e exitError) Unwrap() error { return e.error }

// misused is an error of whoever typed the command.
func misused(err error) error { return exitError{err, exitUsage} }

// exitStatus is what the program ends with after err.
func exitStatus(err error) int {
	var e exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.status
	}
	return exitFailed
}

// strict makes whatever is wrong with a command's flags and arguments a misuse.
func strict(cmd *cobra.Command) *cobra.Command {
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return misused(err) })
	if judge := cmd.Args; judge != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := judge(cmd, args); err != nil {
				return misused(err)
			}
			return nil
		}
	}
	return cmd
}
