package maildir

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maildir-imapd/maildir/fsx"
)

// Courier's files in a mailbox, which are read and never written: its UIDs are
// in courierimapuiddb (uidlist.go reads them), its keywords in the directory
// courierimapkeywords.
//
// There, the file ":list" has the keywords' names, one a line, an empty line,
// and then lines "<base name>:<i> <i> ...", numbers of those names from 0. What
// was changed since lies in files of its own, one a message: ".<n>.<base name>",
// of which the greatest n counts, and "<base name>", which is newer than those;
// each has the message's keywords, one a line, and takes the place of what came
// before. Files ".tmp." are unfinished.
const (
	courierList     = "courierimapuiddb"
	courierKeywords = "courierimapkeywords"
	courierKeyList  = ":list"

	courierKeyListLimit = 256 << 20 // bytes of :list
	courierUpdateLimit  = 64 << 10  // and of one update
)

// courierKeys is the keywords that Courier's clients gave to messages.
type courierKeys struct {
	names []string            // each once, as first spelt
	of    map[string][]uint32 // base name -> indices into names
	index map[string]uint32   // lower-case name -> its place in names
	odd   int                 // names that IMAP cannot have, left out
}

func newCourierKeys() *courierKeys {
	return &courierKeys{of: make(map[string][]uint32), index: make(map[string]uint32)}
}

// name is the index of a keyword; none for what cannot be one.
func (k *courierKeys) name(s string) (uint32, bool) {
	if !validKeyword(s) || len(s) > 255 {
		k.odd++
		return 0, false
	}
	low := strings.ToLower(s)
	i, ok := k.index[low]
	if !ok {
		i = uint32(len(k.names))
		k.names = append(k.names, s)
		k.index[low] = i
	}
	return i, true
}

// parseList reads ":list". Lines that cannot be read are left out.
func (k *courierKeys) parseList(b []byte) {
	var table []int64 // number in the file -> index, -1 for none
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		if len(line) == 0 {
			break
		}
		i, ok := k.name(string(line))
		if !ok {
			table = append(table, -1)
			continue
		}
		table = append(table, int64(i))
	}
	for len(b) > 0 {
		var line []byte
		line, b, _ = bytes.Cut(b, []byte{'\n'})
		base, numbers, ok := strings.Cut(string(line), ":")
		if !ok || base == "" {
			continue
		}
		var list []uint32
		for word := range strings.FieldsSeq(numbers) {
			n, err := strconv.ParseUint(word, 10, 31)
			if err != nil || n >= uint64(len(table)) || table[n] < 0 {
				continue
			}
			list = append(list, uint32(table[n]))
		}
		k.of[base] = list
	}
}

// update takes in one message's file.
func (k *courierKeys) update(base string, b []byte) {
	var list []uint32
	for line := range strings.SplitSeq(string(b), "\n") {
		if line == "" {
			continue
		}
		if i, ok := k.name(line); ok && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	k.of[base] = list
}

// courierUpdate is one of the files beside ":list".
type courierUpdate struct {
	file, base string
	age        uint64 // greater is newer
}

// parseCourierUpdate reads the name of such a file.
func parseCourierUpdate(name string) (u courierUpdate, ok bool) {
	if name == courierKeyList || name == "" {
		return u, false
	}
	if name[0] != '.' {
		return courierUpdate{name, name, 1<<64 - 1}, true
	}
	number, base, ok := strings.Cut(name[1:], ".")
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || base == "" {
		return u, false // .tmp. and the like
	}
	return courierUpdate{name, base, n}, true
}

// readCourierKeys reads the directory. A file that goes while it is read was
// folded into ":list" by a Courier at work: the next look finds it there.
func readCourierKeys(box *fsx.Dir) (*courierKeys, error) {
	d, err := box.Sub(courierKeywords)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	k := newCourierKeys()
	b, _, err := d.ReadFile(courierKeyList, courierKeyListLimit)
	switch {
	case err == nil:
		k.parseList(b)
	case !isGone(err):
		return nil, err
	}
	var updates []courierUpdate
	err = d.Each(func(name []byte, typ fsx.Type) bool {
		if u, ok := parseCourierUpdate(string(name)); ok && (typ == fsx.IsFile || typ == fsx.Unknown) {
			updates = append(updates, u)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(updates, func(a, b courierUpdate) int { return cmp.Compare(a.age, b.age) })
	for _, u := range updates {
		b, _, err := d.ReadFile(u.file, courierUpdateLimit)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		k.update(u.base, b)
	}
	return k, nil
}

// courierMark is maildir-imapd.courier: the times of Courier's files when all
// of them had been taken over. Equal times mean that there is nothing to do.
//
// The file is written last, after everything else is on disk: a take-over that
// was cut short is done again, and finds most of it done.
const courierMark = "maildir-imapd.courier"

// courierTimes tells versions of Courier's files apart; zeros where there are none.
type courierTimes struct{ list, listSize, keywords int64 }

func (c courierTimes) encode() []byte {
	return fmt.Appendf(nil, "1 %d %d %d\n", c.list, c.listSize, c.keywords)
}

// courierNow looks at the files: two stats.
func courierNow(box *fsx.Dir) (c courierTimes, err error) {
	list, err := idNow(box, courierList)
	if err != nil {
		return c, err
	}
	keys, err := idNow(box, courierKeywords)
	return courierTimes{list.mtime, list.size, keys.mtime}, err
}

// courierPending tells whether Courier has written something that was not taken
// over yet.
func courierPending(box *fsx.Dir) (bool, error) {
	now, err := courierNow(box)
	if err != nil || now == (courierTimes{}) {
		return false, err
	}
	b, _, err := box.ReadFile(courierMark, 1<<10)
	if err != nil && !isGone(err) {
		return false, err
	}
	return !bytes.Equal(b, now.encode()), nil
}
