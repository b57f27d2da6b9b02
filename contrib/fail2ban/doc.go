// Package fail2ban holds the filter and the jail that ban addresses with too many failed
// logins; its tests hold them against the lines that the daemon logs while it is attacked.
package fail2ban
