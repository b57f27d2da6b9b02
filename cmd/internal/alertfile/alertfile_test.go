package alertfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var now = time.Date(2026, 11, 22, 13, 5, 1, 0, time.UTC)

// TestAlerts: what is added comes back, the oldest first, until it is removed or over.
func TestAlerts(t *testing.T) {
	state := t.TempDir()
	if all, err := Load(state); all != nil || err != nil {
		t.Fatal(all, err)
	}
	want := []Alert{
		{Text: "for all"},
		{User: "ann@example.org", Text: "two\nlines", Until: now.Add(time.Hour)},
		{User: "Jörg", Text: "user: bob", Until: now.Add(2 * time.Hour)},
	}
	for i, a := range want {
		id, err := Add(state, a, now.Add(time.Duration(i)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		want[i].ID = id
	}
	got, err := Load(state)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Fatal(err, d)
	}
	if err := Remove(state, want[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := Remove(state, want[0].ID); err == nil || !strings.Contains(err.Error(), "-list") {
		t.Error("twice:", err)
	}
	for _, id := range []string{"../alerts/" + want[1].ID, "", "x/y", "a\x00b"} {
		if err := Remove(state, id); err == nil {
			t.Errorf("removed %q", id)
		}
	}
	later := now.Add(90 * time.Minute)
	if got, _ := Load(state); len(got) != 2 || !got[0].Over(later) || got[1].Over(later) {
		t.Error(got)
	}
	if _, err := Add(state, Alert{Text: "new"}, later); err != nil { // takes away what is over
		t.Fatal(err)
	}
	got, err = Load(state)
	want = []Alert{want[2], {Text: "new"}}
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Alert{}, "ID")); d != "" || err != nil {
		t.Error(err, d)
	}
	if st, err := os.Stat(filepath.Join(Dir(state), got[1].ID+suffix)); err != nil || st.Mode().Perm() != 0o640 {
		t.Error(st, err)
	}
}

func TestBadAlerts(t *testing.T) {
	state := t.TempDir()
	for _, a := range []Alert{{Text: " \n"}, {Text: "a\xff"}, {Text: strings.Repeat("x", MaxText+1)}, {User: "a\nuntil: x", Text: "x"}, {User: " a", Text: "x"}} {
		if _, err := Add(state, a, now); err == nil {
			t.Errorf("added %q", a)
		}
	}
	if _, err := Add(filepath.Join(state, "none"), Alert{Text: "x"}, now); err == nil {
		t.Error("added without a state directory")
	}
	if err := Prepare(state); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"1.alert": "no header", "2.alert": "user: ann\nwhen: x\n\nx\n", "3.alert": "until: tomorrow\n\nx\n", "4.alert": "user:\n\nx\n",
		"5.alert": "\n\xff\n", "6.alert": "user: bob\r\n\r\ngood\r\n", "7.alert": strings.Repeat("\n", maxFile+1), "8.alert.tmp": "half", "note": "x",
	} {
		if err := os.WriteFile(filepath.Join(Dir(state), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(Dir(state), "9.alert")); err != nil {
		t.Fatal(err)
	}
	got, err := Load(state)
	if d := cmp.Diff([]Alert{{ID: "6", User: "bob", Text: "good"}}, got); d != "" {
		t.Error(d)
	}
	for _, want := range []string{"1.alert: has no blank line", `2.alert: has the unknown line "when: x"`, `3.alert: "tomorrow" is no time`,
		"4.alert: names no user", "5.alert: is not UTF-8", "7.alert", "9.alert"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// TestMoreThanAnybodyReads: the newest are told, the error says that the oldest are not, and those that are over go.
func TestMoreThanAnybodyReads(t *testing.T) {
	state := t.TempDir()
	if err := Prepare(state); err != nil {
		t.Fatal(err)
	}
	for i := range maxFiles + 2 {
		text := "\nold\n"
		if i == 0 {
			text = "until: 2026-11-22T13:05:00Z\n\nover\n"
		}
		if err := os.WriteFile(filepath.Join(Dir(state), fmt.Sprintf("20251122T%06d%s", i, suffix)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Load(state); len(all) != maxFiles || err == nil || !strings.Contains(err.Error(), "the 2 oldest are left out, up to 20251122T000001") {
		t.Errorf("%d alerts, error %v", len(all), err)
	}
	id, err := Add(state, Alert{Text: "new"}, now)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Load(state)
	if len(all) != maxFiles || all[len(all)-1].ID != id || all[0].ID != "20251122T000003" {
		t.Fatalf("%d alerts, %v to %v", len(all), all[0], all[len(all)-1])
	}
	if err == nil || !strings.Contains(err.Error(), "the 2 oldest are left out, up to 20251122T000002") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(Dir(state), "20251122T000000"+suffix)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is over is still there: %v", err)
	}
}
