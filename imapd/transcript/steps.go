package transcript

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (p *player) steps() error {
	for i := 0; i < len(p.s.Steps); i++ {
		st := p.s.Steps[i]
		var err error
		switch st.Kind {
		case "U", "?":
			run := p.s.Steps[i:]
			n := slices.IndexFunc(run, func(o Step) bool { return o.Conn != st.Conn || o.Kind != "U" && o.Kind != "?" })
			if n < 0 {
				n = len(run)
			}
			next := (*Step)(nil)
			if n < len(run) && run[n].Conn == st.Conn && (run[n].Kind == "S" || run[n].Kind == "EOF") {
				next = &run[n]
			}
			err = p.block(run[:n], next)
			i += n - 1
			if next != nil {
				i++
			}
		default:
			err = p.step(st)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line, err)
		}
	}
	return p.leftovers()
}

func (p *player) step(st Step) error {
	if st.Conn == 0 {
		p.log.WriteString("-- " + st.Kind + " " + st.Text + "\n")
		return p.verb(st)
	}
	c := p.conns[st.Conn-1]
	if c == nil && st.Kind != "open" {
		return fmt.Errorf("connection %d is not open", st.Conn)
	}
	switch st.Kind {
	case "C":
		return p.send(c, st.Text)
	case "R":
		text, err := strconv.Unquote(st.Text)
		if err != nil {
			return fmt.Errorf("%s is no Go string: %w", st.Text, err)
		}
		return c.send([]byte(text))
	case "S":
		return p.block(nil, &st)
	case "X":
		return expunges(c, st.Text)
	case "EOF":
		raw, err := c.next(patience)
		if err == nil {
			return fmt.Errorf("want the end of the connection, got %q", raw)
		}
		if errors.Is(err, errQuiet) {
			return errors.New("the server does not close")
		}
		p.closed[st.Conn] = true
		return nil
	case "quiet":
		d, err := time.ParseDuration(st.Text)
		if err != nil {
			return err
		}
		if raw, err := c.next(d); !errors.Is(err, errQuiet) {
			return fmt.Errorf("want silence, got %q, %v", raw, err)
		}
		return nil
	case "deflate":
		return c.deflate()
	case "starttls":
		return c.startTLS(p.srv.TLS)
	case "close":
		p.closed[st.Conn] = true
		return c.net.Close()
	case "open":
		return p.reopen(st.Conn)
	}
	return fmt.Errorf("unknown step %q", st.Kind)
}

// reopen makes a connection anew.
func (p *player) reopen(n int) error {
	if c := p.conns[n-1]; c != nil {
		c.close()
		p.conns[n-1] = nil
	}
	fresh, err := p.open(strconv.Itoa(n))
	if err != nil {
		return err
	}
	p.conns[n-1], p.closed[n] = fresh, false
	return nil
}

// send sends a C line. A refused literal leaves the refusal for the next S line, and the rest unsent.
func (p *player) send(c *conn, text string) error {
	pieces, err := p.pieces(text)
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		if piece.wait {
			raw, err := c.next(patience)
			if err != nil {
				return fmt.Errorf("waiting for +: %w", err)
			}
			if !bytes.HasPrefix(raw, []byte("+")) {
				c.unread = append(c.unread, raw)
				return nil
			}
		}
		if err := c.send([]byte(piece.text)); err != nil {
			return err
		}
	}
	return nil
}

// block reads the responses of a run of U and ? lines, and the S or EOF line that ends it. Without such a
// line it ends when every U line has come.
func (p *player) block(lines []Step, last *Step) error {
	var must, may []*response
	for _, st := range lines {
		pat, err := p.pattern(st.Text)
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line, err)
		}
		if st.Kind == "U" {
			must = append(must, pat)
		} else {
			may = append(may, pat)
		}
	}
	conn := connOf(lines, last)
	if p.conns[conn-1] == nil {
		return fmt.Errorf("connection %d is not open", conn)
	}
	var end *response
	untilEOF := last != nil && last.Kind == "EOF"
	if untilEOF {
		last = nil
	}
	if last != nil {
		pat, err := p.pattern(last.Text)
		if err != nil {
			return err
		}
		end = pat
	}
	for end != nil || len(must) > 0 || untilEOF {
		raw, err := p.conns[conn-1].next(patience)
		if untilEOF && len(must) == 0 && err != nil && !errors.Is(err, errQuiet) {
			p.closed[conn] = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", wanted(must, end), err)
		}
		r, err := parseResponse(raw, false)
		if err != nil {
			return err
		}
		if p.take(&must, r) || p.allowed(may, r) {
			continue
		}
		if end != nil && len(must) == 0 {
			if e, ok := matchResponse(end, r, p.env); ok {
				p.env = e
				return nil
			}
		}
		return fmt.Errorf("want %s\n  got %q", wanted(must, end), raw)
	}
	return nil
}

// connOf is the connection of a block.
func connOf(lines []Step, last *Step) int {
	if last != nil {
		return last.Conn
	}
	return lines[0].Conn
}

func wanted(must []*response, end *response) string {
	var b strings.Builder
	for _, m := range must {
		fmt.Fprintf(&b, "%q ", m.raw)
	}
	if end != nil {
		fmt.Fprintf(&b, "then %q", end.raw)
	}
	return b.String()
}

// take removes the first pattern that r matches; those that bind nothing new are tried first by order of
// the file, which is the author's to choose.
func (p *player) take(must *[]*response, r *response) bool {
	for i, pat := range *must {
		if e, ok := matchResponse(pat, r, p.env); ok {
			p.env = e
			*must = slices.Delete(*must, i, i+1)
			return true
		}
	}
	return false
}

func (p *player) allowed(may []*response, r *response) bool {
	return slices.ContainsFunc(may, func(pat *response) bool {
		_, ok := matchResponse(pat, r, p.env)
		return ok
	})
}

// leftovers: nothing may have come that no line listed.
func (p *player) leftovers() error {
	for i, c := range p.conns {
		if c == nil || p.closed[i+1] {
			continue
		}
		raw, err := c.next(2 * time.Millisecond)
		if err == nil {
			return fmt.Errorf("connection %d: left over %q", i+1, raw)
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("connection %d: closed by the server", i+1)
		}
	}
	return nil
}

func (p *player) closeAll() {
	for _, c := range p.conns {
		if c != nil {
			c.close()
		}
	}
	_ = p.host.unlock()
}

// expunges reads as many EXPUNGE responses as numbers are listed. Which order they come in, and so which
// numbers they carry, is the server's choice (RFC 9051 §7.5.1); which messages they remove is not.
func expunges(c *conn, list string) error {
	var want, gone []int
	for f := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil {
			return err
		}
		want = append(want, n)
	}
	for range want {
		raw, err := c.next(patience)
		if err != nil {
			return fmt.Errorf("waiting for EXPUNGE: %w", err)
		}
		n := 0
		if _, err := fmt.Sscanf(string(raw), "* %d EXPUNGE", &n); err != nil {
			return fmt.Errorf("want EXPUNGE, got %q", raw)
		}
		for _, g := range gone { // ascending: each earlier one shifts what follows
			if g <= n {
				n++
			}
		}
		gone = append(gone, n)
		slices.Sort(gone)
	}
	if !slices.Equal(want, gone) {
		return fmt.Errorf("EXPUNGE responses remove %v, want %v", gone, want)
	}
	return nil
}
