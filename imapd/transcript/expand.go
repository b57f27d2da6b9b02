package transcript

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	"github.com/xdg-go/scram"
)

// piece is a part of a client's line: bytes, before which the player may have to wait for "+".
type piece struct {
	text string
	wait bool
}

var (
	call    = regexp.MustCompile(`\$\(([^()]*)\)`)
	literal = regexp.MustCompile(`(?s)<<([+~]*)(.*?)>>`)
)

// pieces turns a C line into what is sent: variables, functions and literals resolved.
func (p *player) pieces(text string) ([]piece, error) {
	text, err := p.expand(text)
	if err != nil {
		return nil, err
	}
	var out []piece
	wait := false
	for {
		loc := literal.FindStringSubmatchIndex(text)
		if loc == nil {
			return append(out, piece{text + "\r\n", wait}), nil
		}
		marks, body := text[loc[2]:loc[3]], text[loc[4]:loc[5]]
		if body, err = p.literalText(body); err != nil {
			return nil, err
		}
		head, plus := "{", ""
		if strings.Contains(marks, "~") {
			head = "~{"
		}
		if strings.Contains(marks, "+") {
			plus = "+"
		}
		out = append(out, piece{fmt.Sprintf("%s%s%d%s}\r\n", text[:loc[0]], head, len(body), plus), wait})
		// The next piece begins with the literal; a further one may follow directly.
		text = text[loc[1]:]
		wait = plus == ""
		if next := literal.FindStringIndex(text); next == nil {
			return append(out, piece{body + text + "\r\n", wait}), nil
		}
		out = append(out, piece{body, wait})
		wait = false
	}
}

func (p *player) literalText(body string) (string, error) {
	name, ok := strings.CutPrefix(body, "@")
	if !ok {
		return unescape(body)
	}
	name, part, _ := strings.Cut(name, ".")
	return p.host.text(name, part)
}

// expand resolves $(function ...) and $name.
func (p *player) expand(text string) (string, error) {
	var failed error
	vars := func(s string) string {
		return variable.ReplaceAllStringFunc(s, func(m string) string {
			v, ok := p.env[m[1:]]
			if !ok && failed == nil {
				failed = fmt.Errorf("%s is not bound", m)
			}
			return v
		})
	}
	text = call.ReplaceAllStringFunc(text, func(m string) string {
		out, err := p.call(strings.Fields(vars(m[2 : len(m)-1])))
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", m, err)
		}
		return out
	})
	return vars(text), failed
}

// call computes what a client answers in a SASL exchange.
func (p *player) call(args []string) (string, error) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	if len(args) == 0 {
		return "", fmt.Errorf("no function")
	}
	switch args[0] {
	case "b64": // its words joined by NUL
		return b64(strings.Join(args[1:], "\x00")), nil
	case "plain": // [authorization identity]
		return b64(strings.Join(args[1:], "") + "\x00" + p.env["user"] + "\x00" + p.env["password"]), nil
	case "plain-wrong":
		return b64("\x00" + p.env["user"] + "\x00wrong"), nil
	case "cram", "cram-wrong": // CHALLENGE, RFC 2195
		challenge, err := base64.StdEncoding.DecodeString(args[1])
		if err != nil {
			return "", err
		}
		key := p.env["password"]
		if args[0] == "cram-wrong" {
			key = "wrong"
		}
		h := hmac.New(md5.New, []byte(key))
		h.Write(challenge)
		return b64(p.env["user"] + " " + hex.EncodeToString(h.Sum(nil))), nil
	case "scram-first", "scram-final", "scram-end": // RFC 5802
		return p.scramStep(args)
	}
	return "", fmt.Errorf("unknown function")
}

func (p *player) scramStep(args []string) (string, error) {
	if args[0] == "scram-first" {
		password := p.env["password"]
		if len(args) > 1 {
			password = args[1]
		}
		client, err := scram.SHA256.NewClient(p.env["user"], password, "")
		if err != nil {
			return "", err
		}
		p.scram = client.NewConversation()
		out, err := p.scram.Step("")
		return base64.StdEncoding.EncodeToString([]byte(out)), err
	}
	if p.scram == nil || len(args) < 2 {
		return "", fmt.Errorf("no exchange, or no challenge")
	}
	challenge, err := base64.StdEncoding.DecodeString(args[1])
	if err != nil {
		return "", err
	}
	out, err := p.scram.Step(string(challenge))
	return base64.StdEncoding.EncodeToString([]byte(out)), err
}

// pattern parses the text of an S, U or ? line.
func (p *player) pattern(text string) (*response, error) {
	var failed error
	text = literal.ReplaceAllStringFunc(text, func(m string) string {
		body := m[2 : len(m)-2]
		if !strings.HasPrefix(body, "@") {
			return m
		}
		out, err := p.literalText(body)
		if err != nil {
			failed = err
		}
		// As a literal, whatever is in it.
		return fmt.Sprintf("{%d}\r\n%s", len(out), out)
	})
	if failed != nil {
		return nil, failed
	}
	return parseResponse([]byte(text+"\r\n"), true)
}
