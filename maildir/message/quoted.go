package message

// maxHeld bounds white space that may turn out to end a line.
const maxHeld = 1024

// quotedPrintable decodes by RFC 2045 §6.7. White space at the end of a line was
// added on the way (rule 3) and goes; = at the end of a line, with or without
// such white space, joins it to the next (rule 5).
func (d *Decoder) quotedPrintable(in []byte) {
	for len(in) > 0 {
		n := 0
		if len(d.held) == 0 {
			for n < len(in) && !quotedSpecial[in[n]] {
				n++
			}
			d.out = append(d.out, in[:n]...)
		}
		if n < len(in) {
			d.hold(in[n])
			n++
		}
		in = in[n:]
	}
	if d.ending {
		d.flushHeld(true)
	}
}

// hold adds one byte to those that are not decided and decides them if it can.
func (d *Decoder) hold(c byte) {
	h := append(d.held, c)
	d.held = h
	first := h[0]
	switch {
	case c == '\n':
		d.flushHeld(true)
	case isWSP(c), c == '\r':
		if len(h) >= maxHeld {
			d.flushHeld(false)
		}
	case first == '=' && len(h) == 1:
	case first == '=' && len(h) == 2 && unhex(c) >= 0:
	case first == '=' && len(h) == 3 && unhex(h[1]) >= 0 && unhex(c) >= 0:
		d.out = append(d.out, byte(unhex(h[1])<<4|unhex(c)))
		d.held = h[:0]
	default:
		// Not at the end of a line after all: what was held stands for itself.
		d.held = h[:len(h)-1]
		d.flushHeld(false)
		if c == '=' {
			d.held = append(d.held, c)
		} else {
			d.out = append(d.out, c)
		}
	}
}

var quotedSpecial = stopAt("= \t\r\n")

// flushHeld gives out what was held as it is. At the end of a line the white space
// goes, and so does a soft line break with its line end.
func (d *Decoder) flushHeld(end bool) {
	h := d.held
	d.held = d.held[:0]
	if !end {
		d.out = append(d.out, h...)
		return
	}
	hard := len(h) > 0 && h[len(h)-1] == '\n'
	h = trimSpace(h)
	if len(h) == 1 && h[0] == '=' {
		return
	}
	d.out = append(d.out, h...)
	if hard {
		d.out = append(d.out, crlf...)
	}
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
