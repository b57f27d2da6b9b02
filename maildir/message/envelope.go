package message

// takeEnvelope uses a field of the envelope. Address lists of repeated fields are
// joined (RFC 5322 §4.5.3); of others, which may not be repeated, the last counts.
func (p *Parser) takeEnvelope(e *Envelope, now field) {
	raw := p.fields.raw
	switch now {
	case fieldDate:
		e.Date = p.unstructured(raw)
	case fieldSubject:
		l := &p.fields.lex
		l.out = collapse(l.out[:0], raw)
		e.Subject = p.mem.copy(l.out)
	case fieldInReplyTo:
		e.InReplyTo = p.unstructured(raw)
	case fieldMessageID:
		e.MessageID = p.unstructured(raw)
	case fieldReferences:
		e.References = p.unstructured(raw)
	case fieldFrom:
		e.From = p.addresses(e.From, raw)
	case fieldSender:
		e.Sender = p.addresses(e.Sender, raw)
	case fieldReplyTo:
		e.ReplyTo = p.addresses(e.ReplyTo, raw)
	case fieldTo:
		e.To = p.addresses(e.To, raw)
	case fieldCc:
		e.Cc = p.addresses(e.Cc, raw)
	case fieldBcc:
		e.Bcc = p.addresses(e.Bcc, raw)
	}
}

// setDefaults fills Sender and Reply-To (RFC 9051 §7.5.2).
func (e *Envelope) setDefaults() {
	if len(e.Sender) == 0 {
		e.Sender = e.From
	}
	if len(e.ReplyTo) == 0 {
		e.ReplyTo = e.From
	}
}
