package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
)

// preauth speaks IMAP on in and out as a user whom the system has let in already: by ssh, or by local login
// (RFC 9051 §7.1.4).
func preauth(ctx context.Context, cfg *config.Config, name string, in io.Reader, out io.Writer, log *slog.Logger) error {
	id, err := caller(name)
	if err != nil {
		return err
	}
	if err := refuseOther(cfg, id, os.Geteuid()); err != nil {
		return err
	}
	store, err := openStore(cfg, sharedState(cfg), nil, log)
	if err != nil {
		return err
	}
	mail := &mailOpener{cfg: cfg, store: store, log: log, rules: new(rules)}
	mail.rules.load(cfg, log)
	server := imapd.New(imapd.Options{
		Hostname: hostname(cfg), Version: versionNumber(), Open: mail.open, Limits: engineLimits(cfg), Log: log,
		Auth: imapd.Auth{
			Mechanisms: func(imapd.ConnInfo) []string { return nil },
			Start:      func(string, imapd.ConnInfo) (imapd.SASL, error) { return nil, errLoggedIn },
			Login: func(context.Context, string, string, imapd.ConnInfo) (imapd.Identity, error) {
				return imapd.Identity{}, errLoggedIn
			},
		},
	})
	var said words
	if _, err := said.read(cfg); err != nil && !errors.Is(err, fs.ErrPermission) { // of the daemon's alone
		log.Warn("users are not told all that there is to say", "err", err)
	}
	server.SetAlerts(said.all())
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		select {
		case <-ctx.Done():
			late, cancel := context.WithTimeout(context.Background(), drainTime)
			defer cancel()
			_ = server.Shutdown(late)
		case <-done:
		}
	}()
	err = overPipe(in, out, func(c net.Conn) {
		server.ServePreauth(context.Background(), c, &imapd.ConnInfo{Listener: "preauth"}, id)
	})
	close(done)
	wg.Wait()
	return errors.Join(err, store.Close())
}

var errLoggedIn = errors.New("already logged in")

// caller is the identity of the session: the named user, else the calling account.
func caller(name string) (imapd.Identity, error) {
	if name != "" {
		return imapd.Identity{User: name, Mechanism: "PREAUTH"}, nil
	}
	u, err := user.Current()
	if err != nil {
		return imapd.Identity{}, fmt.Errorf("who is calling? %w; name the user: -preauth USER", err)
	}
	return imapd.Identity{User: u.Username, Home: u.HomeDir, Mechanism: "PREAUTH"}, nil
}

// refuseOther lets root and the owner of the mail name a user, and everybody themselves. The kernel's file
// permissions hold anyway; but where a group may read a Maildir, that is not leave to change its flags and take
// its name in the log, and a Maildir made for somebody else would belong to the wrong account.
func refuseOther(cfg *config.Config, id imapd.Identity, euid int) error {
	if euid == 0 {
		return nil
	}
	if u, err := user.LookupId(strconv.Itoa(euid)); err == nil && u.Username == id.User {
		return nil
	}
	own, err := usermail.Own(cfg, userOf(&id))
	if err != nil {
		return nil // the session says so to the client, and to the log why
	}
	for dir := own.Root; ; dir = filepath.Dir(dir) { // the Maildir, or the directory it would be made in
		var st unix.Stat_t
		err := unix.Stat(dir, &st)
		switch {
		case err == nil && int(st.Uid) == euid:
			return nil
		case errors.Is(err, unix.ENOENT) && dir != "/":
			continue
		}
		return fmt.Errorf("-preauth %s: only root, %s and the owner of %s may name this user; without a name it is the calling account", id.User, id.User, dir)
	}
}

// overPipe gives serve a connection whose far end is in and out. Standard input and output may be a terminal, a
// pipe or a file, most of which know no deadlines: a socket pair does, and it can end in one direction.
func overPipe(in io.Reader, out io.Writer, serve func(net.Conn)) error {
	near, far, err := socketPair()
	if err != nil {
		return err
	}
	go func() { // ends with the input; a read that nobody answers ends with the process
		_, _ = io.Copy(far, in)
		_ = far.CloseWrite()
	}()
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(out, far)
		_ = far.Close() // if out failed, nobody listens any more: the session ends
		copied <- err
	}()
	serve(near)
	_ = near.Close()
	return <-copied
}

func socketPair() (near, far *net.UnixConn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		c, ferr := net.FileConn(f) // a duplicate
		_ = f.Close()
		err = errors.Join(err, ferr)
		conns[i], _ = c.(*net.UnixConn)
	}
	return conns[0], conns[1], err
}
