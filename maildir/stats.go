package maildir

// Stats is what a store does and has met, for those who watch it from outside.
type Stats struct {
	Open        int   // mailboxes that somebody has open
	Warm        int   // mailboxes that nobody has open, kept in memory
	Polled      int   // mailboxes whose directories could not be watched
	Resets      int64 // mailboxes that lost all copies of their UIDVALIDITY
	IndexErrors int64 // failures to write an index
	CacheErrors int64 // failures to write a cache
}

// Stats tells the store's numbers. It costs nothing that mailboxes or sessions
// would notice.
func (s *Store) Stats() Stats {
	st := Stats{Resets: s.resets.Load(), IndexErrors: s.indexErrors.Load(), CacheErrors: s.cacheErrors.Load()}
	s.mu.Lock()
	st.Warm = s.idle.Len()
	st.Open = len(s.boxes) - st.Warm
	s.mu.Unlock()
	st.Polled = s.watch.polling()
	return st
}

// polling is how many mailboxes somebody waits for are looked at by the clock.
func (w *watcher) polling() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range w.boxes {
		if x.polled {
			n++
		}
	}
	return n
}
