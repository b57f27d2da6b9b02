package maildir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"maildir-imapd/maildir/fsx"
)

const (
	treesKept    = 64 // trees whose third copy stays in memory
	treeLockWait = 5 * time.Second
)

// treeFiles are the third copies of a process's trees (thirdcopy.go). Each is
// read once and then as far as other processes have added to it; the lock of
// the file guards all changes, so that none gets lost when it is written anew.
// Without a state directory, or where it cannot be used, there is none: that is
// said once, and mailboxes are served from their two other copies.
type treeFiles struct {
	store *Store
	state string

	mu    sync.Mutex
	trees map[string]*treeFile // by root
	told  onceLog
}

// treeFile is one of them; mu is held while the disk is at work.
type treeFile struct {
	mu   sync.Mutex
	id   fileID
	end  int64 // bytes that have been read
	copy *treeCopy
}

// self tells this process from all others, also from an earlier one of its number.
var self = strconv.Itoa(os.Getpid()) + "." + startOf(os.Getpid())

// startOf is when a process began, in the kernel's words; "" when there is none.
func startOf(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The second field is a name in parentheses, which may hold anything.
	words := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(words) < 20 {
		return ""
	}
	return words[19]
}

// processAlive tells whether the writer of a claim still runs.
func processAlive(process string) bool {
	number, start, ok := strings.Cut(process, ".")
	pid, err := strconv.Atoi(number)
	return ok && err == nil && start != "" && startOf(pid) == start
}

func (c *treeFiles) init(s *Store) {
	c.store, c.state, c.trees = s, s.o.State, make(map[string]*treeFile)
}

func (c *treeFiles) tree(root string) *treeFile {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.trees[root]
	if f == nil {
		for other := range c.trees { // any: it is read again when it is asked for
			if len(c.trees) < treesKept {
				break
			}
			delete(c.trees, other)
		}
		f = &treeFile{copy: newTreeCopy()}
		c.trees[root] = f
	}
	return f
}

// look shows the third copy of a tree to f. It is not called when there is none.
func (c *treeFiles) look(root string, f func(*treeCopy)) {
	if c.state == "" {
		return
	}
	t := c.tree(root)
	t.mu.Lock()
	defer t.mu.Unlock()
	dir, err := c.open(false)
	if err == nil {
		defer dir.Close()
		err = t.catchUp(dir, fileOf(root))
	}
	if err != nil {
		c.failed("read", root, err)
		return
	}
	f(t.copy)
}

// add appends the lines that f asks for, and syncs them if it wants that. An error has
// been told.
func (c *treeFiles) add(ctx context.Context, root string, f func(*treeCopy) (lines []treeLine, sync bool)) error {
	if c.state == "" {
		return nil
	}
	t := c.tree(root)
	t.mu.Lock()
	defer t.mu.Unlock()
	dir, err := c.open(true)
	if err == nil {
		defer dir.Close()
		err = c.write(ctx, dir, root, t, f)
	}
	if err != nil {
		t.id, t.end, t.copy = fileID{}, 0, newTreeCopy() // read it again
		c.failed("write", root, err)
	}
	return err
}

func (c *treeFiles) write(ctx context.Context, dir *fsx.Dir, root string, t *treeFile, f func(*treeCopy) ([]treeLine, bool)) error {
	name := fileOf(root)
	lock, err := dir.Lock(ctx, name, fsx.LockOptions{Wait: treeLockWait, Stale: lockStale})
	if err != nil {
		return err
	}
	defer func() {
		if err := lock.Unlock(); err != nil && !errors.Is(err, fsx.ErrCrash) {
			c.store.log.Warn("lock of the third copy taken over by another process", "tree", root, "err", err)
		}
	}()
	if err := t.catchUp(dir, name); err != nil {
		return err
	}
	lines, sync := f(t.copy)
	if len(lines) == 0 {
		return nil
	}
	var b []byte
	for i := range lines {
		b = appendTreeLine(b, &lines[i])
		t.copy.take(&lines[i])
	}
	switch {
	case t.copy.bad > 0:
		aside, err := setAside(dir, name, c.store.now())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		c.store.log.Error("damaged third copy of UIDVALIDITYs put aside; written anew from its good lines",
			"tree", root, "file", dir.Path()+"/"+name, "aside", aside, "bad", t.copy.bad)
		return t.rewrite(dir, name, root)
	case t.id == fileID{}, t.id.size > t.end, t.copy.lines > 4*len(t.copy.boxes)+100:
		return t.rewrite(dir, name, root) // new, with a line torn off, or mostly history
	}
	st, err := dir.Append(name, b, sync)
	if err != nil {
		return err
	}
	t.id, t.end = idOf(st), st.Size
	return nil
}

// rewrite replaces the file by what memory knows.
func (t *treeFile) rewrite(dir *fsx.Dir, name, root string) error {
	b := t.copy.encode(root, processAlive)
	if err := dir.WriteFile(name, b, 0o600, true); err != nil {
		return err
	}
	id, err := idNow(dir, name)
	if err != nil {
		return err
	}
	t.copy = newTreeCopy()
	t.copy.parse(b)
	t.id, t.end = id, int64(len(b))
	return nil
}

// catchUp reads what others have appended, or the file that took its place.
func (t *treeFile) catchUp(dir *fsx.Dir, name string) error {
	id, err := idNow(dir, name)
	if err != nil || id == t.id {
		return err
	}
	if id == (fileID{}) {
		t.id, t.end, t.copy = id, 0, newTreeCopy()
		return nil
	}
	// One that only grew is read anew too: it is small, and an inode's number
	// may be another file's by now.
	b, st, err := dir.ReadFile(name, treeLimit)
	if err != nil {
		return err
	}
	t.copy = newTreeCopy()
	t.end = int64(t.copy.parse(b))
	t.id = idOf(st)
	return nil
}

// open opens the directory of the files; write makes it.
func (c *treeFiles) open(write bool) (*fsx.Dir, error) {
	state, err := c.store.fs.OpenDir(c.state)
	if err != nil {
		return nil, err
	}
	defer state.Close()
	dir, err := state.Sub(treesDir)
	if !errors.Is(err, fs.ErrNotExist) || !write {
		return dir, err
	}
	if err := state.Mkdir(treesDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := state.Sync(); err != nil {
		return nil, err
	}
	return state.Sub(treesDir)
}

func fileOf(root string) string {
	sum := sha256.Sum256([]byte(root))
	return hex.EncodeToString(sum[:])
}

// failed says once a process that the third copy cannot be used.
func (c *treeFiles) failed(what, root string, err error) {
	if errors.Is(err, fs.ErrNotExist) && what == "read" || errors.Is(err, fsx.ErrCrash) || errors.Is(err, context.Canceled) {
		return
	}
	c.told.mu.Lock()
	said := c.told.said != nil
	c.told.said = make(map[string]bool)
	c.told.mu.Unlock()
	if !said {
		c.store.log.Warn(fmt.Sprintf("cannot %s the third copy of UIDVALIDITYs and next UIDs; going on with the copies in the mailboxes", what),
			"state", c.state, "tree", root, "err", err)
	}
}
