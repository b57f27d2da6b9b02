package message

// arena hands out memory for the texts of one result, in few allocations.
type arena struct {
	text   []byte
	params []Param
	addrs  []Address
	langs  [][]byte
}

// copy keeps b for the result; never nil.
func (a *arena) copy(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	if cap(a.text)-len(a.text) < len(b) {
		a.text = make([]byte, 0, max(512, len(b), 2*cap(a.text)))
	}
	n := len(a.text)
	a.text = append(a.text, b...)
	return a.text[n:len(a.text):len(a.text)]
}

func (a *arena) copyParams(list []Param) []Param {
	if len(list) == 0 {
		return nil
	}
	if cap(a.params)-len(a.params) < len(list)+1 {
		a.params = make([]Param, 0, max(8, len(list)+1, 2*cap(a.params)))
	}
	n := len(a.params)
	a.params = append(a.params, list...)
	// One spare behind each list for the default charset.
	a.params = a.params[:len(a.params)+1]
	return a.params[n : n+len(list) : n+len(list)+1]
}

func (a *arena) copyAddrs(list []Address) []Address {
	if len(list) == 0 {
		return nil
	}
	if cap(a.addrs)-len(a.addrs) < len(list) {
		a.addrs = make([]Address, 0, max(4, len(list), 2*cap(a.addrs)))
	}
	n := len(a.addrs)
	a.addrs = append(a.addrs, list...)
	return a.addrs[n:len(a.addrs):len(a.addrs)]
}

func (a *arena) copyLangs(list [][]byte) [][]byte {
	if len(list) == 0 {
		return nil
	}
	if cap(a.langs)-len(a.langs) < len(list) {
		a.langs = make([][]byte, 0, max(2, len(list), 2*cap(a.langs)))
	}
	n := len(a.langs)
	a.langs = append(a.langs, list...)
	return a.langs[n:len(a.langs):len(a.langs)]
}

func isWSP(c byte) bool { return c == ' ' || c == '\t' }

// isSpace: what separates tokens in a field whose folds were not undone.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// unfold appends the value without its line ends (RFC 5322 §2.2.3) and without
// white space after the colon.
func unfold(dst, raw []byte) []byte {
	for len(raw) > 0 && isWSP(raw[0]) {
		raw = raw[1:]
	}
	for i, c := range raw {
		if c == '\n' || c == '\r' && i+1 < len(raw) && raw[i+1] == '\n' {
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// collapse appends the value with every run of white space as one space, none at
// its ends.
func collapse(dst, raw []byte) []byte {
	raw = trimSpace(raw)
	space := false
	for _, c := range raw {
		if isSpace(c) {
			space = true
			continue
		}
		if space {
			dst = append(dst, ' ')
			space = false
		}
		dst = append(dst, c)
	}
	return dst
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// equalFold compares b with s, which is in lower case, in ASCII.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if lower(c) != lower(s[i]) {
			return false
		}
	}
	return true
}

func equalFoldString(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// known are the words that nearly every message has; they cost no memory.
var known = func() map[string]string {
	m := make(map[string]string)
	for _, w := range []string{
		"text", "TEXT", "Text", "plain", "PLAIN", "Plain", "html", "HTML", "multipart", "Multipart", "MULTIPART",
		"mixed", "MIXED", "alternative", "related", "report", "signed", "encrypted", "digest", "message", "Message",
		"MESSAGE", "rfc822", "RFC822", "delivery-status", "global", "application", "APPLICATION", "octet-stream",
		"pdf", "zip", "pgp-signature", "pkcs7-signature", "x-pkcs7-signature", "ms-tnef", "image", "IMAGE", "jpeg",
		"png", "gif", "calendar", "rfc822-headers", "audio", "video", "7bit", "7Bit", "7BIT", "8bit", "8Bit", "8BIT", "binary",
		"base64", "BASE64", "Base64", "quoted-printable", "QUOTED-PRINTABLE", "Quoted-Printable", "Quoted-printable",
	} {
		m[w] = w
	}
	return m
}()

// word is b as a string.
func word(b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	return string(b)
}

// words are those not known that a Parser met of late: the next message and the next
// part say the same.
type words struct{ seen map[string]string }

const (
	keepWords = 64
	maxWord   = 64 // of longer ones no memory is kept
)

func (w *words) word(b []byte) string {
	if s, ok := w.seen[string(b)]; ok {
		return s
	}
	s := word(b)
	if len(s) > maxWord {
		return s
	}
	if len(w.seen) >= keepWords {
		clear(w.seen)
	}
	if w.seen == nil {
		w.seen = make(map[string]string)
	}
	w.seen[s] = s
	return s
}
