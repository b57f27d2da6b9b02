// Package fail2ban holds the filter that bans addresses with too many failed
// logins; its test holds the filter against the lines that the daemon logs.
package fail2ban
