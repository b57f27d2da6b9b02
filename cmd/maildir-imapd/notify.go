package main

import (
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// notifier tells systemd what the daemon does (sd_notify(3)); without a NOTIFY_SOCKET it tells nobody.
type notifier struct{ log *slog.Logger }

func (n notifier) send(state string) {
	if _, err := sd.SdNotify(false, state); err != nil {
		n.log.Warn("cannot notify systemd", "err", err)
	}
}

func (n notifier) ready(status string) { n.send(sd.SdNotifyReady + "\nSTATUS=" + status) }
func (n notifier) stopping()           { n.send(sd.SdNotifyStopping + "\nSTATUS=Saying goodbye to clients") }

// reloading goes with the time stamp that Type=notify-reload wants; Type=notify ignores it.
func (n notifier) reloading() {
	n.send(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() + "STATUS=Reloading")
}

func (n notifier) alive(status string) { n.send(sd.SdNotifyWatchdog + "\nSTATUS=" + status) }

// status tells what has changed between two ticks of the watchdog.
func (n notifier) status(status string) { n.send("STATUS=" + status) }

// watchdog is how often to say that the main loop still turns: twice in WatchdogSec, 0 for never.
func (n notifier) watchdog() time.Duration {
	d, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("systemd's watchdog is off", "err", err)
		return 0
	}
	return d / 2
}
