package transcript

import (
	"testing"
)

const (
	files  = "../../testdata/imap"
	engine = ".."
)

// unshown are codes that need a server gone wrong, which no dialogue can bring about, or a line too long to read;
// each says who tests it.
var unshown = map[string]string{
	"SERVERBUG":  "an internal error: the engine's own tests make one",
	"CORRUPTION": "damaged state files: the store's own tests",
	"LIMIT":      "a search for a thousand texts: the engine's own tests",
}

// TestEveryCommandHasTranscripts: (command × OK, NO, BAD, wrong state).
func TestEveryCommandHasTranscripts(t *testing.T) {
	scripts, err := LoadDir(files)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range Commands {
		names = append(names, c.Name)
	}
	for _, m := range Cover(scripts).Missing(names) {
		t.Errorf("no transcript shows %s", m)
	}
}

// TestEveryCodeHasTranscript: what the sources can send, a transcript shows.
func TestEveryCodeHasTranscript(t *testing.T) {
	scripts, err := LoadDir(files)
	if err != nil {
		t.Fatal(err)
	}
	used, err := UsedCodes(engine)
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range Cover(scripts).MissingCodes(used) {
		if unshown[code] == "" {
			t.Errorf("the sources use [%s]; no transcript shows it", code)
		}
	}
}
