package message

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var seeds = []string{
	"",
	"\n",
	"\r\n\r\n",
	"Subject: x",
	"References: <a@b>\n <c@d>\nContent-Type: message/rfc822\n\nReferences: <e@f>\n\n",
	"From: a@b\r\nSubject: c\r\n d\r\n\r\nbody\r\n",
	"Content-Type: multipart/mixed; boundary=b\n\npre\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\nepi\n",
	"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\nA: b\n--b--",
	"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b\n\n--b--\n",
	"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nTo: x: a, \"b c\" <@r:d@e>;\n\nhi",
	"Content-Type: multipart/digest; boundary=\"d\"\r\n\r\n--d\r\n\r\nSubject: one\r\n\r\n1\r\n--d\r\n\r\n--d--\r\n",
	"Content-Type: multipart/x\n\nno boundary\n",
	"Content-Type: application/x; name*0*=utf-8''a%20; name*1=b; name*2*=%63\nContent-Disposition: attachment; filename*1=b; filename*0=a\n\n\r\x00\n",
	"To: (a(b)c) \"x\\\"y\"@[1.2 .3], <>, @, ;:, a b@c (d), g:;\nContent-Language: de, en\n\n",
	"Content-Type: message/global\nContent-Transfer-Encoding: base64\n\nYQ==\n",
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	var p Parser
	f.Fuzz(func(t *testing.T, file []byte) {
		parseAll(t, &p, file)
	})
}

func FuzzRecord(f *testing.F) {
	var p Parser
	for _, s := range seeds {
		m, _ := p.Parse(bytes.NewReader([]byte(s)))
		f.Add(m.AppendBinary(nil))
		f.Add(m.Envelope.AppendBinary(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Message
		if err := m.UnmarshalBinary(b); err == nil {
			if m.Parts[0].Parent != -1 {
				t.Fatal("root has a parent")
			}
			checkRecord(t, &m)
			for i := range m.Parts {
				p := &m.Parts[i]
				if p.IsMessage() && m.Parts[i+1].Parent != int32(i) {
					t.Fatal("message without the message inside")
				}
			}
		}
		var e Envelope
		if err := e.UnmarshalBinary(b); err == nil {
			var back Envelope
			if err := back.UnmarshalBinary(e.AppendBinary(nil)); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(e, back, ignoreSlabs); d != "" {
				t.Fatal(d)
			}
		}
	})
}
