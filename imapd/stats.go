package imapd

import "sync/atomic"

// Stats is what a server has done since it began, for those who watch it from outside.
type Stats struct {
	Connections           int   // now
	Logins, LoginFailures int64 //
	Appended              int64 // messages, by APPEND
	BytesIn, BytesOut     int64 // inside TLS
	// Commands is how many of each command were read without a syntax error, right or wrong, allowed or not.
	Commands map[string]int64
}

// stats are the counters behind Stats.
type stats struct {
	logins, failures, appended atomic.Int64
	in, out                    atomic.Int64             // of connections that have ended
	commands                   map[string]*atomic.Int64 // every name there is; never changed
}

func (t *stats) init(x *index) {
	t.commands = make(map[string]*atomic.Int64, len(x.front)+len(x.session))
	for name := range x.front {
		t.commands[name] = new(atomic.Int64)
	}
	for name := range x.session {
		t.commands[name] = new(atomic.Int64)
	}
}

// Stats tells the server's numbers.
func (s *Server) Stats() Stats {
	t := &s.stats
	st := Stats{Logins: t.logins.Load(), LoginFailures: t.failures.Load(), Appended: t.appended.Load(), Commands: make(map[string]int64, len(t.commands))}
	for name, n := range t.commands {
		st.Commands[name] = n.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st.Connections = len(s.conns)
	st.BytesIn, st.BytesOut = t.in.Load(), t.out.Load()
	for c := range s.conns {
		st.BytesIn += c.in.Load()
		st.BytesOut += c.out.Load()
	}
	return st
}
