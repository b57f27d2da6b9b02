package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-maildir"
	"github.com/emersion/go-message/charset"
)

// visitor is one client connection, and what it was told without asking.
type visitor struct {
	*imapclient.Client
	places places
	exists chan uint32
}

// step is one thing that the visit does and shows.
type step struct {
	title string
	run   func(*visitor) error
}

// visit logs in over TLS as go-imap's client and does what mail programs do.
func visit(ctx context.Context, addr string, p places) error {
	v := &visitor{places: p, exists: make(chan uint32, 16)}
	c, err := imapclient.DialTLS(addr, &imapclient.Options{
		TLSConfig:   &tls.Config{InsecureSkipVerify: true}, // self-signed, on loopback
		WordDecoder: &mime.WordDecoder{CharsetReader: charset.Reader},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: func(d *imapclient.UnilateralDataMailbox) {
			if d.NumMessages != nil {
				select {
				case v.exists <- *d.NumMessages:
				default: // nobody waits
				}
			}
		}},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	// A server that does not answer ends the visit, and so does Ctrl-C.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })()

	v.Client = c
	for _, s := range []step{
		{"log in as demo", (*visitor).login},
		{"list the folders", (*visitor).list},
		{"open INBOX, show the last messages", (*visitor).newest},
		{"search", (*visitor).search},
		{"look into a message, fetch its attachment", (*visitor).attachment},
		{"flag it; the flag is a letter in the file's name", (*visitor).flag},
		{"wait; another program delivers a message", (*visitor).idle},
		{"log out", func(v *visitor) error { return v.Logout().Wait() }},
	} {
		fmt.Printf("\n* %s\n", s.title)
		if err := s.run(v); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}

func (v *visitor) login() error {
	if err := v.Login(user, password).Wait(); err != nil {
		return err
	}
	caps, err := v.Capability().Wait()
	if err != nil {
		return err
	}
	if !caps.Has(imap.CapIMAP4rev1) {
		return fmt.Errorf("the server does not speak IMAP4rev1: %v", caps)
	}
	fmt.Printf("  the server announces %d capabilities\n", len(caps))
	return nil
}

func (v *visitor) list() error {
	boxes, err := v.List("", "*", &imap.ListOptions{
		ReturnSpecialUse: true,
		ReturnStatus:     &imap.StatusOptions{NumMessages: true, NumUnseen: true},
	}).Collect()
	if err != nil {
		return err
	}
	seen := make(map[string]bool)
	for _, b := range boxes {
		seen[b.Mailbox] = true
		counts := ""
		if s := b.Status; s != nil && s.NumMessages != nil && s.NumUnseen != nil {
			counts = fmt.Sprintf("%3d messages, %2d unseen", *s.NumMessages, *s.NumUnseen)
		}
		fmt.Printf("  %-22s %s%s\n", b.Mailbox, counts, specialUse(b.Attrs))
	}
	for _, want := range []string{"INBOX", "Sent", "Drafts", "Trash", "Lists/news", "Public/Announcements"} {
		if !seen[want] {
			return fmt.Errorf("%s is missing", want)
		}
	}
	return nil
}

// specialUse picks the attributes that tell a folder's purpose.
func specialUse(attrs []imap.MailboxAttr) string {
	out := ""
	for _, a := range attrs {
		switch a {
		case imap.MailboxAttrSent, imap.MailboxAttrDrafts, imap.MailboxAttrTrash:
			out += "  " + string(a)
		}
	}
	return out
}

func (v *visitor) newest() error {
	box, err := v.Select("INBOX", nil).Wait()
	if err != nil {
		return err
	}
	if box.NumMessages < 20 {
		return fmt.Errorf("INBOX has %d messages", box.NumMessages)
	}
	fmt.Printf("  %d messages, UIDVALIDITY %d, next UID %d\n", box.NumMessages, box.UIDValidity, box.UIDNext)
	var last imap.SeqSet
	last.AddRange(box.NumMessages-5, box.NumMessages)
	messages, err := v.Fetch(last, &imap.FetchOptions{Envelope: true, Flags: true, RFC822Size: true, UID: true}).Collect()
	if err != nil {
		return err
	}
	if len(messages) != 6 {
		return fmt.Errorf("asked for 6 messages, got %d", len(messages))
	}
	for _, m := range messages {
		from := ""
		if len(m.Envelope.From) > 0 {
			if from = m.Envelope.From[0].Name; from == "" {
				from = m.Envelope.From[0].Addr()
			}
		}
		fmt.Printf("  %3d  %-16s  %-44s %6d bytes  %s\n", m.UID, from, m.Envelope.Subject, m.RFC822Size, flagNames(m.Flags))
	}
	return nil
}

func flagNames(flags []imap.Flag) string {
	var names []string
	for _, f := range flags {
		names = append(names, string(f))
	}
	return strings.Join(names, " ")
}

func (v *visitor) search() error {
	for _, q := range []struct {
		what     string
		criteria imap.SearchCriteria
		want     int
	}{
		{"subject has hike", imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "hike"}}}, 5},
		{"text has Grüße", imap.SearchCriteria{Text: []string{"Grüße"}}, 1},
		{"from cron, flagged", imap.SearchCriteria{Flag: []imap.Flag{imap.FlagFlagged},
			Header: []imap.SearchCriteriaHeaderField{{Key: "From", Value: "cron"}}}, 1},
	} {
		found, err := v.UIDSearch(&q.criteria, nil).Wait()
		if err != nil {
			return err
		}
		uids := found.AllUIDs()
		if len(uids) != q.want {
			return fmt.Errorf("%s: found %v, want %d messages", q.what, uids, q.want)
		}
		fmt.Printf("  %-20s UIDs %v\n", q.what, uids)
	}
	return nil
}

// invoice finds the message that attachment and flag are about.
func (v *visitor) invoice() (imap.UIDSet, error) {
	found, err := v.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "Rechnung"}}}, nil).Wait()
	if err != nil {
		return nil, err
	}
	uids := found.AllUIDs()
	if len(uids) != 1 {
		return nil, fmt.Errorf("found %d invoices", len(uids))
	}
	return imap.UIDSetNum(uids[0]), nil
}

func (v *visitor) attachment() error {
	uid, err := v.invoice()
	if err != nil {
		return err
	}
	pdf := &imap.FetchItemBinarySection{Part: []int{2}, Peek: true}
	got, err := v.Fetch(uid, &imap.FetchOptions{BodyStructure: &imap.FetchItemBodyStructure{Extended: true},
		BinarySection: []*imap.FetchItemBinarySection{pdf}}).Collect()
	if err != nil {
		return err
	}
	if len(got) != 1 || got[0].BodyStructure == nil {
		return errors.New("no body structure")
	}
	got[0].BodyStructure.Walk(func(path []int, part imap.BodyStructure) bool {
		fmt.Printf("  %s%s\n", strings.Repeat("  ", len(path)), part.MediaType())
		return true
	})
	data := got[0].FindBinarySection(pdf)
	if string(data) != invoicePDF() {
		return fmt.Errorf("the attachment came as %d other bytes", len(data))
	}
	fmt.Printf("  BINARY[2]: the PDF, decoded by the server, %d bytes\n", len(data))
	return nil
}

func (v *visitor) flag() error {
	uid, err := v.invoice()
	if err != nil {
		return err
	}
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagAnswered}}
	if err := v.Store(uid, store, nil).Close(); err != nil {
		return err
	}
	names, err := filepath.Glob(filepath.Join(v.places.user, "cur", "*:2,FRS"))
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fmt.Errorf("%d files have the letters FRS", len(names))
	}
	fmt.Printf("  cur/%s\n", filepath.Base(names[0]))
	return nil
}

func (v *visitor) idle() error {
	for len(v.exists) > 0 {
		<-v.exists // told before
	}
	idle, err := v.Idle()
	if err != nil {
		return err
	}
	late := letter{flags: "new", from: jonas, to: me, subject: "One more thing", body: text("The map is still in my bag.\n")}
	if err := deliver(maildir.Dir(v.places.user), late, os.Getpid(), time.Now()); err != nil {
		return err
	}
	begin := time.Now()
	select {
	case n := <-v.exists:
		fmt.Printf("  after %v the server says: %d messages\n", time.Since(begin).Round(time.Millisecond), n)
	case <-v.Closed():
		return errors.New("the connection ended")
	case <-time.After(20 * time.Second):
		return errors.New("nothing was said for 20 seconds")
	}
	if err := idle.Close(); err != nil {
		return err
	}
	return idle.Wait()
}
