package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func parse(t *testing.T, file string) *Message {
	t.Helper()
	var p Parser
	return parseAll(t, &p, []byte(file))
}

func show(b []byte) string {
	if b == nil {
		return "-"
	}
	return string(b)
}

func showAddresses(list []Address) string {
	var words []string
	for _, a := range list {
		words = append(words, fmt.Sprintf("%s|%s|%s|%s", show(a.Name), show(a.Route), show(a.Mailbox), show(a.Host)))
	}
	return strings.Join(words, " ")
}

func TestAddresses(t *testing.T) {
	for i, c := range []struct{ in, want string }{
		{"a@b", "-|-|a|b"},
		{"a@b (Ann (of) B)", "Ann (of) B|-|a|b"},
		{"Ann  Bee <a@b>, c@d", "Ann Bee|-|a|b -|-|c|d"},
		{"\"Bee, \\\"Ann\\\"\" <a@b>", "Bee, \"Ann\"|-|a|b"},
		{"<@x,@y:a@b>", "-|@x,@y|a|b"},
		{"\"a b\"@c", "-|-|a b|c"},
		{"a . b @ c . d", "-|-|a.b|c.d"},
		{"a@[1.2.3.4]", "-|-|a|[1.2.3.4]"},
		{"g:;", "-|-|g|- -|-|-|-"},
		{"the group: a@b, Ann <c@d>; e@f", "-|-|the group|- -|-|a|b Ann|-|c|d -|-|-|- -|-|e|f"},
		{"g: a@b", "-|-|g|- -|-|a|b -|-|-|-"},
		{", a@b,,", "-|-|a|b"},
		{"root", "-|-|root|MISSING_DOMAIN"},
		{"<>", "-|-|MISSING_MAILBOX|MISSING_DOMAIN"},
		{"Mary Smith", "Mary Smith|-|MISSING_MAILBOX|MISSING_DOMAIN"},
		{"=?x?Q?y?= a@b", "=?x?Q?y?= a|-|MISSING_MAILBOX|MISSING_DOMAIN"},
		{"J. Doe <a@b", "J. Doe|-|a|b"},
		// Groups, routes, obsolete forms and RFC 2047 in odd places.
		{"g: h: a@b;;", "-|-|g|- -|-|h|MISSING_DOMAIN -|-|-|-"},
		{"g: a@b, ; c@d", "-|-|g|- -|-|a|b -|-|-|- -|-|c|d"},
		{": a@b;", "-|-||- -|-|a|b -|-|-|-"},
		{"<@x , @y : a@b>", "-|@x,@y|a|b"},
		{"<,@x,,@y:a@b>", "-|@x,,@y|a|b"},
		{"A. B. C <a@b>", "A. B. C|-|a|b"},
		{"a. b .c@d", "-|-|a.b.c|d"},
		{"\"a\".b@c", "-|-|a.b|c"},
		{"(x) a (y) @ (z) b (w)", "w|-|a|b"},
		{"Ann\n <a@b>,\n\tc@d", "Ann|-|a|b -|-|c|d"},
		{"\xe4 <a@b>, ä@ö", "\xe4|-|a|b -|-|ä|ö"},
		{"=?utf-8?q?a=2C?= <a@b>", "=?utf-8?q?a=2C?=|-|a|b"},
		{"\"=?utf-8?q?a?=\" <b@c>", "=?utf-8?q?a?=|-|b|c"},
		{"a@b (=?utf-8?q?c?=)", "=?utf-8?q?c?=|-|a|b"},
		{"=?utf-8?Q?a@b?= <c@d>", "-|-|=?utf-8?Q?a|b?="},
		{"=?utf-8?Q?a,b?= <c@d>", "-|-|=?utf-8?Q?a|MISSING_DOMAIN b?=|-|c|d"},
		{"a@[IPv6:::1]", "-|-|a|[IPv6:::1]"},
		{"a@[1.2 .3]", "-|-|a|[1.2.3]"},
		{"a@b.", "-|-|a|b."},
		{"<a@b> trailing, c@d", "-|-|a|b -|-|c|d"},
		{"<a", "-|-|a|MISSING_DOMAIN"},
		{"@b", "-|-|MISSING_MAILBOX|b"},
		{"a@", "-|-|a|MISSING_DOMAIN"},
		{"a@b@c", "-|-|a|b"},
		{"\"unclosed <a@b>, c@d", "-|-|unclosed <a@b>, c@d|MISSING_DOMAIN"},
		{"Ann <>", "Ann|-|MISSING_MAILBOX|MISSING_DOMAIN"},
		{"undisclosed-recipients:;", "-|-|undisclosed-recipients|- -|-|-|-"},
		{"a;b@c", "-|-|a|MISSING_DOMAIN -|-|b|c"},
		{"a@b c@d", "-|-|a|b"},
		{"<a@b><c@d>", "-|-|a|b"},
		{"\x00@b", "-|-|\x00|b"},
		{"a@b,\"\"@c", "-|-|a|b -|-|MISSING_MAILBOX|c"},
		{"(only a comment)", ""},
		{"Ann (x) Bee <a@b>", "Ann Bee|-|a|b"},
		{"\"\" <a@b>", "-|-|a|b"},
		{"a%b@c, a!b!c@d", "-|-|a%b|c -|-|a!b!c|d"},
		{"g:(c);", "-|-|g|- -|-|-|-"},
		{"Ann <@r:@s:a@b>", "Ann|@r|MISSING_MAILBOX|s"},
		{"<@r>", "-|@r|MISSING_MAILBOX|MISSING_DOMAIN"},
	} {
		m := parse(t, "To: "+c.in+"\n\n")
		if got := showAddresses(m.Envelope.To); got != c.want {
			t.Errorf("%d: %q\n got %s\nwant %s", i, c.in, got, c.want)
		}
	}
}

func showParams(list []Param) string {
	var words []string
	for _, p := range list {
		words = append(words, string(p.Name)+"="+string(p.Value))
	}
	return strings.Join(words, "|")
}

func TestContentType(t *testing.T) {
	for i, c := range []struct{ in, typ, params string }{
		{"text/html", "text/html", "charset=us-ascii"},
		{"Text/HTML; Charset=\"UTF-8\"", "Text/HTML", "Charset=UTF-8"},
		{"image/png (a picture); name = \"a\\\"b.png\" ; x=y (z)", "image/png", "name=a\"b.png|x=y"},
		{"", "text/plain", "charset=us-ascii"},
		{"text", "text/plain", "charset=us-ascii"},
		{"a/b; x*=utf-8''%e2", "a/b", "x*=utf-8''%e2"},
		{"a/b; x*1=c; x*0=b; y=z", "a/b", "y=z|x=bc"},
		{"a/b; x*0*=utf-8''a; x*1=\"b c\"", "a/b", "x*=utf-8''ab c"},
		{"a/b; x*1=c; x*2=d", "a/b", "x*1=c|x*2=d"},
		{"a/b;; x=y", "a/b", "x=y"},
		{"a/b x=y", "a/b", "x=y"},
		// RFC 2231 in and out of order, RFC 2047 where it should not be, broken pieces.
		{"a/b; x*2=c; x*0=a; x*1=b", "a/b", "x=abc"},
		{"a/b; x*1*=%62; x*0*=utf-8''%61; x*2=\"c%\"", "a/b", "x*=utf-8''%61%62c%25"},
		{"a/b; x*0*=utf-8'de'%61; x*1=\" c\"", "a/b", "x*=utf-8'de'%61 c"},
		{"a/b; x*0=a; x*0=b; x*1=c", "a/b", "x*0=a|x*0=b|x*1=c"},
		{"a/b; x*0=a; x*2=c", "a/b", "x*0=a|x*2=c"},
		{"a/b; x=plain; x*=utf-8''%61; x*0=a", "a/b", "x=plain|x*=utf-8''%61|x=a"},
		{"a/b; x*00=a; x*01=b", "a/b", "x=ab"},
		{"a/b; X*0=a; x*1=b", "a/b", "X=ab"},
		{"a/b; x*=a; y*0*=b", "a/b", "x*=a|y*=b"},
		{"a/b; x*99999999999=a", "a/b", "x*99999999999=a"},
		{"a/b; *=x; *0=y", "a/b", "*=x|*0=y"},
		{"a/b; x*0*0=a; x**=b", "a/b", "x*0*0=a|x**=b"},
		{"a/b; name==?utf-8?Q?a=20b?=; y=z", "a/b", "name==?utf-8?Q?a=20b?=|y=z"},
		{"a/b; name=\"=?utf-8?Q?a?=\"", "a/b", "name==?utf-8?Q?a?="},
		{"a/b; name=a b; y=z", "a/b", "name=a|y=z"},
		{"a/b; (c) x (d) = (e) y (f) ; z=\"q\" (g)", "a/b", "x=y|z=q"},
		{"a/b; x=\"a\r\n b\"", "a/b", "x=a b"},
		{"a/b; x=\"a\\\"b\\\\c\"", "a/b", "x=a\"b\\c"},
		{"a/b; x=\"unclosed; y=z", "a/b", ""},
		{"multipart/mixed; boundary=\"unclosed", "multipart/mixed", "boundary=unclosed"},
		{"a / b ; x=y", "a/b", "x=y"},
		{"a/b; x", "a/b", ""},
		{"a/b; x=; y=z", "a/b", "x=|y=z"},
		{"a/b; =y; z=1", "a/b", "z=1"},
		{"a/b; x=y; x=z", "a/b", "x=y|x=z"},
		{"text/plain; charset*=utf-8''x", "text/plain", "charset*=utf-8''x"},
		{"text/plain; charset*0=ut; charset*1=f-8", "text/plain", "charset=utf-8"},
		{"text/html; charset=\"\"", "text/html", "charset="},
		{"text/plain; charset=US-ASCII; format=flowed", "text/plain", "charset=US-ASCII|format=flowed"},
		{"a/b, c/d", "a/b", ""},
		{"a/b/c; x=y", "a/b", "x=y"},
		{"(c) a/b", "a/b", ""},
		{"\"a\"/b", "text/plain", "charset=us-ascii"},
		{"a/b; x*0=\"a\"; x*1*=utf-8''%62", "a/b", "x*=''autf-8''%62"},
	} {
		m := parse(t, "Content-Type: "+c.in+"\n\n")
		p := m.Parts[0]
		if got := p.Type + "/" + p.Subtype; got != c.typ || showParams(p.Params) != c.params {
			t.Errorf("%d: %q: %s %s, want %s %s", i, c.in, got, showParams(p.Params), c.typ, c.params)
		}
	}
}

func TestOtherFields(t *testing.T) {
	m := parse(t, "Content-ID: <i>\nContent-Description:  d \n e\nContent-MD5: q==\nContent-Location: l\n"+
		"Content-Language: de, en\nContent-Disposition: attachment; filename=f\nContent-Transfer-Encoding: BASE64\n"+
		"Subject:  a \t b \r\n\tc\nFrom: f@g\nReply-To:\n\n")
	p := m.Parts[0]
	got := fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s|%s", p.ID, p.Description, p.MD5, p.Location, p.Language, p.Disposition, showParams(p.DispParams), p.Encoding)
	if want := "<i>|d  e|q==|l|[de en]|attachment|filename=f|BASE64"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if e := m.Envelope; string(e.Subject) != "a b c" || showAddresses(e.Sender) != "-|-|f|g" || showAddresses(e.ReplyTo) != "-|-|f|g" || e.Date != nil {
		t.Errorf("envelope %q", e)
	}
}

// TestRepeatedFields: address lists are joined (RFC 5322 §4.5.3), of other fields the
// last counts, but the first Content-Type.
func TestRepeatedFields(t *testing.T) {
	m := parse(t, "From: a@b\nTo: c@d\nSubject: one\nSubject: =?utf-8?q?two?=\n =?utf-8?q?_three?=\nto : e@f,\nFrom: g@h\n"+
		"Date: 1 Jan 70 00:00 GMT\nDate: Mon, 2 Jan (c) 2006 15 : 04 : 05 -0700\nMessage-ID: <1>\nMessage-ID: < 2 @ \"x\" >\n"+
		"Content-ID: <1>\nContent-ID: <2>\nContent-Transfer-Encoding: base64\nContent-Transfer-Encoding: 8bit\n"+
		"Content-Type: text/html; charset=x\nContent-Type: image/png\nContent-Language: de\nContent-Language: en\n"+
		"Reply-To:\nSender: s: t@u;\nBcc: \n\n")
	e, p := &m.Envelope, &m.Parts[0]
	got := fmt.Sprintf("%s; %s; %s; %s; %s; %s; %s; %q; %q; %q; %d", showAddresses(e.From), showAddresses(e.To), showAddresses(e.Sender),
		showAddresses(e.ReplyTo), p.Type+"/"+p.Subtype, p.Encoding, p.Language, e.Subject, e.Date, e.MessageID, len(e.Bcc))
	want := `-|-|a|b -|-|g|h; -|-|c|d -|-|e|f; -|-|s|- -|-|t|u -|-|-|-; -|-|a|b -|-|g|h; text/html; 8bit; [en]; ` +
		`"=?utf-8?q?two?= =?utf-8?q?_three?="; "Mon, 2 Jan (c) 2006 15 : 04 : 05 -0700"; "< 2 @ \"x\" >"; 0`
	if got != want || string(p.ID) != "<2>" {
		t.Errorf("got  %s\nwant %s\nContent-ID %s", got, want, p.ID)
	}
}

// TestBoundaries shows bodies of the leaves.
func TestBoundaries(t *testing.T) {
	const head = "Content-Type: multipart/mixed; boundary=\"b\"\n\n"
	inner := func(name string) string { return "--b\nContent-Type: multipart/mixed; boundary=" + name + "\n\n" }
	for i, c := range []struct{ in, want string }{
		{head + "pre\n--b\n\none\n--b\n\ntwo\n\n--b--\nepi\n--b\n\nno\n", "one,two\n"},
		{head + "--b  \r\n\r\none\r\n--b-- \r\n", "one"},
		{head + "--b\n\nunclosed\n", "unclosed\n"},
		{head + "--b\n\n--b\n\n\n--b--", ","},
		{head + "--b\nA: b\n--b\n\nx\n--b--", ",x"},
		{head + "nothing", ""},
		{head + inner("bb") + "--bb\n\nx\n--bb--\n--b\n\ny\n--b--\n", "x,y"},
		{head + inner("c") + "--c\n\nx\n--b\n\ny\n--b--\n", "x,y"},
		{head + inner("b") + "--b\n\nx\n--b--\n\n--b\n\ny\n--b--\n", "x,y"},
		{"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: s\n\nx\n--b\nContent-Type: text/plain\n\ny\n--b--\n", "x,y"},
		{head + "--b\nContent-Type: message/rfc822\n\nSubject: s\n\nx\n--b--\n", "x"},
	} {
		m := parse(t, c.in)
		var leaves []string
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Children == 0 {
				leaves = append(leaves, c.in[p.Body.Start:p.Body.End])
			}
		}
		if got := strings.Join(leaves, ","); got != c.want {
			t.Errorf("%d: %q\n got %q\nwant %q", i, c.in, got, c.want)
		}
	}
}

func TestReadError(t *testing.T) {
	var p Parser
	broken := errors.New("broken disk")
	r := io.MultiReader(strings.NewReader("Subject: x\n\nbody"), iotest.ErrReader(broken))
	if _, err := p.Parse(r); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if _, err := CopyCRLF(io.Discard, iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if m := parseAll(t, &p, []byte("Subject: y\n\n")); !bytes.Equal(m.Envelope.Subject, []byte("y")) {
		t.Errorf("after an error: %+v", m)
	}
}

func TestEnvelopeAllocations(t *testing.T) {
	file := []byte("From: a b <c@d>\nTo: e@f, g@h\nSubject: s\nReferences: <a@b> <c@d>\n\n")
	record := parse(t, string(file)).Envelope.AppendBinary(nil)
	var e Envelope
	if n := testing.AllocsPerRun(100, func() {
		if err := e.UnmarshalBinary(record); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations to read a record", n)
	}
	if err := e.UnmarshalBinary(record[:len(record)/4]); !errors.Is(err, ErrRecord) {
		t.Errorf("cut record: %v", err)
	}
	record[0]++
	if err := e.UnmarshalBinary(record); !errors.Is(err, ErrRecord) {
		t.Errorf("other version: %v", err)
	}
	var p Parser
	var r bytes.Reader
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(file)
		if _, err := p.ParseHeader(&r, &e); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations to parse a header", n)
	}
	if string(e.References) != "<a@b> <c@d>" || len(e.To) != 2 {
		t.Errorf("%+v", e)
	}
}
