package imapd

import (
	"maps"
	"slices"
	"testing"

	"maildir-imapd/imapd/transcript"
	"maildir-imapd/maildir"
)

const transcripts = "../testdata/imap"

// TestTranscripts plays every dialogue of testdata/imap: plain, a byte at a time, compressed, and with a
// second session watching.
func TestTranscripts(t *testing.T) {
	transcript.PlayDir(t, transcripts, func(t *testing.T, s *transcript.Script) *transcript.Server {
		t.Parallel() // they wait for the disk, and some for nothing to come
		ts := startServer(t, func(ts *testServer) { configure(ts, s.Needs) })
		return ts.transcript(slices.DeleteFunc(slices.Clone(s.Needs), func(n string) bool { return n == "config:one-connection" })...)
	})
}

// configure gives a transcript the configuration it needs.
func configure(ts *testServer, needs []string) {
	for _, need := range needs {
		switch need {
		case "config:limits":
			ts.options.Limits.Append, ts.options.Limits.Line = 64<<10, 128
		case "config:quota", "config:quota-warn":
			ts.quota = maildir.Quota{Set: true, Storage: 2 << 10, Messages: 5, Warn: need == "config:quota-warn",
				StorageKey: "[quota] storage", MessagesKey: "[quota] messages", Text: "Ask the postmaster"}
		case "public":
			ts.withPublic = true
		case "acl":
			ts.withPublic, ts.lists = true, true
		case "config:private":
			ts.private = true
		case "config:shared":
			ts.lists, ts.shared = true, true
		case "config:tilde":
			ts.tweakMail = func(m *Mail) { m.Tilde = true }
		case "config:public-quota":
			ts.publicQuota = func() maildir.Quota { return maildir.Quota{Set: true, Messages: 4} }
		case "config:hide":
			ts.hide = func() []string { return []string{"box"} }
		case "config:anyone":
			ts.anyone.Store(true)
		case "config:aliases":
			ts.tweakMail = func(m *Mail) {
				m.Tilde = true
				m.Aliases = func() map[string]string {
					return map[string]string{"Team": "Public/news", "Plans/Next": "Work", "Again": "Team/old", "Nothing": "Public/nothing", "Round": "Go", "Go": "Round"}
				}
			}
		case "config:subscribe":
			ts.tweakMail = func(m *Mail) {
				m.Defaults = func() []string { return []string{"Public/news", "Public/nothing", "Elsewhere/x"} }
			}
		case "config:inbox-prefix":
			ts.withPrefix = true
		case "config:tls-only":
			ts.info.Cleartext = false
		}
	}
}

// TestEveryOutcomeHasATranscript: a command cannot come without dialogues that show its OK, NO, BAD and
// wrong state, nor a response code without one that demands it.
func TestEveryOutcomeHasATranscript(t *testing.T) {
	scripts, err := transcript.LoadDir(transcripts)
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(extensions)
	names := slices.AppendSeq(slices.Collect(maps.Keys(x.front)), maps.Keys(x.session))
	slices.Sort(names)
	covered := transcript.Cover(scripts)
	for _, missing := range covered.Missing(slices.Compact(names)) {
		t.Error("no transcript for", missing)
	}
	used, err := transcript.UsedCodes(".")
	if err != nil {
		t.Fatal(err)
	}
	inAuth, err := transcript.UsedCodes("../auth")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range covered.MissingCodes(append(used, inAuth...)) {
		if untestable[code] == "" {
			t.Error("no transcript for response code", code)
		}
	}
}

// untestable are codes that no dialogue can provoke in a healthy server, with the test that does.
var untestable = map[string]string{
	"SERVERBUG":  "TestInternalErrorIsAnswered",
	"CORRUPTION": "TestStoreErrorsAreMapped",
}
