package wire

import (
	"strings"
	"time"
)

// Date reads a date, quoted or not, and returns its midnight in UTC: search
// keys disregard the time zone (RFC 9051 §6.4.4). In quotes the day may also be
// padded with a space, as in a date-time.
func (d *Decoder) Date() time.Time {
	var s string
	padded := d.Peek() == '"'
	if padded {
		s = d.quoted()
	} else {
		s = string(d.token(classDate, "a date"))
	}
	if d.err != nil {
		return time.Time{}
	}
	if len(s) == len("2-Jan-2006") {
		s = "0" + s
	}
	year, month, day, ok := parseDay(s, padded)
	if !ok {
		d.Fail("invalid date: write it as 2-Jan-2006")
		return time.Time{}
	}
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// DateTime reads a date-time: "dd-Mmm-yyyy hh:mm:ss +hhmm" in quotes, the day
// of two digits or a space and one. A leap second is taken for the next one.
func (d *Decoder) DateTime() time.Time {
	if d.Peek() != '"' {
		d.unexpected("a date-time in quotes")
	}
	if d.err != nil {
		return time.Time{}
	}
	s := d.quoted()
	if d.err != nil {
		return time.Time{}
	}
	t, ok := parseDateTime(s)
	if !ok {
		d.Fail(`invalid date-time: write it as "02-Jan-2006 15:04:05 +0000"`)
		return time.Time{}
	}
	return t
}

func parseDateTime(s string) (time.Time, bool) {
	if len(s) != len("02-Jan-2006 15:04:05 +0000") ||
		s[11] != ' ' || s[14] != ':' || s[17] != ':' || s[20] != ' ' || s[21] != '+' && s[21] != '-' {
		return time.Time{}, false
	}
	year, month, day, ok := parseDay(s[:11], true)
	hour, min, sec := decimal(s[12:14]), decimal(s[15:17]), decimal(s[18:20])
	zh, zm := decimal(s[22:24]), decimal(s[24:26])
	if !ok || hour < 0 || hour > 23 || min < 0 || min > 59 || sec < 0 || sec > 60 ||
		zh < 0 || zh > 23 || zm < 0 || zm > 59 {
		return time.Time{}, false
	}
	offset := (zh*60 + zm) * 60
	if s[21] == '-' {
		offset = -offset
	}
	zone := time.UTC
	if offset != 0 {
		zone = time.FixedZone("", offset)
	}
	return time.Date(year, month, day, hour, min, sec, 0, zone), true
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// parseDay reads dd-Mmm-yyyy, the month in any case, and refuses days that the
// month does not have.
func parseDay(s string, padded bool) (year int, month time.Month, day int, ok bool) {
	if len(s) != len("02-Jan-2006") || s[2] != '-' || s[6] != '-' {
		return 0, 0, 0, false
	}
	if padded && s[0] == ' ' {
		day = decimal(s[1:2])
	} else {
		day = decimal(s[:2])
	}
	i := strings.Index(months, strings.ToLower(s[3:6]))
	year = decimal(s[7:])
	if day < 1 || i < 0 || i%3 != 0 || year < 0 {
		return 0, 0, 0, false
	}
	month = time.Month(i/3 + 1)
	// Day 0 of the next month is the last of this one.
	if day > time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day() {
		return 0, 0, 0, false
	}
	return year, month, day, true
}

// decimal reads digits only; -1 for anything else.
func decimal(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}
