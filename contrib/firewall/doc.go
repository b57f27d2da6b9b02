// Package firewall holds what ufw and firewalld know the daemon's ports by; its tests read both as those do.
package firewall
