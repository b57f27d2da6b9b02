package imapd

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// The administrator's words to users, which clients must show (RFC 9051 §7.1, ALERT). Every session is told each once:
// those that stand when it logs in, before the answer to the login, and later ones at once, in IDLE and while it waits
// for a command as well, for a server may speak at any time (RFC 9051 §7).
//
// A session keeps one number for it, that of the last alert it was told of. Its wait for input is ended as a shutdown
// ends it, and taken up again: no session has a channel or a goroutine of its own for this.

// Alert is a text for one user, or for all.
type Alert struct {
	User  string // empty: everybody
	Text  string
	Until time.Time // zero: as long as it is there
}

// maxAlert is how much of a text is told, in bytes.
const maxAlert = 500

// alertSet is what stands at one moment. It is not changed once it is published.
type alertSet struct {
	last uint64 // the highest number that was ever given
	all  []standing
}

// standing is an alert with its number.
type standing struct {
	Alert
	plain string // the text in ASCII
	seq   uint64
}

// alerts is a server's alerts.
type alerts struct{ now atomic.Pointer[alertSet] }

// over tells whether an alert's time has passed.
func (a *Alert) over(now time.Time) bool { return !a.Until.IsZero() && now.After(a.Until) }

// SetAlerts puts alerts in the place of those that stood, and tells the sessions of the new ones. An alert whose user
// and text stood before is none; one whose time had passed no longer stood.
func (s *Server) SetAlerts(all []Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, now := s.alerts.now.Load(), time.Now()
	next := &alertSet{}
	if was != nil {
		next.last = was.last
	}
	var fresh []standing
	for _, a := range all {
		a.Text = alertText(a.Text)
		if a.Text == "" || a.over(now) || next.find(a) != nil {
			continue
		}
		x := standing{Alert: a, plain: asciiText(a.Text)}
		if old := was.find(a); old != nil && !old.over(now) {
			x.seq = old.seq
		} else {
			next.last++
			x.seq = next.last
			fresh = append(fresh, x)
		}
		next.all = append(next.all, x)
	}
	s.alerts.now.Store(next) // before the nudge: who is woken finds them
	for c, user := range s.conns {
		if user != "" && slices.ContainsFunc(fresh, func(x standing) bool { return x.User == "" || x.User == user }) {
			c.nudge()
		}
	}
}

func (a *alertSet) find(x Alert) *standing {
	if a == nil {
		return nil
	}
	for i := range a.all {
		if a.all[i].User == x.User && a.all[i].Text == x.Text {
			return &a.all[i]
		}
	}
	return nil
}

// tellAlerts writes the alerts that the session was not told of.
func (s *session) tellAlerts(w *responder) {
	set := s.srv.alerts.now.Load()
	if set == nil || set.last == s.alerted {
		return
	}
	now := time.Now()
	for i := range set.all {
		x := &set.all[i]
		if x.seq <= s.alerted || x.over(now) || x.User != "" && x.User != s.login.account() {
			continue
		}
		if x.User != "" {
			if same := set.find(Alert{Text: x.Text}); same != nil && !same.over(now) {
				continue // everybody is told the same
			}
		}
		text := x.plain
		if s.utf8 {
			text = x.Text
		}
		w.untaggedStatus("OK", "ALERT", text)
	}
	s.alerted = set.last
}

// nudged is called when the wait for a command was ended because there is something to say.
//
//go:noinline
func (s *session) nudged() error {
	s.wake()
	s.tellAlerts(s.w)
	return s.w.send()
}

// alertText makes one line of a text, of what can be shown, and not too long.
func alertText(s string) string {
	s = strings.ToValidUTF8(s, "?")
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r):
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= maxAlert {
		return s
	}
	end := maxAlert - len("...")
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimRight(s[:end], " ") + "..."
}

// asciiText is for clients that have not asked for UTF-8 (RFC 9051 §9, TEXT-CHAR): letters lose their marks.
func asciiText(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return s
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(plainSigns.Replace(s)) {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case !unicode.Is(unicode.M, r):
			b.WriteByte('?')
		}
	}
	return b.String()
}

// plainSigns are those that Unicode does not take apart.
var plainSigns = strings.NewReplacer("ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "AE", "ø", "o", "Ø", "O", "đ", "d", "Đ", "D", "ł", "l", "Ł", "L",
	"‘", "'", "’", "'", "‚", "'", "“", `"`, "”", `"`, "„", `"`, "«", `"`, "»", `"`, "–", "-", "—", "-", "•", "*", "€", "EUR")
