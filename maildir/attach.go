package maildir

import "sync"

// attached is what layers above keep with a mailbox.
type attached struct {
	mu     sync.Mutex
	values map[any]any
}

// Attach returns the value of key that layers above keep with the mailbox; the
// first to ask makes it. All handles of the mailbox get the same one, until it is
// no longer warm in memory or gets another UIDVALIDITY. What the value holds must
// be guarded by itself.
func (h *Handle) Attach(key any, make func() any) any {
	a := &h.m.attached
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.values[key]
	if !ok {
		if a.values == nil {
			a.values = map[any]any{}
		}
		v = make()
		a.values[key] = v
	}
	return v
}
