package maildir

import "context"

// Learn sees to it that a serial walk over the messages finds these kinds of
// sections cached, as far as this package can make them: it reads the messages
// that lack one, several at a time, KindEnvelope by the header alone and
// KindStructure by the whole file. A message that cannot be read is passed over;
// the walk will find the error. The walk ends with FlushCache.
func (h *Handle) Learn(ctx context.Context, msgs []Message, kinds ...Kind) error {
	var want kindSet
	for _, k := range kinds {
		want |= setOf(k)
	}
	want &= setOf(KindEnvelope) | setOf(KindStructure)
	lack := h.lacking(msgs, want)
	if len(lack) == 0 {
		return ctx.Err()
	}
	readers := make([]*Reader, h.Readers().Workers())
	err := h.Readers().Run(ctx, len(lack), func(worker, i int) error {
		if readers[worker] == nil {
			readers[worker] = h.NewReader()
		}
		return readers[worker].learn(ctx, &msgs[lack[i]], want)
	})
	for _, r := range readers {
		if r != nil {
			r.release()
		}
	}
	if h.m.cache.full() {
		h.m.flushCache(false)
	}
	return err
}

// lacking lists the messages of which something that is wanted is not known.
func (h *Handle) lacking(msgs []Message, want kindSet) []int32 {
	var list []int32
	for i := range msgs {
		lack := want &^ msgs[i].place.kinds
		if lack == 0 || msgs[i].Gone {
			continue
		}
		if h.m.cache.pending.Load() > 0 {
			lack &^= h.m.cache.kinds(msgs[i].UID)
		}
		if lack != 0 {
			list = append(list, int32(i))
		}
	}
	return list
}

// learn reads one message. Its errors are not told.
func (r *Reader) learn(ctx context.Context, msg *Message, want kindSet) error {
	t := r.tools()
	if want.has(KindStructure) {
		if b := r.Cached(msg, KindStructure); b == nil {
			_, _ = r.parse(ctx, msg.UID)
			return nil
		}
	}
	if r.Cached(msg, KindEnvelope) == nil {
		_ = r.readHeader(ctx, msg.UID, want, &t.header)
	}
	return nil
}
