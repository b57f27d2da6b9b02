//go:build interop

package interop

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// conversation are five messages: 1 is answered by 3, 3 by 4; 2 and 5 stand alone. Dates and subjects have an
// order of their own.
var conversation = [][]byte{
	talk(1, 3, "Bananas", ""),
	talk(2, 1, "Äpfel", ""),
	talk(3, 5, "Re: Bananas", "<t1@example.org>"),
	talk(4, 4, "RE: bananas (fwd)", "<t1@example.org> <t3@example.org>"),
	talk(5, 2, "cherries", ""),
}

func talk(n, day int, subject, references string) []byte {
	m := fmt.Sprintf("From: w%d@example.org\nDate: %d Feb 2022 10:00:00 +0000\nMessage-ID: <t%d@example.org>\nSubject: %s\n", n, day, n, bWord("utf-8", []byte(subject)))
	if references != "" {
		m += "References: " + references + "\n"
	}
	return []byte(m + "\nwords\n")
}

// runGoIMAPSearch lets go-imap's client read ESEARCH, SORT and THREAD. Its SearchOptions ask for ESEARCH.
func runGoIMAPSearch(t *testing.T, w *world, user string) {
	fill(t, w, user, "INBOX", conversation, 0)
	c, err := imapclient.DialInsecure(w.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	check("login", c.Login(user, password).Wait())
	_, err = c.Select("INBOX", nil).Wait()
	check("select", err)

	bananas := &imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "Subject", Value: "BANANAS"}}}
	found, err := c.UIDSearch(bananas, &imap.SearchOptions{ReturnMin: true, ReturnMax: true, ReturnCount: true, ReturnAll: true}).Wait()
	check("esearch", err)
	if found.Min != 1 || found.Max != 4 || found.Count != 3 || !slices.Equal(found.AllUIDs(), []imap.UID{1, 3, 4}) {
		t.Errorf("ESEARCH: %+v, %v", found, found.AllUIDs())
	}
	for _, s := range []struct {
		by   imapclient.SortCriterion
		want []uint32
	}{
		{imapclient.SortCriterion{Key: imapclient.SortKeyDate}, []uint32{2, 5, 1, 4, 3}},
		{imapclient.SortCriterion{Key: imapclient.SortKeyDate, Reverse: true}, []uint32{3, 4, 1, 5, 2}},
		{imapclient.SortCriterion{Key: imapclient.SortKeyFrom}, []uint32{1, 2, 3, 4, 5}},
		// Ä is A and an accent (RFC 5051 §2); what has one base subject stays in its order (RFC 5256 §3).
		{imapclient.SortCriterion{Key: imapclient.SortKeySubject}, []uint32{2, 1, 3, 4, 5}},
	} {
		got, err := c.UIDSort(&imapclient.SortOptions{SearchCriteria: &imap.SearchCriteria{}, SortCriteria: []imapclient.SortCriterion{s.by}}).Wait()
		check("sort", err)
		if !slices.Equal(got, s.want) {
			t.Errorf("SORT %+v: %v, want %v", s.by, got, s.want)
		}
	}
	threads, err := c.UIDThread(&imapclient.ThreadOptions{Algorithm: imap.ThreadReferences, SearchCriteria: &imap.SearchCriteria{}}).Wait()
	check("thread", err)
	want := []imapclient.ThreadData{{Chain: []uint32{2}}, {Chain: []uint32{5}}, {Chain: []uint32{1, 3, 4}}}
	if !reflect.DeepEqual(threads, want) {
		t.Errorf("THREAD: %+v, want %+v", threads, want)
	}
	check("logout", c.Logout().Wait())
}
