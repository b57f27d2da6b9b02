package auth

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// UpdateFile replaces a password file's content by what edit makes of it. The new file
// takes the old one's place by rename, with its owner, mode and ACL, or with the
// directory's group and mode 0640 where there was none; a reader sees the one or the other, and so does the machine after a power
// cut. Of two updates at once the second waits, so that it edits what the first one
// wrote. When edit returns an error nothing is changed.
func UpdateFile(ctx context.Context, path string, edit func(old []byte) ([]byte, error)) (err error) {
	path, err = target(path)
	if err != nil {
		return err
	}
	dir, err := lockDir(ctx, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close() // ends the lock
	old, st, err := readOld(path)
	if err != nil {
		return err
	}
	content, err := edit(old)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err := fill(tmp, content, path, st, dir); err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("password file: %w", err)
	}
	if serr := dir.Sync(); serr != nil {
		return fmt.Errorf("password file %s is written but may not survive a power cut: %w", path, serr)
	}
	return nil
}

// target is where links lead: a link stays a link, also one whose target is still to be made.
func target(path string) (string, error) {
	for range 40 { // as many as the kernel follows
		to, err := os.Readlink(path)
		if err != nil {
			break // no link, or not there
		}
		if !filepath.IsAbs(to) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", fmt.Errorf("password file: %w", err)
			}
			to = filepath.Join(dir, to)
		}
		path = to
	}
	if _, err := os.Readlink(path); err == nil {
		return "", fmt.Errorf("password file: %w", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP})
	}
	return path, nil
}

// lockDir opens a directory and locks it. The file itself would not do: it is
// replaced by every update.
func lockDir(ctx context.Context, path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("password file: %w", err)
	}
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			break
		}
		select {
		case <-ctx.Done():
			err = fmt.Errorf("another update holds it: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
			continue
		}
		break
	}
	dir.Close()
	return nil, fmt.Errorf("lock of %s: %w", path, err)
}

func readOld(path string) ([]byte, fs.FileInfo, error) {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("password file: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, nil, fmt.Errorf("password file %s: is not a regular file of at most %d MiB", path, maxFile>>20)
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("password file: %w", err)
	}
	return old, st, nil
}

// fill makes the new file complete and durable before it gets its name, like what path has. Ownership
// first: a chown may clear mode bits, and the secrets come last.
func fill(tmp *os.File, content []byte, path string, like fs.FileInfo, dir *os.File) error {
	mode := fs.FileMode(0o640)
	if like != nil {
		mode = like.Mode().Perm()
		if err := own(tmp, like); err != nil {
			return err
		}
	} else if st, err := dir.Stat(); err == nil {
		if st, ok := st.Sys().(*syscall.Stat_t); ok {
			_ = tmp.Chown(-1, int(st.Gid)) // who may not do that is not root, and knows about groups
		}
	}
	if like != nil { // while nobody has been let in by the mode
		if err := keepACL(tmp, path); err != nil {
			return err
		}
	}
	if err := tmp.Chmod(mode); err != nil {
		return err
	}
	if _, err := tmp.Write(content); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	return tmp.Close()
}

// keepACL gives the new file the old one's ACL, by which a daemon may be the only one to read it; or takes off what a default
// ACL of the directory has given it, which may let in whom the old one keeps out.
func keepACL(tmp *os.File, path string) error {
	const name = "system.posix_acl_access"
	acl := make([]byte, 64<<10) // the kernel's limit
	n, err := unix.Getxattr(path, name, acl)
	if errors.Is(err, unix.ENODATA) {
		err = unix.Fremovexattr(int(tmp.Fd()), name)
		if err != nil && !errors.Is(err, unix.ENODATA) {
			return fmt.Errorf("cannot keep the file without an ACL: %w", err)
		}
		return nil
	}
	if err != nil || n == 0 {
		return nil // no such thing here
	}
	if err := unix.Fsetxattr(int(tmp.Fd()), name, acl[:n], 0); err != nil {
		return fmt.Errorf("cannot keep the file's ACL: %w", err)
	}
	return nil
}

// own gives the new file the old one's owner and group, when they differ.
func own(tmp *os.File, like fs.FileInfo) error {
	st, err := tmp.Stat()
	if err != nil {
		return err
	}
	want, ok1 := like.Sys().(*syscall.Stat_t)
	have, ok2 := st.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || (want.Uid == have.Uid && want.Gid == have.Gid) {
		return nil
	}
	if err := tmp.Chown(int(want.Uid), int(want.Gid)); err != nil {
		return fmt.Errorf("cannot keep the file's owner: %w; run this as root or as that owner", err)
	}
	return nil
}
