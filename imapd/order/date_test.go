package order

import (
	"testing"
	"time"
)

func TestSentDate(t *testing.T) {
	const none = -1 << 62
	at := func(s string) int64 {
		when, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return when.Unix()
	}
	for _, c := range []struct {
		field string
		want  int64
	}{
		// RFC 5256 §2.2
		{"31 Dec 2000 16:01:33 -0800", at("2001-01-01T00:01:33Z")},
		// RFC 5322 §3.3, appendix A
		{"Fri, 21 Nov 1997 09:55:06 -0600", at("1997-11-21T09:55:06-06:00")},
		{"Thu,\r\n\t13\r\n\t  Feb\r\n\t    1969\r\n\t23:32\r\n\t\t -0330 (Newfoundland Time)", at("1969-02-13T23:32:00-03:30")},
		{"21 Nov 97 09:55:06 GMT", at("1997-11-21T09:55:06Z")},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", at("1997-11-21T09:55:06-06:00")},
		{"Tue, 1 Jul 2003 10:52:37 +0200", at("2003-07-01T10:52:37+02:00")},
		// obsolete years and zones (RFC 5322 §4.3)
		{"1 Jan 49 00:00:00 +0000", at("2049-01-01T00:00:00Z")},
		{"1 Jan 50 00:00:00 +0000", at("1950-01-01T00:00:00Z")},
		{"1 Jan 103 00:00:00 +0000", at("2003-01-01T00:00:00Z")},
		{"1 Jul 2003 10:52:37 EDT", at("2003-07-01T10:52:37-04:00")},
		{"1 Jul 2003 10:52:37 pst", at("2003-07-01T10:52:37-08:00")},
		{"1 Jul 2003 10:52:37 Z", at("2003-07-01T10:52:37Z")},
		{"1 Jul 2003 10:52:37 A", at("2003-07-01T10:52:37Z")},
		{"1 Jul 2003 10:52:37 CEST", at("2003-07-01T10:52:37Z")},
		{"1 Jul 2003 10:52:37 ESTX", at("2003-07-01T10:52:37Z")},
		// no seconds, no zone, a leap second
		{"Tue, 1 Jul 2003 10:52 +0200", at("2003-07-01T10:52:00+02:00")},
		{"Tue, 1 Jul 2003 10:52:37", at("2003-07-01T10:52:37Z")},
		{"31 Dec 1998 23:59:60 +0000", at("1999-01-01T00:00:00Z")},
		// an invalid zone is UTC, an invalid time 00:00:00 (RFC 5256 §2.2)
		{"1 Jul 2003 10:52:37 +0260", at("2003-07-01T10:52:37Z")},
		{"1 Jul 2003 10:52:37 +02000", at("2003-07-01T10:52:37Z")},
		{"1 Jul 2003 24:00:00 +0000", at("2003-07-01T00:00:00Z")},
		{"1 Jul 2003 10:60:00 +0000", at("2003-07-01T00:00:00Z")},
		{"1 Jul 2003 10", at("2003-07-01T00:00:00Z")},
		{"1 Jul 2003", at("2003-07-01T00:00:00Z")},
		{"Tue 1 July 2003 10:52:37 +0000", at("2003-07-01T10:52:37Z")},
		{"29 Feb 2000 00:00:00 +0000", at("2000-02-29T00:00:00Z")},
		// no date
		{"", none}, {"tomorrow", none}, {"Tue, Jul 1 2003 10:52:37", none}, {"31 Jun 2003 00:00:00 +0000", none},
		{"29 Feb 1900 00:00:00 +0000", none}, {"0 Jan 2000 00:00:00 +0000", none}, {"1 Foo 2000 00:00:00 +0000", none},
		{"1 Jan 1 00:00:00 +0000", none}, {"1 Jan 20000 00:00:00 +0000", none}, {"1 Jan 1899 00:00:00 +0000", none},
		{"2003-07-01 10:52:37", none}, {"1 \xff 2003 10:52", none}, {"(1 Jan 2003", none}, {"111 Jan 2003", none},
	} {
		d, ok := SentDate([]byte(c.field))
		switch {
		case ok != (c.want != none):
			t.Errorf("%q: ok = %v", c.field, ok)
		case ok && d.Unix() != c.want:
			t.Errorf("%q: %s, want %s", c.field, time.Unix(d.Unix(), 0).UTC(), time.Unix(c.want, 0).UTC())
		}
	}
}

// TestDayOfTheSender: the day is the one that was written, whatever it is in UTC.
func TestDayOfTheSender(t *testing.T) {
	d, ok := SentDate([]byte("31 Dec 2000 16:01:33 -0800"))
	if want := (Date{2000, 12, 31, 16, 1, 33, -8 * 60}); !ok || d != want {
		t.Errorf("%+v %v, want %+v", d, ok, want)
	}
}

// TestUnix compares the calendar with the standard library's.
func TestUnix(t *testing.T) {
	for when := time.Date(1900, 1, 1, 12, 0, 0, 0, time.UTC); when.Year() < 2500; when = when.AddDate(0, 0, 1) {
		d := Date{when.Year(), int(when.Month()), when.Day(), 12, 0, 0, 0}
		if d.Unix() != when.Unix() {
			t.Fatalf("%+v: %d, want %d", d, d.Unix(), when.Unix())
		}
		if last := when.AddDate(0, 0, 1).Day() == 1; last != (daysIn(d.Year, d.Month) == d.Day) {
			t.Fatalf("%+v: %d days in the month", d, daysIn(d.Year, d.Month))
		}
	}
}

func BenchmarkSentDate(b *testing.B) {
	field := []byte("Fri, 21 Nov 1997 09:55:06 -0600 (CST)")
	b.ReportAllocs()
	for b.Loop() {
		SentDate(field)
	}
}

func FuzzSentDate(f *testing.F) {
	f.Add("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600")
	f.Fuzz(func(t *testing.T, field string) {
		d, ok := SentDate([]byte(field))
		if again, _ := SentDate([]byte(field)); again != d {
			t.Fatal("two answers")
		}
		if ok && (d.Day < 1 || d.Day > 31 || d.Month < 1 || d.Month > 12 || d.Unix() < -1<<33 || d.Unix() > 1<<38) {
			t.Fatalf("%q: %+v", field, d)
		}
	})
}
