// Package config is the typed form of maildir-imapd's one INI file.
//
// # What it owns
//
// The names of sections and keys, their types, their defaults (one literal, [Default]), the strict loader
// ([Load]), the effective print ([Config.Print], itself a file that loads to the same configuration), the
// comparison that the reload line of the log is made of ([Diff]), and the expansion of %u %n %d %h and ~ in
// paths ([Expand]), which happens nowhere else. It opens no file but the INI file and starts nothing.
//
// # Format
//
// Lines of "[section]" or "[section "name"]", "key = value", blank lines, and comments. A comment starts with
// '#' or ';' at the beginning of a line or after white space outside double quotes. Double quotes keep white
// space, commas and comment signs; inside them \" and \\ stand for themselves. There are no continuation
// lines and no interpolation. A key may be given once in a section; keys that hold lists may be repeated, the
// lines add up. Section and key names are not case-sensitive, but for the keys of [alias], which are names of
// mailboxes: those may stand in double quotes and hold anything, and ini.v1 is not shown them.
//
// A namespace has other keys when it shows other users' mail: its kind is settled before they are read (namespace.go).
//
// The text is read by gopkg.in/ini.v1, whose habits would surprise here: it cuts values at ';' and '#' even
// inside quotes (and with SpaceBeforeInlineComment at the first " #" before it looks for " ;"), starts
// multi-line values at a backquote, joins lines, interpolates %(x)s, lets a section inherit from the one
// whose name is its prefix up to a dot, and keeps no line numbers. So a small scan of our own (scan.go) runs
// first: it knows line numbers, removes comments, refuses what neither could mean, and hands cleaned lines on.
//
// # Errors
//
// A load reports everything that is wrong at once, each as "file:line: [section] key: problem; do this".
// Unknown sections and keys are [Warning]s, so that an upgrade or a downgrade never stops the mail.
//
// # Concurrency
//
// A *Config is not changed after Load returns it; share it freely. A reload loads another one.
package config
