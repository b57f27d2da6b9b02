package imapd

import (
	"maildir-imapd/maildir/message"
)

// writeEnvelope is the envelope of RFC 9051 §7.5.2.
func writeEnvelope(w *responder, e *message.Envelope) {
	w.Special('(').NString(e.Date).SP().NString(e.Subject)
	for _, list := range [...][]message.Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		w.SP()
		writeAddresses(w, list)
	}
	w.SP().NString(e.InReplyTo).SP().NString(e.MessageID).Special(')')
}

func writeAddresses(w *responder, list []message.Address) {
	if len(list) == 0 {
		w.NIL()
		return
	}
	w.Special('(')
	for i := range list {
		a := &list[i]
		w.Special('(').NString(a.Name).SP().NString(a.Route).SP().NString(a.Mailbox).SP().NString(a.Host).Special(')')
	}
	w.Special(')')
}

// writeBody is body and body structure of RFC 9051 §7.5.2: the part i of m and all below it. Extension
// data is BODYSTRUCTURE's.
func writeBody(w *responder, m *message.Message, i int, extension bool) {
	p := &m.Parts[i]
	w.Special('(')
	if p.IsMultipart() {
		writeMultipart(w, m, i, extension)
	} else {
		writeSinglePart(w, m, i, extension)
	}
	w.Special(')')
}

func writeMultipart(w *responder, m *message.Message, i int, extension bool) {
	p := &m.Parts[i]
	child := int32(i + 1)
	for range p.Children {
		writeBody(w, m, int(child), extension)
		child = m.Parts[child].Next
	}
	w.SP().String(p.Subtype)
	if extension {
		w.SP()
		writeParams(w, p.Params)
		writeExtension(w, p)
	}
}

func writeSinglePart(w *responder, m *message.Message, i int, extension bool) {
	p := &m.Parts[i]
	w.String(p.Type).SP().String(p.Subtype).SP()
	writeParams(w, p.Params)
	if p.ID == nil && p.Description == nil {
		w.Raw(" NIL NIL ")
	} else {
		w.SP().NString(p.ID).SP().NString(p.Description).SP()
	}
	w.String(p.Encoding).SP().Number64(p.Body.Size)
	switch {
	case isMessage(p, w.UTF8()):
		w.SP()
		writeEnvelope(w, p.Envelope)
		w.SP()
		writeBody(w, m, i+1, extension)
		w.SP().Number64(p.Body.Lines)
	case p.IsText():
		w.SP().Number64(p.Body.Lines)
	}
	if extension {
		w.SP().NString(p.MD5)
		writeExtension(w, p)
	}
}

// isMessage tells whether a part is shown with the message in it. To a session that has enabled UTF-8 that is a
// message/global (RFC 6532) too (RFC 9051 §9, media-message); IMAP4rev1 knows message/rfc822 only, others are
// opaque to its clients (RFC 3501 §9, body-type-msg).
func isMessage(p *message.Part, utf8 bool) bool {
	return p.IsMessage() && (utf8 || !p.IsGlobal()) && p.Children == 1
}

// writeExtension is what single and multiple parts have in common: disposition, language, location.
func writeExtension(w *responder, p *message.Part) {
	if p.Disposition == nil && len(p.Language) == 0 && p.Location == nil { // most
		w.Raw(" NIL NIL NIL")
		return
	}
	w.SP()
	if p.Disposition == nil {
		w.NIL()
	} else {
		w.Special('(').StringBytes(p.Disposition).SP()
		writeParams(w, p.DispParams)
		w.Special(')')
	}
	w.SP()
	if len(p.Language) == 0 {
		w.NIL()
	} else {
		w.Special('(')
		for i, lang := range p.Language {
			if i > 0 {
				w.SP()
			}
			w.StringBytes(lang)
		}
		w.Special(')')
	}
	w.SP().NString(p.Location)
}

func writeParams(w *responder, params []message.Param) {
	if len(params) == 0 {
		w.NIL()
		return
	}
	w.Special('(')
	for i := range params {
		if i > 0 {
			w.SP()
		}
		w.StringBytes(params[i].Name).SP().StringBytes(params[i].Value)
	}
	w.Special(')')
}
