package imapd

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"maildir-imapd/maildir"
)

// TestHeaderBesideIndex: what HEADER finds does not change once there is an index, also where its text is
// another than the one HEADER compares: quoted parameters, and fields that are decoded in pieces.
func TestHeaderBesideIndex(t *testing.T) {
	const n = 300
	s, _, _ := searchServer(t, n)
	ctx := context.Background()
	long := strings.Repeat(" =?utf-8?q?word?=", 2500) // 42 KiB in which nothing but words adjoin
	for _, text := range []string{
		"Content-Type: application/x; name=\"foo\\\"bar.txt\"\r\n\r\nx\r\n",
		"Content-Disposition: attachment; filename=\"a\\\\b.txt\"\r\n\r\nx\r\n",
		"X-Long:" + long + "\r\n\r\nx\r\n",
		"Subject: no type\r\n\r\nx\r\n",
	} {
		text += strings.Repeat("more text makes a better filter\r\n", 200)
		dst, err := s.mail.Namespaces[0].Tree.Open(ctx, "INBOX", maildir.Target)
		if err != nil {
			t.Fatal(err)
		}
		d, err := dst.Deliver(ctx, int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Commit(ctx, nil, time.Now()); err != nil {
			t.Fatal(err)
		}
		_ = dst.Close()
	}
	var delta maildir.Delta
	if err := s.sel.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	s.sel.Sync(true, &delta)
	all := strings.Repeat("word", 2500)
	want := map[string][]uint32{
		`HEADER Content-Type "foo\"bar"`:             {n + 1},
		`HEADER Content-Disposition "a\\b.txt"`:      {n + 2},
		"HEADER X-Long wordword":                     {n + 3},
		"HEADER X-Long " + all[len(all)-6000:]:       {n + 3},
		"HEADER Content-Type us-ascii":               nil, // nobody wrote it
		"HEADER X-Long nothing-like-it":              nil,
		`HEADER Content-Type "nothing\"like-it"`:     nil,
		"HEADER Content-Disposition nothing-like-it": nil,
	}
	check := func(when string) {
		for p, want := range want {
			if got, ok := ask(t, s, p); !ok || !slices.Equal(got, want) {
				t.Errorf("%s: %.40q: %v, want %v", when, p, got, want)
			}
		}
	}
	check("without the index")
	ask(t, s, "TEXT nothing-like-it")
	eventually(t, "the index is there", func() bool {
		absent, err := s.sel.Without(ctx, [][]byte{[]byte("NOTHING-LIKE-IT")})
		return err == nil && len(absent) == 1 && contains(absent[0], n) && contains(absent[0], n+3)
	})
	check("with it")
}
