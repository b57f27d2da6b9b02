package message

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

var seeds = []string{
	"",
	"\n",
	"\r\n\r\n",
	"Subject: x",
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
		_ = e.UnmarshalCached(b)
	})
}

func FuzzDecodeTransfer(f *testing.F) {
	f.Add([]byte("SGVsbG8=\nIHdvcmxk"))
	f.Add([]byte("a=20b =\r\n c \t\n=4\n==41=\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, encoding := range []string{"7bit", "base64", "quoted-printable"} {
			whole, err := DecodeTransfer(bytes.NewReader(in), encoding)
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := DecodeTransfer(iotest.OneByteReader(bytes.NewReader(in)), encoding)
			if err != nil {
				t.Fatal(err)
			}
			a, err := io.ReadAll(whole)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(iotest.OneByteReader(pieces))
			if err != nil || !bytes.Equal(a, b) {
				t.Fatalf("%s: %q at once, %q in pieces, %v", encoding, a, b, err)
			}
		}
	})
}

func FuzzHeaderFields(f *testing.F) {
	f.Add([]byte("A: b\r\n c\nB: d\n\n"))
	f.Add([]byte("a : b\n\tc"))
	f.Fuzz(func(t *testing.T, header []byte) {
		names := []string{"A", "Subject"}
		in := HeaderFields(nil, header, names, false)
		out := HeaderFields(nil, header, names, true)
		for _, b := range [][]byte{in, out} {
			if !bytes.HasSuffix(b, crlf) || !bytes.Equal(b, sent(t, b)) {
				t.Fatalf("%q is not what is sent", b)
			}
		}
		// Both together are the header: nothing is lost, nothing twice.
		if n := len(in) + len(out); len(header) > 0 && n > 2*len(header)+8 {
			t.Fatalf("%d bytes out of %d", n, len(header))
		}
	})
}
