package message

import "io"

// headerWindow is how much of a message is read at a time while only its header
// is wanted: nearly all headers fit.
const headerWindow = 8 << 10

// ParseHeader reads the envelope out of the header of one message file, as Parse
// would find it, and tells the header's length on disk. It reads no further than
// the header and one window of 8 KiB. e's memory is reused; what it held is
// overwritten. The only errors are r's.
func (p *Parser) ParseHeader(r io.Reader, e *Envelope) (headerBytes int64, err error) {
	p.win.reset(r)
	p.win.buf = p.win.buf[:headerWindow]
	p.bounds.reset()
	p.frames, p.parts, p.last, p.begins = p.frames[:0], p.parts[:0], p.last[:0], p.begins[:0]
	e.reset()
	p.mem = arena{text: e.text[:0], addrs: e.addrs[:0]}
	p.open(-1, false)
	p.fields.envelopeOnly = true
	p.readHeader(0, e)
	p.fields.envelopeOnly = false
	p.fields.release()
	headerBytes, err = p.win.at.off, p.win.err
	p.win.src, p.win.buf = nil, p.win.buf[:windowSize]
	e.text, e.addrs = p.mem.text, p.mem.addrs
	p.release()
	if err != nil {
		e.reset()
		return 0, err
	}
	e.setDefaults()
	return headerBytes, nil
}
