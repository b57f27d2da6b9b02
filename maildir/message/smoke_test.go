package message

import (
	"strings"
	"testing"
)

func TestSmoke(t *testing.T) {
	var p Parser
	m, err := p.Parse(strings.NewReader("From: a <b@c>\nContent-Type: multipart/mixed; boundary=x\n\npre\n--x\n\nhi\n--x--\n"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", m)
	var n Message
	if err := n.UnmarshalBinary(m.AppendBinary(nil)); err != nil {
		t.Fatal(err)
	}
}
