package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"maildir-imapd/auth"
	"maildir-imapd/cmd/internal/alertfile"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/gate"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/fsx"
)

// drainTime is how long clients get to take their BYE. TimeoutStopSec in the unit is longer.
const drainTime = 20 * time.Second

// daemon is everything that lives as long as the process.
type daemon struct {
	file  string // the INI file
	log   *slog.Logger
	level *slog.LevelVar
	tell  notifier

	config    atomic.Pointer[config.Config] // in force; only the main goroutine stores
	passwords *auth.File
	groups    *auth.Groups
	words     words
	rules     rules
	auth      *auth.Authenticator
	certs     *gate.Certificates
	store     *maildir.Store
	memory    *memory
	server    *imapd.Server
	gate      *gate.Gate
	metrics   *exporter // nil: none
	watch     *watcher
	seed      []byte
	trouble   string // what the last reload could not take over
}

// newDaemon reads all that cfg names and opens the listeners. It accepts nobody yet.
func newDaemon(file string, cfg *config.Config, log *slog.Logger, level *slog.LevelVar) (d *daemon, err error) {
	d = &daemon{file: file, log: log, level: level, tell: notifier{log}}
	d.config.Store(cfg)
	events := new(fsx.Watcher) // the process's one
	watch := newWatcher(events, log)
	defer func() {
		if err != nil {
			watch.close()
		}
	}()
	d.watch = watch
	d.watch.look(watched(file, cfg)) // before they are read
	if d.passwords, err = loadPasswords(cfg, nil); err != nil {
		return nil, err
	}
	if d.passwords.Len() == 0 {
		log.Warn("nobody can log in: the password file has no users", "file", cfg.Auth.File, "do", "maildir-imapctl passwd USER")
	}
	if d.groups, err = loadGroups(cfg); err != nil {
		return nil, err
	}
	warnFiles(cfg, log)
	warnSecrets(cfg, log)
	state := stateDir(cfg, log)
	d.seed = loginSeed(state)
	d.auth = newAuthenticator(cfg, hostname(cfg), d.passwords, d.seed)
	if d.certs, err = gate.LoadCertificates(cfg, hostname(cfg), log); err != nil {
		return nil, err
	}
	if d.store, err = openStore(cfg, state, events, log); err != nil {
		return nil, err
	}
	d.rules.set(cfg, d.passwords, d.groups)
	d.memory = newMemory(d.store, cfg.Limits.Memory, log)
	d.server = imapd.New(d.engineOptions(cfg))
	if _, err := d.words.read(cfg); err != nil {
		log.Error("users are not told all that there is to say", "err", err) // the mail goes on
	}
	d.server.SetAlerts(d.words.all())
	sockets, errs := gate.Activated()
	for _, e := range errs {
		log.Error("socket from systemd not used", "err", e)
	}
	d.gate, err = gate.New(cfg, gate.Options{Handler: d.handle, Certificates: d.certs, Sockets: sockets, Memory: d.memory.refusing, Log: log})
	if err != nil {
		return nil, errors.Join(err, d.store.Close())
	}
	if d.metrics, err = openMetrics(cfg.Metrics.Listen, d.numbers, log); err != nil {
		log.Error("metrics are not shown", "err", err) // the mail goes on
	}
	return d, nil
}

func (d *daemon) numbers() []byte {
	return numbers(d.gate.Refusals(), d.server.Stats(), d.store.Stats())
}

// handle joins gate and engine.
func (d *daemon) handle(ctx context.Context, c net.Conn, in *gate.Info) {
	d.server.ServeConn(ctx, c, connInfo(c, in, d.config.Load().Auth.Cleartext))
}

func (d *daemon) engineOptions(cfg *config.Config) imapd.Options {
	mail := &mailOpener{cfg: cfg, store: d.store, log: d.log, rules: &d.rules}
	return imapd.Options{
		Hostname: hostname(cfg), Version: versionNumber(), Auth: engineAuth(d.auth, d.certs), Open: mail.open,
		TLS: d.certs.Config(), Limits: engineLimits(cfg), Log: d.log,
	}
}

// hostname is the configured name, else the machine's.
func hostname(cfg *config.Config) string {
	if cfg.Server.Hostname != "" {
		return cfg.Server.Hostname
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return strings.ToLower(name)
}

// run serves until a signal ends it.
func (d *daemon) run() error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	go d.memory.run()
	d.gate.Start(ctx)
	d.log.Info("ready", "version", versionNumber(), "config", d.file, "users", d.passwords.Len(), "listening", d.gate.Addresses())
	d.tell.ready(d.status())
	d.loop(signals)

	d.tell.stopping()
	d.log.Info("stopping", "connections", d.gate.Connections())
	stop, hurry := context.WithTimeout(context.Background(), drainTime)
	defer hurry()
	go func() { // a second signal does not wait
		select {
		case <-signals:
			hurry()
		case <-stop.Done():
		}
	}()
	d.gate.Close()
	err := d.server.Shutdown(stop)
	d.gate.Wait()
	d.memory.close()
	d.watch.close()
	d.metrics.close()
	if cerr := d.store.Close(); cerr != nil {
		return cerr
	}
	if err != nil {
		d.log.Warn("clients that did not take their BYE were cut", "err", err)
	}
	d.log.Info("stopped")
	return nil
}

// loop is the main goroutine's life between READY and STOPPING.
func (d *daemon) loop(signals <-chan os.Signal) {
	var watchdog <-chan time.Time
	if every := d.tell.watchdog(); every > 0 {
		t := time.NewTicker(every)
		defer t.Stop()
		watchdog = t.C
	}
	daily := time.NewTicker(24 * time.Hour) // self-signed certificates are renewed, expiry is warned of
	defer daily.Stop()
	var settled <-chan time.Time // many changes at once are one message to systemd
	for {
		select {
		case s := <-signals:
			if s != syscall.SIGHUP {
				return
			}
			d.reload("SIGHUP")
		case <-d.watch.changed:
			d.reload("files changed")
		case <-daily.C:
			d.reload("daily look")
		case <-watchdog:
			d.tell.alive(d.status())
		case <-d.store.WatchNews():
			settled = soon(settled)
		case <-d.memory.news:
			settled = soon(settled)
		case <-settled:
			settled = nil
			d.tell.status(d.status())
		}
	}
}

// soon is when what has changed is told, unless that is under way.
func soon(pending <-chan time.Time) <-chan time.Time {
	if pending != nil {
		return pending
	}
	return time.After(settle)
}

// status is the line of systemctl status.
func (d *daemon) status() string {
	s := fmt.Sprintf("%d connections, listening on %s", d.gate.Connections(), strings.Join(d.gate.Addresses(), ", "))
	if n := d.store.WatchStatus().Polled; n > 0 {
		s += fmt.Sprintf("; %d mailboxes are polled, not watched: raise fs.inotify.max_user_watches", n)
	}
	if limit, full := d.memory.refusing(); full {
		s += "; new connections are refused: [limits] memory = " + limit + " is used up"
	}
	if d.trouble != "" {
		s = "Old settings in force: " + d.trouble + "; " + s
	}
	return strings.ReplaceAll(s, "\n", "; ")
}

// watched lists the files whose change is a reason to reload.
func watched(file string, c *config.Config) []string {
	all := []string{file, c.Auth.File, c.Auth.Groups, c.Server.Motd, alertfile.Dir(c.Server.State), c.TLS.Certificate, c.TLS.Key}
	for _, h := range c.Hosts {
		all = append(all, h.Certificate, h.Key)
	}
	all = slices.DeleteFunc(all, func(f string) bool { // those of systemd do not change
		_, credential := config.CredentialName(f)
		return f == "" || credential
	})
	for i, f := range all {
		if f[0] != '/' {
			if wd, err := os.Getwd(); err == nil {
				all[i] = wd + "/" + f
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
