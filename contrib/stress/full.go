package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// inside is put before the name of a scenario whose process has mounts of its own.
const inside = "inside-"

func full(o *options) error { return apart(o, "full") }

// apart runs this program again with a mount namespace of its own, so that the small and read-only file systems
// go with it, however it ends.
func apart(o *options, name string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Join(o.dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	cmd := exec.Command(self, "-scenarios", inside+name, "-dir", dir, "-seed", strconv.FormatUint(o.seed, 10), "-time", o.time.String())
	cmd.Env = append(os.Environ(), "MAILDIR_IMAPD="+o.bin)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) {
		return leftOut(name, fmt.Sprintf("no mounts are allowed here: %v", err))
	} else if err != nil {
		return err
	}
	return cmd.Wait()
}

// leftOut says what cannot be tried on this machine. Where everything must be tried that is a failure.
func leftOut(name, why string) error {
	if os.Getenv("CI") != "" {
		return errors.New("cannot be tried: " + why)
	}
	fmt.Printf("stress: %s: left out: %s\n", name, why)
	return nil
}

// mounting prepares the process that may mount.
func mounting(o *options) error {
	o.bin = os.Getenv("MAILDIR_IMAPD")
	return syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
}

// fullHere is the scenario, in the process that may mount.
func fullHere(o *options) error {
	if err := mounting(o); err != nil {
		return err
	}
	for i, small := range []struct{ name, mount string }{{"room", "size=1500k"}, {"inodes", "size=64m,nr_inodes=300"}} {
		sub := *o
		sub.mount = small.mount
		if err := sub.fills(small.name, uint64(2000+100*i)); err != nil {
			return fmt.Errorf("without %s: %w", small.name, err)
		}
	}
	return nil
}

// fills lets clients work while somebody fills the file system and makes room again.
func (o *options) fills(name string, n uint64) error {
	f, err := o.open(name, 0, 1)
	if err != nil {
		return err
	}
	defer f.close()
	before := f.descriptors()
	busy := o.share(40, 3*time.Second)
	var wg sync.WaitGroup
	f.engage(&wg, 4, n, "f", busy)
	wg.Go(func() { hog(filepath.Join(f.dir, "mail"), busy) })
	wg.Wait()
	_, err = f.rest(before, "")
	f.report("full, "+name, "")
	return errors.Join(err, f.l.err(), leftovers(f.root))
}

// coded makes clients that want a code with every NO (RFC 5530).
func (f *fight) coded(r *rand.Rand, who string) (*client, error) {
	k, err := f.anyDaemon(r, who)
	if k != nil {
		k.coded = true
	}
	return k, err
}

// hog takes all room and all inodes, waits and gives them back, again and again.
func hog(dir string, busy func() bool) {
	block := make([]byte, 4096)
	for busy() {
		var made []string
		for i := range 1000 {
			name := filepath.Join(dir, fmt.Sprintf("hog%d", i))
			f, err := os.Create(name)
			if err != nil {
				break
			}
			made = append(made, name)
			_, err = f.Write(block)
			for err == nil && i == 0 {
				_, err = f.Write(block)
			}
			f.Close()
			if err != nil && i > 0 {
				break
			}
		}
		time.Sleep(150 * time.Millisecond)
		for _, name := range made {
			_ = os.Remove(name)
		}
		time.Sleep(60 * time.Millisecond)
	}
}

// leftovers finds what failed commands have left in tmp/, and locks.
func leftovers(root string) error {
	var errs []error
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (filepath.Base(filepath.Dir(path)) == "tmp" || filepath.Ext(path) == ".tmp" || filepath.Ext(path) == ".lock") {
			errs = append(errs, fmt.Errorf("%s was left behind", path))
		}
		return err
	})
	return errors.Join(append(errs, err)...)
}
