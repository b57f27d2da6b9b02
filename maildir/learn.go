package maildir

import "context"

// Learn sees to it that a serial walk over the messages finds these kinds of
// sections cached, as far as this package makes them: it reads the messages that
// lack one, several at a time, by the header alone for KindEnvelope and KindFields,
// and as a whole for KindStructure. A message that cannot be read is passed over;
// the walk will find the error. The walk ends with FlushCache.
func (h *Handle) Learn(ctx context.Context, msgs []Message, kinds ...Kind) error {
	want := kindsOf(kinds) & (setOf(KindEnvelope) | setOf(KindStructure) | setOf(KindFields))
	return h.learn(ctx, msgs, want, func(_ int, r *Reader, msg *Message) { r.learn(ctx, msg, want) })
}

// LearnBy is Learn for sections that a layer above makes: for each message that
// lacks one of these kinds, make is called with a Reader of its own, which it gives
// the section with Remember. Calls with different workers come at the same time.
func (h *Handle) LearnBy(ctx context.Context, msgs []Message, make func(worker int, r *Reader, msg *Message), kinds ...Kind) error {
	return h.learn(ctx, msgs, kindsOf(kinds), make)
}

func kindsOf(kinds []Kind) (s kindSet) {
	for _, k := range kinds {
		s |= setOf(k)
	}
	return s
}

func (h *Handle) learn(ctx context.Context, msgs []Message, want kindSet, read func(worker int, r *Reader, msg *Message)) error {
	lack := h.lacking(msgs, want, len(msgs))
	if len(lack) == 0 {
		return ctx.Err()
	}
	readers := make([]Reader, h.Readers().Workers())
	first := 0
	if h.m.cache.full() {
		first = 1 // what waits is written meanwhile
	}
	err := h.Readers().Run(ctx, first+len(lack), func(worker, i int) error {
		if i -= first; i < 0 {
			h.m.flushCache(false)
			return nil
		}
		r := &readers[worker]
		if r.m == nil {
			*r = Reader{m: h.m, name: h.loc.name}
		}
		msg := &msgs[lack[i].at]
		r.learning, r.unknown, r.learnt = msg.UID, ^lack[i].has, sections{}
		read(worker, r, msg)
		if r.learning = 0; r.learnt.kinds != 0 {
			h.m.cache.remember(msg.UID, &r.learnt)
		}
		return nil
	})
	for i := range readers {
		readers[i].Release()
	}
	return err
}

// Lacks tells whether these kinds of sections are still to be learnt of any of the
// messages.
func (h *Handle) Lacks(msgs []Message, kinds ...Kind) bool {
	return len(h.lacking(msgs, kindsOf(kinds), 1)) > 0
}

// lacks is a message of which something that is wanted is not known, and what is.
type lacks struct {
	at  int32
	has kindSet
}

// lacking lists at most so many of the messages of which neither the disk nor memory
// has all that is wanted.
func (h *Handle) lacking(msgs []Message, want kindSet, most int) (list []lacks) {
	for i := range msgs {
		if msg := &msgs[i]; want&^msg.place.kinds != 0 && !msg.Gone {
			if has := h.has(msg); want&^has != 0 {
				if list = append(list, lacks{int32(i), has}); len(list) == most {
					break
				}
			}
		}
	}
	return list
}

// has is what of a message is on disk or in memory.
func (h *Handle) has(msg *Message) kindSet {
	if h.m.cache.pending.Load() == 0 {
		return msg.place.kinds
	}
	return msg.place.kinds | h.m.cache.kinds(msg.UID)
}

// learn reads one message. What goes wrong is not told.
func (r *Reader) learn(ctx context.Context, msg *Message, want kindSet) {
	lack := want &^ msg.place.kinds
	if lack.has(KindStructure) {
		if r.parse(ctx, msg.UID, &r.tools().parsed) == nil {
			lack &^= setOf(KindEnvelope)
		}
	}
	if lack.has(KindEnvelope) || lack.has(KindFields) {
		_ = r.readHeader(ctx, msg.UID, lack, &r.tools().envelope)
	}
}
