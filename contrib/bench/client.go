package main

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// client is a raw IMAP connection. It looks at nothing but the last line of what the server says.
type client struct {
	c    net.Conn
	buf  []byte
	tail []byte // the end of what was read last
	n    int
	keep bool   // whether to keep whole answers
	kept []byte // the last answer, if so
}

// buffers are what connections read into. A new one for each login would have the bench clear more than a
// gigabyte a second on the processors that it shares with the server.
var buffers = sync.Pool{New: func() any { return make([]byte, 256<<10) }}

func dial(addr string) (*client, error) {
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		return nil, err
	}
	k := &client{c: c, buf: buffers.Get().([]byte)}
	if err := k.until("* OK"); err != nil {
		k.drop()
		return nil, err
	}
	return k, nil
}

func login(addr, user string) (*client, error) {
	k, err := dial(addr)
	if err != nil {
		return nil, err
	}
	if err := k.do("LOGIN " + user + " " + password); err != nil {
		k.drop()
		return nil, err
	}
	return k, nil
}

// until reads until the last line begins with one of the prefixes. Servers say nothing after a tagged line
// that was not asked for, so only the end of each read is looked at.
func (k *client) until(prefixes ...string) error {
	k.tail, k.kept = k.tail[:0], k.kept[:0]
	_ = k.c.SetReadDeadline(time.Now().Add(5 * time.Minute))
	for {
		n, err := k.c.Read(k.buf)
		if err != nil {
			return err
		}
		if k.keep {
			k.kept = append(k.kept, k.buf[:n]...)
		}
		k.tail = append(k.tail, k.buf[max(0, n-2048):n]...)
		if len(k.tail) > 4096 {
			k.tail = append(k.tail[:0], k.tail[len(k.tail)-2048:]...)
		}
		if !bytes.HasSuffix(k.tail, []byte("\r\n")) {
			continue
		}
		line := k.tail[bytes.LastIndexByte(k.tail[:len(k.tail)-2], '\n')+1:]
		for _, p := range prefixes {
			if bytes.HasPrefix(line, []byte(p)) {
				return nil
			}
		}
	}
}

// do sends one command and waits for its OK.
func (k *client) do(command string) error {
	k.n++
	tag := fmt.Sprintf("bEnCh%d", k.n)
	if _, err := k.c.Write([]byte(tag + " " + command + "\r\n")); err != nil {
		return err
	}
	if err := k.until(tag + " "); err != nil {
		return fmt.Errorf("%s: %w", brief(command), err)
	}
	line := string(k.tail[bytes.LastIndex(k.tail, []byte(tag)):])
	if !strings.HasPrefix(line, tag+" OK") {
		return fmt.Errorf("%s: %s", brief(command), strings.TrimSpace(line))
	}
	return nil
}

func brief(command string) string {
	if len(command) > 60 {
		return command[:60] + "..."
	}
	return command
}

func (k *client) close() {
	_ = k.do("LOGOUT")
	k.drop()
}

// drop ends the connection without a word.
func (k *client) drop() {
	_ = k.c.Close()
	k.shrink(0)
}

// shrink gives the large buffer back and goes on with so many bytes.
func (k *client) shrink(to int) {
	if cap(k.buf) == 256<<10 {
		buffers.Put(k.buf) //lint:ignore SA6002 a slice header a connection is nothing beside the dial
	}
	k.buf = make([]byte, to)
}
