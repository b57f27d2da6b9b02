package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"maildir-imapd": main})
}

// TestScripts plays testdata/script. Besides testscript's commands a script has:
//
//	daemon PROGRAM ARGS   starts a daemon; its standard error is the log
//	log REGEXP            waits for a line of it, after the one that the last log has found
//	imap ADDR FILE        plays a dialogue of C: and S: lines; imaps under TLS
//	hold ADDR [FILE]      keeps a connection open, after a dialogue; resume FILE plays another on it,
//	                      held RE reads it to its end
//	edit FILE OLD NEW     replaces text, by rename as editors do
//	hup, term             signal the daemon; term waits for its end
//	scrape ADDR           shows the metrics there on standard output
//	certificate, served   make a certificate, see which one is shown
//	notify SOCKET         listens as systemd would; notified RE waits for a message
//
// PORT1 and PORT2 in files and arguments are two free ports.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			h := &host{ports: [2]string{freePort(t), freePort(t)}}
			e.Values["host"] = h
			e.Defer(h.cleanup)
			return filepath.WalkDir(e.WorkDir, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				return os.WriteFile(path, []byte(h.text(string(b))), 0o600)
			})
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Getuid() == 0, nil
			}
			return false, errors.New("unknown condition " + cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"daemon": cmdDaemon, "log": cmdLog, "imap": cmdIMAP, "imaps": cmdIMAPS, "hold": cmdHold, "held": cmdHeld, "resume": cmdResume,
			"edit": cmdEdit, "hup": cmdHup, "term": cmdTerm, "notify": cmdNotify, "notified": cmdNotified,
			"certificate": cmdCertificate, "served": cmdServed, "scrape": cmdScrape,
		},
	})
}

// host is what one script has running.
type host struct {
	ports  [2]string
	cmd    *exec.Cmd
	log    lines
	notify lines
	socket *net.UnixConn
	conn   net.Conn
	in     *bufio.Reader
	wg     sync.WaitGroup
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (h *host) text(s string) string {
	return strings.NewReplacer("PORT1", h.ports[0], "PORT2", h.ports[1]).Replace(s)
}

func (h *host) cleanup() {
	if h.conn != nil {
		h.conn.Close()
	}
	if h.cmd != nil && h.cmd.ProcessState == nil {
		_ = h.cmd.Process.Kill()
		_ = h.cmd.Wait()
	}
	if h.socket != nil {
		h.socket.Close()
	}
	h.wg.Wait()
}

func of(ts *testscript.TestScript) *host { return ts.Value("host").(*host) }

// lines collects text and hands it out in order.
type lines struct {
	mu   sync.Mutex
	text string
	at   int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text += string(p)
	return len(p), nil
}

// await finds re behind what was found last.
func (l *lines) await(ts *testscript.TestScript, pattern string) {
	re, err := regexp.Compile(pattern)
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		l.mu.Lock()
		loc := re.FindStringIndex(l.text[l.at:])
		if loc != nil {
			l.at += loc[1]
		}
		l.mu.Unlock()
		if loc != nil {
			return
		}
	}
	ts.Fatalf("no %q in what came:\n%s", pattern, l.text)
}

func cmdDaemon(ts *testscript.TestScript, _ bool, args []string) {
	h := of(ts)
	path, err := exec.LookPath(args[0])
	if err != nil {
		path = filepath.Join(ts.Getenv("WORK"), ".bin", args[0])
	}
	for i := range args {
		args[i] = h.text(args[i])
	}
	h.cmd = exec.Command(path, args[1:]...)
	h.cmd.Dir = ts.Getenv("WORK")
	h.cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	h.cmd.Stderr = &h.log
	ts.Check(h.cmd.Start())
}

func cmdLog(ts *testscript.TestScript, _ bool, args []string) {
	of(ts).log.await(ts, of(ts).text(args[0]))
}

func dial(ts *testscript.TestScript, addr string, secure bool) net.Conn {
	var c net.Conn
	err := errors.New("never tried")
	for end := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if secure {
			c, err = tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		} else {
			c, err = net.Dial("tcp", addr)
		}
	}
	ts.Check(err)
	ts.Check(c.SetDeadline(time.Now().Add(20 * time.Second)))
	return c
}

func cmdIMAP(ts *testscript.TestScript, _ bool, args []string) {
	playDialogue(ts, dial(ts, of(ts).text(args[0]), false), ts.ReadFile(args[1]))
}

func cmdIMAPS(ts *testscript.TestScript, _ bool, args []string) {
	playDialogue(ts, dial(ts, of(ts).text(args[0]), true), ts.ReadFile(args[1]))
}

func playDialogue(ts *testscript.TestScript, c net.Conn, dialogue string) {
	defer c.Close()
	play(ts, c, bufio.NewReader(c), dialogue)
}

func play(ts *testscript.TestScript, c net.Conn, in *bufio.Reader, dialogue string) {
	for line := range strings.Lines(dialogue) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimSpace(line[min(2, len(line)):])
		switch {
		case strings.HasPrefix(line, "C:"):
			_, err := io.WriteString(c, text+"\r\n")
			ts.Check(err)
		case strings.HasPrefix(line, "S:"):
			re := regexp.MustCompile("^" + text)
			for seen := ""; ; {
				got, err := in.ReadString('\n')
				if seen += got; err != nil {
					ts.Fatalf("waiting for %s: %v after\n%s", line, err, seen)
				}
				if re.MatchString(got) {
					break
				}
			}
		}
	}
}

func cmdHold(ts *testscript.TestScript, _ bool, args []string) {
	h := of(ts)
	h.conn = dial(ts, h.text(args[0]), false)
	h.in = bufio.NewReader(h.conn)
	dialogue := "S: "
	if len(args) > 1 {
		dialogue = ts.ReadFile(args[1])
	}
	play(ts, h.conn, h.in, dialogue)
}

func cmdResume(ts *testscript.TestScript, _ bool, args []string) {
	h := of(ts)
	ts.Check(h.conn.SetDeadline(time.Now().Add(20 * time.Second)))
	play(ts, h.conn, h.in, ts.ReadFile(args[0]))
}

func cmdHeld(ts *testscript.TestScript, _ bool, args []string) {
	b, err := io.ReadAll(of(ts).in)
	if !regexp.MustCompile(args[0]).Match(b) {
		ts.Fatalf("held connection got %q (%v)", b, err)
	}
}

func cmdEdit(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[0])
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s has no %q", file, args[1])
	}
	ts.Check(os.WriteFile(file+"~", []byte(strings.Replace(text, args[1], args[2], 1)), 0o600))
	ts.Check(os.Rename(file+"~", file))
}

func signalDaemon(ts *testscript.TestScript, sig syscall.Signal) {
	ts.Check(of(ts).cmd.Process.Signal(sig))
}

func cmdHup(ts *testscript.TestScript, _ bool, _ []string) { signalDaemon(ts, syscall.SIGHUP) }

func cmdTerm(ts *testscript.TestScript, _ bool, _ []string) {
	signalDaemon(ts, syscall.SIGTERM)
	if err := of(ts).cmd.Wait(); err != nil {
		ts.Fatalf("the daemon ended with %v; its log:\n%s", err, of(ts).log.text)
	}
}

func cmdNotify(ts *testscript.TestScript, _ bool, args []string) {
	h := of(ts)
	var err error
	h.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"})
	ts.Check(err)
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		b := make([]byte, 4096)
		for {
			n, err := h.socket.Read(b)
			if err != nil {
				return
			}
			_, _ = h.notify.Write(append(b[:n:n], '\n'))
		}
	}()
}

func cmdNotified(ts *testscript.TestScript, _ bool, args []string) {
	of(ts).notify.await(ts, of(ts).text(args[0]))
}
