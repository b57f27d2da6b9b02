package peer

import (
	"net"
	"sync"
)

// front is a port on the loopback and the connections behind it.
type front struct {
	Addr string

	listener net.Listener
	running  sync.WaitGroup

	mu   sync.Mutex
	open map[net.Conn]bool
}

func (f *front) listen() (err error) {
	if f.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	f.Addr, f.open = f.listener.Addr().String(), make(map[net.Conn]bool)
	return nil
}

// serve hands each connection to handle, in a goroutine of its own, until close.
func (f *front) serve(handle func(net.Conn)) {
	f.running.Go(func() {
		for {
			c, err := f.listener.Accept()
			if err != nil {
				return
			}
			f.keep(c, true)
			f.running.Go(func() {
				defer f.keep(c, false)
				handle(c)
			})
		}
	})
}

// keep remembers a connection, so that close ends it, or ends it itself.
func (f *front) keep(c net.Conn, on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if on {
		f.open[c] = true
		return
	}
	delete(f.open, c)
	_ = c.Close()
}

// close gives the port back, ends the connections and waits for those who serve them.
func (f *front) close() {
	_ = f.listener.Close()
	f.mu.Lock()
	for c := range f.open {
		_ = c.Close()
	}
	f.mu.Unlock()
	f.running.Wait()
}
