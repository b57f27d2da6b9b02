package maildir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"maildir-imapd/maildir/fsx"
)

// quotaStale is for how long a maildirsize that says "over quota" is believed:
// after that another program may have made room and said so to nobody.
const quotaStale = 15 * time.Minute

// quotaYoung is for how long somebody may still be writing a first line.
const quotaYoung = 10 * time.Second

// quotaRoot is the quota of one tree. Nothing is remembered between commands:
// maildirsize is every program's, and its few lines are read each time. Nil is
// a tree that cannot have one.
//
// # Races
//
// A file is put into or taken out of a mailbox first, then its line is
// appended. Somebody who counts meanwhile may have seen the file or not, and
// may have renamed another maildirsize over the one that the line goes to. So
// who changes something notes which file is there before (peek, look), and when
// it is another one afterwards, nobody can say whether the change is in it: the
// file is removed, and the next one to ask counts (record). The file is open all
// the while: an inode that is free may be given to the next file at once, and that
// would pass for the one there was. Who counts removes
// the file when a directory has changed meanwhile (count): a line may have gone
// to the old one. Two of us thus cannot disagree for longer than until the next
// question. A crash between file and line leaves the sum wrong by that much, and
// a power cut by the lines that were not on the disk yet, until the file is
// counted anew: after some 350 lines at most.
//
// Counting reads all directories of the tree, but no file whose name tells its
// size. It happens under no lock, before the change that asked.
type quotaRoot struct {
	tree   *Tree
	limits func() Quota // nil: none are configured
}

func newQuotaRoot(t *Tree) *quotaRoot {
	if t.o.ReadOnly || t.o.NoInbox && t.o.Quota == nil {
		return nil
	}
	return &quotaRoot{tree: t, limits: t.o.Quota}
}

// sharesQuota tells whether both places' mail counts for one quota.
func (l *location) sharesQuota(o *location) bool {
	return l.quota != nil && o.quota != nil && l.quota.tree.root == o.quota.tree.root
}

// quotaLook is the quota as one look found it, before a change. Nil is none. It must
// be closed.
type quotaLook struct {
	root *quotaRoot
	q    Quota
	sum  amount
	file *fsx.File // the maildirsize that has this sum; nil: there is none, or it could not be written
	// fresh: nothing has been added to the sum since it was counted, a short while ago.
	fresh bool
}

// close gives the descriptor back.
func (l *quotaLook) close() {
	if l != nil && l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// set replaces what was found by what was found later.
func (l *quotaLook) set(now *quotaLook) {
	l.close()
	*l = *now
}

// QuotaUsage is what GETQUOTA tells.
type QuotaUsage struct {
	Quota
	Bytes, Count int64
}

// Quota tells what the tree holds and may hold; ok is false where nothing is limited.
func (t *Tree) Quota(ctx context.Context) (u QuotaUsage, ok bool, err error) {
	l, err := t.quota.find(ctx)
	if err != nil || l == nil {
		return u, false, opError("quota", "", err)
	}
	defer l.close()
	return QuotaUsage{l.q, l.sum.bytes, l.sum.count}, l.q.Storage > 0 || l.q.Messages > 0, nil
}

// configured are the limits now; a reload changes them for running sessions, too.
func (r *quotaRoot) configured() Quota {
	if r.limits == nil {
		return Quota{}
	}
	return r.limits()
}

// look is find for a command that will add mail: what goes wrong with the
// bookkeeping is logged and holds up nobody's mail.
func (r *quotaRoot) look(ctx context.Context) *quotaLook {
	l, err := r.find(ctx)
	if err != nil {
		r.warn("cannot tell how much mail there is, the quota is not kept", err)
		return &quotaLook{root: r} // unlimited; record will find that the file is another
	}
	return l
}

// find reads maildirsize, and counts anew where that must be.
func (r *quotaRoot) find(ctx context.Context) (*quotaLook, error) {
	if r == nil {
		return nil, nil
	}
	q := r.configured()
	d, err := r.tree.openLists()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	file, f, err := openQuota(d)
	if err == nil && !q.Set && file.unknown {
		f.Close()
		r.damaged(d, f.Stat())
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		if q.Storage == 0 && q.Messages == 0 {
			return &quotaLook{root: r, q: q}, nil // nobody needs one, so far
		}
		return r.count(ctx, d, q)
	}
	if err != nil {
		return nil, err
	}
	if !q.Set {
		q.Storage, q.Messages = file.limits.Storage, file.limits.Messages
		q.StorageKey, q.MessagesKey = quotaName, quotaName
	}
	same := q.Storage == file.limits.Storage && q.Messages == file.limits.Messages
	fresh := r.believed(&file, f.Stat())
	doubt := !q.Warn && q.exceeds(file.sum) != nil && !fresh
	if file.bad || !same || doubt {
		f.Close()
		return r.count(ctx, d, q)
	}
	return &quotaLook{root: r, q: q, sum: file.sum, file: f, fresh: fresh}, nil
}

// believed tells whether a sum may refuse somebody's mail: for a
// while after it was counted, if nothing has happened since. Where nobody is
// refused it need not be asked: who is over quota all the time would have every
// message counted with each new one.
func (r *quotaRoot) believed(f *quotaFile, st fsx.Stat) bool {
	return f.lines == 1 && r.tree.store.now().Sub(time.Unix(0, st.Mtime)) <= quotaStale
}

// openQuota reads as much of maildirsize as is of use to anybody, and leaves it open.
func openQuota(d *fsx.Dir) (quotaFile, *fsx.File, error) {
	f, err := d.OpenRead(quotaName)
	if err != nil {
		return quotaFile{}, nil, err
	}
	b := make([]byte, min(f.Stat().Size, quotaFull))
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return quotaFile{}, nil, err
	}
	return parseQuota(b[:n]), &f, nil
}

// readQuota is openQuota for who does not compare files.
func readQuota(d *fsx.Dir) (quotaFile, fsx.Stat, error) {
	file, f, err := openQuota(d)
	if err != nil {
		return quotaFile{}, fsx.Stat{}, err
	}
	return file, f.Stat(), f.Close()
}

// peek is the look of a command that only removes mail: which file there is.
func (r *quotaRoot) peek() *quotaLook {
	if r == nil {
		return nil
	}
	d, err := r.tree.openLists()
	if err != nil {
		return &quotaLook{root: r}
	}
	defer d.Close()
	f, err := d.OpenRead(quotaName)
	if err != nil {
		return &quotaLook{root: r} // none; if there is one afterwards, it is another
	}
	return &quotaLook{root: r, file: &f}
}

// counts tells whether a line will be wanted: where there is no file to append it
// to, sizes need not be asked for.
func (l *quotaLook) counts() bool { return l != nil && l.file != nil }

// admit refuses mail that would go beyond a limit; over tells of a limit that
// is only warned of. Nobody is refused for lines that may be out of date, and
// what has no room in an empty tree needs no counting.
func (l *quotaLook) admit(ctx context.Context, a amount) (over *QuotaError, err error) {
	if l == nil {
		return nil, nil
	}
	over = l.q.exceeds(l.sum.plus(a))
	if over == nil || l.q.Warn {
		return over, nil
	}
	if l.fresh || l.q.exceeds(a) != nil {
		return nil, over
	}
	if err := l.recount(ctx); err != nil {
		l.root.warn("cannot tell how much mail there is, the quota is not kept", err)
		l.set(&quotaLook{root: l.root})
		return nil, nil
	}
	if over = l.q.exceeds(l.sum.plus(a)); over != nil {
		return nil, over
	}
	return nil, nil
}

func (l *quotaLook) recount(ctx context.Context) error {
	d, err := l.root.tree.openLists()
	if err != nil {
		return err
	}
	defer d.Close()
	now, err := l.root.count(ctx, d, l.q)
	if err != nil {
		return err
	}
	l.set(now)
	return nil
}

// record appends the line of a change that has been made. The change stands
// whatever happens to the line. Without an amount there is none, but the file
// must be the one that was there: who wrote another may have counted in the
// middle of the change, or before it where there was no file.
func (l *quotaLook) record(ctx context.Context, a amount) {
	if l == nil {
		return
	}
	d, err := l.root.tree.openLists()
	if err != nil {
		l.root.warn("cannot append to maildirsize", err)
		return
	}
	defer d.Close()
	switch err := l.append(d, a); {
	case err == nil:
	case errors.Is(err, errQuotaReplaced):
		l.root.again(ctx, d)
	case errors.Is(err, fs.ErrNotExist): // counted by the next one to ask
	default:
		l.root.warn("cannot append to maildirsize, mail is counted anew", err)
		l.root.again(ctx, d)
	}
}

var errQuotaReplaced = errors.New("maildirsize was written anew meanwhile")

// append writes in one step: other programs do the same at the same time.
func (l *quotaLook) append(d *fsx.Dir, a amount) error {
	f, err := d.OpenFile(quotaName, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := fsx.FileStat(f)
	if err != nil {
		return err
	}
	if l.file == nil || !st.SameFile(l.file.Stat()) {
		return errQuotaReplaced
	}
	if a == (amount{}) {
		return nil
	}
	return d.WriteAll(f, appendQuotaLine(nil, a))
}

// again makes sure that the sum there is will not be used. Limits that stand
// nowhere but in the file would be lost with it: there it is counted at once.
func (r *quotaRoot) again(ctx context.Context, d *fsx.Dir) {
	q := r.configured()
	if q.Set {
		if err := d.Remove(quotaName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.warn("cannot remove a maildirsize that is wrong", err)
		}
		return
	}
	file, st, err := readQuota(d)
	if err != nil {
		return
	}
	if file.unknown {
		r.damaged(d, st)
		return
	}
	q.Storage, q.Messages = file.limits.Storage, file.limits.Messages
	l, err := r.count(ctx, d, q)
	if err != nil {
		r.warn("cannot count the mail anew, maildirsize is wrong", err)
	}
	l.close()
}

// damaged puts aside a maildirsize that had the only record of the limits, which
// cannot be read: a power cut may have left it empty. One that is young is just
// being written, by a shell for example, and is left to the next one to ask.
func (r *quotaRoot) damaged(d *fsx.Dir, st fsx.Stat) {
	now := r.tree.store.now()
	if now.Sub(time.Unix(0, st.Mtime)) < quotaYoung {
		return
	}
	aside, err := setAside(d, quotaName, now)
	if err != nil {
		r.warn("cannot put aside a maildirsize whose limits cannot be read", err)
		return
	}
	r.tree.store.log.Error("maildirsize put aside, its limits cannot be read and stand nowhere else: the tree has no quota until it gets them again",
		"tree", r.tree.root, "aside", aside)
}

// changed is for what changes more than anybody has counted: a mailbox deleted.
func (r *quotaRoot) changed(ctx context.Context) {
	if r == nil {
		return
	}
	d, err := r.tree.openLists()
	if err != nil {
		return
	}
	defer d.Close()
	if _, err := d.StatName(quotaName); !errors.Is(err, fs.ErrNotExist) {
		r.again(ctx, d)
	}
}

// warn tells something about maildirsize once in the tree's life.
func (r *quotaRoot) warn(msg string, err error) {
	if errors.Is(err, fsx.ErrCrash) || errors.Is(err, context.Canceled) {
		return
	}
	r.tree.warn(msg, r.tree.lists()+"/"+quotaName, err)
}
