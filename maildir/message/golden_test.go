package message

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// corpus is the directory of test mail, or the test is skipped.
func corpus(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("MAILDIR_IMAPD_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(filepath.Join(dir, "open")); err != nil {
		t.Skip("no corpus of test mail: set MAILDIR_IMAPD_CORPUS")
	}
	return dir
}

type goldenMessage struct {
	File          string `json:"file"`
	Size          string `json:"size"`
	Envelope      any    `json:"envelope"`
	Body          any    `json:"body"`
	BodyStructure any    `json:"bodystructure"`
	Sections      map[string][]any
}

// The renderer writes what the golden file has: strings as "s:...", atoms bare.

func latin1(b []byte) string {
	r := make([]rune, len(b))
	for i, c := range b {
		r[i] = rune(c)
	}
	return string(r)
}

func rString(b []byte) any { return "s:" + latin1(b) }

func rNString(b []byte) any {
	if b == nil {
		return "NIL"
	}
	return rString(b)
}

func rNumber(n int64) any { return strconv.FormatInt(n, 10) }

func rAddresses(list []Address) any {
	if len(list) == 0 {
		return "NIL"
	}
	out := []any{}
	for _, a := range list {
		out = append(out, []any{rNString(a.Name), rNString(a.Route), rNString(a.Mailbox), rNString(a.Host)})
	}
	return out
}

func rEnvelope(e *Envelope) any {
	return []any{rNString(e.Date), rNString(e.Subject), rAddresses(e.From), rAddresses(e.Sender), rAddresses(e.ReplyTo),
		rAddresses(e.To), rAddresses(e.Cc), rAddresses(e.Bcc), rNString(e.InReplyTo), rNString(e.MessageID)}
}

func rParams(list []Param) any {
	if len(list) == 0 {
		return "NIL"
	}
	out := []any{}
	for _, p := range list {
		out = append(out, rString(p.Name), rString(p.Value))
	}
	return out
}

func rDisposition(p *Part) any {
	if p.Disposition == nil {
		return "NIL"
	}
	return []any{rString(p.Disposition), rParams(p.DispParams)}
}

func rLanguage(p *Part) any {
	switch len(p.Language) {
	case 0:
		return "NIL"
	}
	out := []any{}
	for _, l := range p.Language {
		out = append(out, rString(l))
	}
	return out
}

func rPart(m *Message, i int32, ext bool) any {
	p := &m.Parts[i]
	out := []any{}
	if p.IsMultipart() {
		for c, k := i+1, int32(0); k < p.Children; k++ {
			out = append(out, rPart(m, c, ext))
			c = m.Parts[c].Next
		}
		out = append(out, rString([]byte(p.Subtype)))
		if ext {
			out = append(out, rParams(p.Params), rDisposition(p), rLanguage(p), rNString(p.Location))
		}
		return out
	}
	out = append(out, rString([]byte(p.Type)), rString([]byte(p.Subtype)), rParams(p.Params), rNString(p.ID),
		rNString(p.Description), rString([]byte(p.Encoding)), rNumber(p.Body.Size))
	switch {
	case p.IsMessage() && !p.IsGlobal():
		out = append(out, rEnvelope(p.Envelope), rPart(m, i+1, ext), rNumber(p.Body.Lines))
	case p.IsText():
		out = append(out, rNumber(p.Body.Lines))
	}
	if ext {
		out = append(out, rNString(p.MD5), rDisposition(p), rLanguage(p), rNString(p.Location))
	}
	return out
}

// section gives the bytes of BODY[name] as sent.
func section(m *Message, file []byte, name string) ([]byte, bool) {
	var path []int
	rest := name
	for rest != "" {
		word, tail, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(word)
		if err != nil {
			break
		}
		path, rest = append(path, n), tail
	}
	i, ok := m.Part(path)
	if !ok {
		return nil, false
	}
	p := &m.Parts[i]
	if (rest == "HEADER" || rest == "TEXT") && len(path) > 0 {
		if !p.IsMessage() || p.IsGlobal() {
			return nil, false
		}
		p = &m.Parts[i+1]
	}
	var r Range
	switch rest {
	case "HEADER", "MIME":
		r = p.Header.Range
	case "TEXT":
		r = p.Body.Range
	default:
		r = p.Body.Range
		if len(path) == 0 {
			r.Start = p.Header.Start
		}
	}
	var b bytes.Buffer
	if _, err := CopyCRLF(&b, bytes.NewReader(file[r.Start:r.End])); err != nil {
		return nil, false
	}
	return b.Bytes(), true
}

// goldenDifference is a line of testdata/golden-differences.txt.
type goldenDifference struct{ attributes, why string }

// goldenLine: file, attributes, the RFC section that decides, a sentence.
var goldenLine = regexp.MustCompile(`^(\S+) ([a-z,]+) (RFC [0-9]{4} §[0-9.]+: \S.*\.)$`)

func goldenDifferences(t *testing.T) map[string]goldenDifference {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden-differences.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string]goldenDifference)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := goldenLine.FindStringSubmatch(line)
		if f == nil {
			t.Fatalf("golden-differences.txt: %q is not: file attributes RFC nnnn §n: why.", line)
		}
		if _, twice := list[f[1]]; twice {
			t.Fatalf("golden-differences.txt: %s twice", f[1])
		}
		list[f[1]] = goldenDifference{f[2], f[3]}
	}
	return list
}

var goldenKinds = []string{"size", "envelope", "body", "bodystructure", "sections"}

// compareGolden returns the attributes that differ, and what to show of them.
func compareGolden(g *goldenMessage, m *Message, file []byte) (differ, show []string) {
	got := map[string]any{
		"size":          strconv.FormatInt(m.Size, 10),
		"envelope":      rEnvelope(&m.Envelope),
		"body":          rPart(m, 0, false),
		"bodystructure": rPart(m, 0, true),
	}
	want := map[string]any{"size": g.Size, "envelope": g.Envelope, "body": g.Body, "bodystructure": g.BodyStructure}
	for _, k := range goldenKinds {
		if !reflect.DeepEqual(want[k], got[k]) {
			w, _ := json.Marshal(want[k])
			g, _ := json.Marshal(got[k])
			differ, show = append(differ, k), append(show, fmt.Sprintf("%s\n  want %.3000s\n  got  %.3000s", k, w, g))
		}
	}
	var off []string
	for name, want := range g.Sections {
		b, ok := section(m, file, name)
		if want == nil {
			if ok && len(b) > 0 {
				off = append(off, name)
			}
			continue
		}
		sum := sha256.Sum256(b)
		if !ok || len(b) != int(want[0].(float64)) || hex.EncodeToString(sum[:8]) != want[1] {
			off = append(off, name)
		}
	}
	if len(off) > 0 {
		sort.Strings(off)
		differ, show = append(differ, "sections"), append(show, fmt.Sprint("sections ", off))
	}
	return differ, show
}

// TestGolden compares with what Dovecot answers. Every difference stands in
// testdata/golden-differences.txt with the RFC section that decides it.
func TestGolden(t *testing.T) {
	dir := corpus(t)
	f, err := os.Open(filepath.Join(dir, "golden", "dovecot-2.3.19.jsonl"))
	if err != nil {
		t.Skip("no golden answers:", err)
	}
	defer f.Close()
	listed := goldenDifferences(t)
	var p Parser
	total, agree := 0, make(map[string]int)
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var g goldenMessage
		if err := json.Unmarshal(sc.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "open", g.File))
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.Parse(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		total++
		differ, show := compareGolden(&g, m, file)
		for _, k := range goldenKinds {
			if !slices.Contains(differ, k) {
				agree[k]++
			}
		}
		l, known := listed[g.File]
		delete(listed, g.File)
		switch attributes := strings.Join(differ, ","); {
		case attributes == "" && known:
			t.Errorf("%s agrees by now: take it out of golden-differences.txt", g.File)
		case attributes == "":
			agree["everything"]++
		case !known:
			t.Errorf("%s differs in %s and is not in golden-differences.txt\n%s", g.File, attributes, strings.Join(show, "\n"))
		case attributes != l.attributes:
			t.Errorf("%s differs in %s, golden-differences.txt says %s\n%s", g.File, attributes, l.attributes, strings.Join(show, "\n"))
		case os.Getenv("GOLDEN_DIFFERENCES") != "":
			t.Logf("%s: %s\n%s", g.File, l.why, strings.Join(show, "\n"))
		}
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	for name := range listed {
		t.Errorf("%s is in golden-differences.txt, but there is no such message", name)
	}
	for _, k := range append(goldenKinds, "everything") {
		percent := 100 * float64(agree[k]) / float64(total)
		t.Logf("%-14s %d of %d agree: %.2f %%", k, agree[k], total, percent)
		if !(percent >= 97) {
			t.Errorf("%s: %.2f %% agree, of 97 that are wanted", k, percent)
		}
	}
}
