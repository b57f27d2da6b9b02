package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"maildir-imapd/cmd/internal/alertfile"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir/fsx"
)

// words is what there is to say to users: the message of the day, and the administrator's alerts.
type words struct {
	motd   string
	alerts []imapd.Alert
}

// maxMotd bounds what is read. Clients are told far less.
const maxMotd = 64 << 10

// read looks at the files. What cannot be read leaves the old in force.
func (w *words) read(cfg *config.Config) (changes []string, err error) {
	motd, err := readMotd(cfg.Server.Motd)
	switch {
	case err != nil:
		err = fmt.Errorf("[server] motd: %w", err)
	case motd != w.motd:
		w.motd = motd
		changes = append(changes, "message of the day")
	}
	files, bad := alertfile.Load(cfg.Server.State)
	if bad != nil {
		err = errors.Join(err, fmt.Errorf("[server] state: %w", bad))
		if files == nil {
			return changes, err
		}
	}
	alerts := make([]imapd.Alert, 0, len(files))
	for _, f := range files {
		alerts = append(alerts, imapd.Alert{User: f.User, Text: f.Text, Until: f.Until})
	}
	if !slices.Equal(alerts, w.alerts) {
		changes = append(changes, fmt.Sprintf("alerts: %d, %d before", len(alerts), len(w.alerts)))
		w.alerts = alerts
	}
	return changes, err
}

// readMotd reads the message of the day. None is an empty one.
func readMotd(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	var disk fsx.FS
	path, err := disk.Resolve(path) // links are the administrator's
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	d, err := disk.OpenDir(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer d.Close()
	b, _, err := d.ReadFile(filepath.Base(path), maxMotd)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

// all is what the engine is to say.
func (w *words) all() []imapd.Alert {
	return append([]imapd.Alert{{Text: w.motd}}, w.alerts...)
}
