package order

// Date is a moment as a sender wrote it down. Day, month and year are those of his zone: SENTON and its like
// compare just these (RFC 9051 §6.4.4), SORT compares Unix.
type Date struct {
	Year, Month, Day     int
	Hour, Minute, Second int
	Zone                 int // minutes east of Greenwich
}

// SentDate reads a Date field (RFC 5256 §2.2): a date-time of RFC 5322 §3.3 or its obsolete forms (§4.3),
// comments and odd space between its parts. False means that there is no date in it, and the INTERNALDATE
// counts. An invalid time is 00:00:00, an invalid zone UTC. What follows the zone is not looked at.
func SentDate(field []byte) (d Date, ok bool) {
	s := dateScanner{in: field}
	s.space()
	if s.word() != 0 { // the day's name tells nothing
		s.space()
		s.skip(',')
		s.space()
	}
	day, n := s.number()
	if n == 0 || n > 2 {
		return Date{}, false
	}
	s.space()
	month := monthNames[s.word()]
	s.space()
	year, n := s.number()
	switch n { // RFC 5322 §4.3
	case 2:
		if year += 1900; year < 1950 {
			year += 100
		}
	case 3:
		year += 1900
	case 4:
	default:
		return Date{}, false
	}
	if month == 0 || year < 1900 || day < 1 || day > daysIn(year, month) {
		return Date{}, false
	}
	d = Date{Year: year, Month: month, Day: day}
	s.space()
	if s.time(&d) {
		s.space()
		d.Zone = s.zone()
	}
	return d, true
}

// Unix is seconds since 1970 in UTC.
func (d Date) Unix() int64 {
	days := dayNumber(d.Year, d.Month, d.Day)
	return (((int64(days)*24+int64(d.Hour))*60)+int64(d.Minute)-int64(d.Zone))*60 + int64(d.Second)
}

// dayNumber counts days from 1 January 1970. Years begin in March, so that the odd day is the last.
func dayNumber(year, month, day int) int {
	if month -= 3; month < 0 {
		month += 12
		year--
	}
	const before1970 = 719468 // days from 1 March of the year 0
	return 365*year + year/4 - year/100 + year/400 + (153*month+2)/5 + day - 1 - before1970
}

func daysIn(year, month int) int {
	switch {
	case month == 2 && (year%4 != 0 || year%100 == 0 && year%400 != 0):
		return 28
	case month == 2:
		return 29
	case month == 4, month == 6, month == 9, month == 11:
		return 30
	}
	return 31
}

// Words are compared as numbers: their first three letters, upper case.
func wordOf(s string) uint32 { return uint32(s[0])<<16 | uint32(s[1])<<8 | uint32(s[2]) }

var monthNames = map[uint32]int{
	wordOf("JAN"): 1, wordOf("FEB"): 2, wordOf("MAR"): 3, wordOf("APR"): 4, wordOf("MAY"): 5, wordOf("JUN"): 6,
	wordOf("JUL"): 7, wordOf("AUG"): 8, wordOf("SEP"): 9, wordOf("OCT"): 10, wordOf("NOV"): 11, wordOf("DEC"): 12,
}

// zoneNames are the zones with a name that means something (RFC 5322 §4.3), in minutes. All others, the
// military letters among them, are -0000.
var zoneNames = map[uint32]int{
	wordOf("EDT"): -4 * 60, wordOf("EST"): -5 * 60, wordOf("CDT"): -5 * 60, wordOf("CST"): -6 * 60,
	wordOf("MDT"): -6 * 60, wordOf("MST"): -7 * 60, wordOf("PDT"): -7 * 60, wordOf("PST"): -8 * 60,
}

// dateScanner reads the parts of a date.
type dateScanner struct {
	in []byte
	i  int
}

func (s *dateScanner) peek() byte {
	if s.i < len(s.in) {
		return s.in[s.i]
	}
	return 0
}

func (s *dateScanner) skip(c byte) bool {
	if s.peek() != c || s.i >= len(s.in) {
		return false
	}
	s.i++
	return true
}

// space skips white space and comments (CFWS, RFC 5322 §3.2.2).
func (s *dateScanner) space() {
	for depth := 0; s.i < len(s.in); s.i++ {
		switch c := s.in[s.i]; {
		case c == '(':
			depth++
		case c == ')' && depth > 0:
			depth--
		case c == '\\' && depth > 0:
			s.i++
		case c == ' ', c == '\t', c == '\r', c == '\n', depth > 0:
		default:
			return
		}
	}
}

// number reads digits and tells how many there were.
func (s *dateScanner) number() (v, n int) {
	for ; s.i < len(s.in) && s.in[s.i]-'0' <= 9; s.i++ {
		if n++; n < 9 {
			v = v*10 + int(s.in[s.i]-'0')
		}
	}
	return v, n
}

// word reads letters; 0 means that there are fewer than three.
func (s *dateScanner) word() uint32 {
	var w uint32
	n := 0
	for ; s.i < len(s.in) && s.in[s.i]|0x20 >= 'a' && s.in[s.i]|0x20 <= 'z'; s.i++ {
		if n++; n <= 3 {
			w = w<<8 | uint32(s.in[s.i]&^0x20)
		}
	}
	if n < 3 {
		return 0
	}
	return w
}

// time reads hour, minute and the second that may be left out. What is no time leaves 00:00:00; false means
// that no zone can follow.
func (s *dateScanner) time(d *Date) bool {
	hour, n := s.number()
	if s.space(); n == 0 || !s.skip(':') {
		return false
	}
	s.space()
	minute, n := s.number()
	if n == 0 {
		return false
	}
	second := 0
	if s.space(); s.skip(':') {
		s.space()
		if second, n = s.number(); n == 0 {
			return false
		}
	}
	if hour <= 23 && minute <= 59 && second <= 60 { // 60: a leap second
		d.Hour, d.Minute, d.Second = hour, minute, second
	}
	return true
}

// zone reads the zone, in minutes.
func (s *dateScanner) zone() int {
	sign := 1
	switch s.peek() {
	case '-':
		sign = -1
	case '+':
	default:
		start := s.i
		if w := s.word(); s.i-start == 3 {
			return zoneNames[w]
		}
		return 0
	}
	s.i++
	v, n := s.number()
	if n != 4 || v%100 > 59 {
		return 0
	}
	return sign * (v/100*60 + v%100)
}
