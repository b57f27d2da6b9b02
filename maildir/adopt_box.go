package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"

	"maildir-imapd/maildir/fsx"
)

// look reads what one folder brings: its files and the names of its messages,
// never a message.
func (f *Surveyed) look(t *Tree, v *Survey, newest *traces) error {
	root, err := t.open()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := f.links(root, v); err != nil {
		return err
	}
	d := root
	if f.Path != "" {
		if d, err = openBelow(root, f.Path); err != nil {
			return err
		}
		defer d.Close()
	}
	var files []mailFile
	for _, sub := range []string{"new", "cur"} {
		if files, err = readMail(files, d, sub); err != nil {
			return err
		}
	}
	f.Messages = len(files)
	b := together(d)
	if err := t.apart.open(&b, f.Path); isGone(err) {
		b.control, b.own = nil, nil
	} else if err != nil {
		return err
	}
	defer b.closeApart()
	times, err := serverTimes(&b)
	if err != nil {
		return err
	}
	newest.dovecot, newest.list = max(newest.dovecot, times.dovecot), max(newest.list, times.list)
	newest.courier, newest.ours = max(newest.courier, times.courier), max(newest.ours, times.ours)
	if err := f.uids(&b, files, times); err != nil {
		return err
	}
	return f.keywords(&b, files, times)
}

// mailFile is what the name of a message's file tells.
type mailFile struct {
	base    string
	letters uint32 // of keywords
}

func readMail(files []mailFile, d *fsx.Dir, name string) ([]mailFile, error) {
	sub, err := d.Sub(name)
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	if err != nil {
		return files, err
	}
	defer sub.Close()
	err = sub.Each(func(b []byte, typ fsx.Type) bool {
		if isMessageName(string(b)) && (typ == fsx.IsFile || typ == fsx.Unknown) {
			base, info := splitName(string(b))
			_, letters, _ := parseInfo(info)
			files = append(files, mailFile{base, letters})
		}
		return true
	})
	return files, err
}

func serverTimes(b *boxDirs) (n traces, err error) {
	for name, at := range map[string]*int64{
		"dovecot.index": &n.dovecot, "dovecot.index.log": &n.dovecot, "dovecot.index.cache": &n.dovecot, "dovecot.list.index.log": &n.dovecot,
		uidlistFile: &n.list, courierList: &n.courier, courierKeywords: &n.courier, indexName: &n.ours,
	} {
		d := b.of(name)
		if d == nil {
			continue
		}
		id, err := idNow(d, name)
		if err != nil {
			return n, err
		}
		*at = max(*at, id.mtime)
	}
	return n, nil
}

// uids tells which messages keep their numbers.
func (f *Surveyed) uids(b *boxDirs, files []mailFile, times traces) error {
	u, err := surveyList(b.control, uidlistFile)
	if errors.Is(err, ErrCorrupt) {
		f.Notes = append(f.Notes, fmt.Sprintf("%v; it is put aside", err))
		u, err = nil, nil
	}
	if err != nil {
		return err
	}
	theirs, err := surveyList(b.dir, courierList)
	if errors.Is(err, ErrCorrupt) {
		f.Notes = append(f.Notes, "Courier's list of UIDs cannot be read")
		theirs, err = nil, nil
	}
	if err != nil {
		return err
	}
	listed := make(map[string]bool)
	switch {
	case u != nil:
		f.Validity, f.Next = u.validity, u.next
		f.since(u, theirs, listed)
	case times.ours != 0:
		f.Notes = append(f.Notes, "without dovecot-uidlist: UIDs come back from maildir-imapd.index")
	case theirs != nil:
		u = theirs
		f.Validity, f.Next = u.validity, u.next
	}
	if u != nil {
		for _, r := range u.records {
			listed[r.base] = true
		}
	}
	dovecots, letters := 0, uint32(0)
	for _, x := range files {
		if listed[x.base] {
			f.Kept++
		}
		if _, w, ok := sizesInName(x.base); ok && w >= 0 {
			dovecots++
		}
		letters |= x.letters
	}
	f.Unlisted = u == nil && times.ours == 0 && (dovecots > 0 || letters != 0 || times.dovecot != 0)
	return nil
}

// since adds the UIDs that Courier has given after the list was ours.
func (f *Surveyed) since(ours, theirs *uidlist, listed map[string]bool) {
	if theirs == nil {
		return
	}
	known := make(map[string]bool, len(ours.records))
	for _, r := range ours.records {
		known[r.base] = true
	}
	differ, next := 0, ours.next
	for _, r := range theirs.records {
		switch {
		case known[r.base]:
		case theirs.validity == ours.validity && r.uid >= next:
			listed[r.base] = true
			f.Next = max(f.Next, r.uid+1)
		default:
			differ++
		}
	}
	if differ > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("Courier has given UIDs of its own to %d messages beside dovecot-uidlist: those are not kept", differ))
	}
}

func surveyList(d *fsx.Dir, name string) (*uidlist, error) {
	if d == nil {
		return nil, nil
	}
	b, _, err := d.ReadFile(name, listLimit)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseUIDList(b)
}

// keywords counts them by where they will be kept.
func (f *Surveyed) keywords(box *boxDirs, files []mailFile, times traces) error {
	var b []byte
	if box.control != nil {
		var err error
		if b, _, err = box.control.ReadFile(keywordsFile, 1<<20); err != nil && !isGone(err) {
			return err
		}
	}
	m := parseKeywords(b)
	named := uint32(0)
	for i, name := range m.names {
		if name != "" {
			f.Keywords++
			named |= 1 << i
		}
	}
	letters := uint32(0)
	for _, x := range files {
		letters |= x.letters
	}
	if n := bits.OnesCount32(letters &^ named); n > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("keywords whose names dovecot-keywords does not tell: %d; their letters stay in the file names, but no client sees them", n))
	}
	if f.Keywords == maxLetters && times.ours == 0 {
		f.Notes = append(f.Notes, "all 26 letters are taken: keywords beyond them, if there are any, lie in dovecot.index only and cannot be kept")
	}
	k, err := readCourierKeys(box.dir)
	if isGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	f.courierKeywords(k, &m, files)
	return nil
}

func (f *Surveyed) courierKeywords(k *courierKeys, m *keywordMap, files []mailFile) {
	used := make([]bool, len(k.names))
	for _, x := range files {
		for _, i := range k.of[x.base] {
			used[i] = true
		}
	}
	lost := k.odd
	for i, name := range k.names {
		switch {
		case !used[i] || m.find(name) >= 0:
		case f.Keywords < maxLetters && len(name) <= maxKeyword:
			f.Keywords++
		case f.High < 64-maxLetters:
			f.High++
		default:
			lost++
		}
	}
	if f.High > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d keywords beyond the 26 that file names can hold are kept in maildir-imapd.index: no other server sees them", f.High))
	}
	if lost > 0 {
		f.Notes = append(f.Notes, fmt.Sprintf("%d keywords cannot be kept: a folder has 64 at most, and not every character will do", lost))
	}
}
