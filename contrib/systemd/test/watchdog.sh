#!/bin/bash
# watchdog.sh: a daemon that hangs is restarted, and its stacks are in the journal.
. /rig/lib.sh
lay
ok 'the sockets start' systemctl start maildir-imapd-imap.socket maildir-imapd-imaps.socket
dropin short '[Service]' WatchdogSec=2s
ok 'a client starts it' greeted
sleep 5
is 'the watchdog is fed' "$(prop NRestarts) $(state)" '0 active'

# A stopped process does not turn its main loop. systemd lets it go on after its SIGABRT, so that it can act on that.
pid=$(prop MainPID)
kill -STOP "$pid"
ok 'a hang is noticed' logged 'Watchdog timeout'
restarted() { [ "$(prop NRestarts) $(state)" = '1 active' ] || { systemctl status --no-pager maildir-imapd; return 1; }; }
ok 'it is restarted' soon restarted
no 'another process' [ "$(prop MainPID)" = "$pid" ]
has 'by the watchdog' "$(journal)" 'Failed with result .watchdog.'
stacks=$(journalctl -q -b -o cat "_PID=$pid")
has 'the journal says what it died of' "$stacks" '^SIGABRT: abort'
has 'the stacks are in the journal' "$stacks" '^goroutine [0-9]* .*:$'
has 'with the main loop' "$stacks" '^main\.(\*daemon)\.loop('
ok 'the next client is greeted' greeted
