package message

// takeEnvelope uses a field of the envelope. Of repeated ones the first counts.
func (p *Parser) takeEnvelope(e *Envelope, now field, first bool) {
	if !first {
		return
	}
	raw := p.fields.raw
	switch now {
	case fieldDate:
		e.Date = p.unstructured(raw)
	case fieldSubject:
		e.Subject = p.unstructured(raw)
	case fieldInReplyTo:
		e.InReplyTo = p.unstructured(raw)
	case fieldMessageID:
		e.MessageID = p.unstructured(raw)
	case fieldFrom:
		e.From = p.addresses(raw)
	case fieldSender:
		e.Sender = p.addresses(raw)
	case fieldReplyTo:
		e.ReplyTo = p.addresses(raw)
	case fieldTo:
		e.To = p.addresses(raw)
	case fieldCc:
		e.Cc = p.addresses(raw)
	case fieldBcc:
		e.Bcc = p.addresses(raw)
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
