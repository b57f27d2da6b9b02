package pubroot

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"

	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
)

// UsersOptions say whose mailboxes there are.
type UsersOptions struct {
	Separator byte
	Self      string          // who looks; their own mail is not shown here
	Users     func() []string // everybody who may have mail, sorted; asked at each use
	Who       func() acl.Who  // who looks, as lists see them
	// Place is where an owner's mail lies, without Access. Who has none is fs.ErrNotExist, as what is not there.
	Place func(owner string) (maildir.TreeOptions, error)
	// Generation is another number whenever Users and Place may answer something else; nil: they never do.
	Generation func() uint64
	// Open opens an owner's mail in its place as the one who looks may see it, with the separator of this tree.
	// To whom no list gives anything it gives nothing. What is not there, or cannot be read, is fs.ErrNotExist or
	// fs.ErrPermission.
	Open  func(ctx context.Context, owner string, place maildir.TreeOptions) (*maildir.Tree, error)
	Store *maildir.Store
	Index *Sharing     // the process's
	Log   *slog.Logger // nil drops everything
}

func (o *UsersOptions) generation() uint64 {
	if o.Generation == nil {
		return 0
	}
	return o.Generation()
}

// Users is other users' mail: mailboxes are called by their owner, the separator, and the owner's name for them; the
// owner's INBOX is INBOX there. An owner's trees are opened when they are asked for.
type Users struct {
	o UsersOptions

	mu         sync.Mutex
	open       []ownersTree // the one used last comes last
	generation uint64       // when it was known that they are where their owners' mail is
}

type ownersTree struct {
	owner string
	place maildir.TreeOptions
	tree  *maildir.Tree
}

// treesOpen is how many owners' trees one user has open.
const treesOpen = 16

// NewUsers makes the tree. It must be closed.
func NewUsers(o UsersOptions) *Users { return &Users{o: o} }

// Close lets go of all trees.
func (u *Users) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var err error
	for _, x := range u.open {
		err = errors.Join(err, x.tree.Close())
	}
	u.open = nil
	return err
}

// split finds the owner in a name: the longest user's name that it begins with, so that one user's folder is never
// taken for another user.
func (u *Users) split(name string) (owner, rest string, err error) {
	users := u.o.Users()
	for end := len(name); end > 0; {
		if end = strings.LastIndexByte(name[:end], u.o.Separator); end <= 0 {
			break
		}
		if _, ok := slices.BinarySearch(users, name[:end]); !ok {
			continue
		}
		if owner, rest = name[:end], name[end+1:]; owner == u.o.Self || rest == "" {
			break
		}
		return owner, rest, nil
	}
	return "", "", maildir.ErrNotExist
}

// Owner is the longest user's name that a name is or begins with, where separator stands behind it; empty when there is
// none. It is split for names that are written with another separator.
func (u *Users) Owner(name string, separator byte) string {
	users := u.o.Users()
	for end := len(name); end > 0; end = strings.LastIndexByte(name[:end], separator) {
		if _, ok := slices.BinarySearch(users, name[:end]); ok {
			return name[:end]
		}
	}
	return ""
}

// tree opens an owner's tree, or has it open. Closing one does not harm who is at work with it.
func (u *Users) tree(ctx context.Context, owner string) (*maildir.Tree, error) {
	u.mu.Lock()
	err := u.settle()
	if i := slices.IndexFunc(u.open, func(x ownersTree) bool { return x.owner == owner }); i >= 0 {
		x := u.open[i]
		u.open = append(slices.Delete(u.open, i, i+1), x)
		u.mu.Unlock()
		return x.tree, err
	}
	u.mu.Unlock()
	var t *maildir.Tree
	place, perr := u.o.Place(owner)
	if perr == nil {
		t, perr = u.o.Open(ctx, owner, place)
	}
	if perr != nil {
		if unreadable(perr) {
			perr = maildir.ErrNotExist // as whoever may see nothing of it
		}
		return nil, errors.Join(err, perr)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.open = append(u.open, ownersTree{owner, place, t})
	if len(u.open) > treesOpen {
		err = errors.Join(err, u.open[0].tree.Close())
		u.open = slices.Delete(u.open, 0, 1)
	}
	return t, err
}

// settle lets go of the trees whose owners have their mail elsewhere by now, or none any more. It is called with mu.
func (u *Users) settle() (err error) {
	now := u.o.generation()
	if now == u.generation {
		return nil
	}
	u.generation = now
	u.open = slices.DeleteFunc(u.open, func(x ownersTree) bool {
		place, perr := u.o.Place(x.owner)
		if perr == nil && reflect.DeepEqual(place, x.place) {
			return false
		}
		err = errors.Join(err, x.tree.Close())
		return true
	})
	return err
}

// unreadable tells that there is nothing for this process to see.
func unreadable(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, maildir.ErrNotExist) || errors.Is(err, maildir.ErrNoPermission)
}

// at calls f with the tree that a mailbox is in, and the name that it has there.
func (u *Users) at(ctx context.Context, op, name string, f func(t *maildir.Tree, rest string) error) error {
	owner, rest, err := u.split(name)
	var t *maildir.Tree
	if err == nil {
		t, err = u.tree(ctx, owner)
	}
	if err == nil {
		err = f(t, rest)
	}
	return named(op, name, err)
}

// named is an error about a mailbox by the name that it has here.
func named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var e *maildir.Error
	if errors.As(err, &e) {
		return &maildir.Error{Op: e.Op, Name: name, Err: e.Err}
	}
	return &maildir.Error{Op: op, Name: name, Err: err}
}

// List is the mailboxes that others let the user look up, and above them as mere parents their owners.
func (u *Users) List(ctx context.Context) ([]maildir.Entry, error) {
	sharers, err := u.o.Index.sharers(ctx, &u.o)
	if err != nil {
		return nil, err
	}
	who := u.o.Who()
	var out []maildir.Entry
	for _, x := range sharers {
		if x.owner == u.o.Self || !x.lists.LetIn(&who) {
			continue
		}
		t, err := u.tree(ctx, x.owner)
		var entries []maildir.Entry
		if err == nil {
			entries, err = t.List(ctx)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !unreadable(err) && u.o.Log != nil { // the others' mail must not suffer
			u.o.Log.Warn("a user's shared mailboxes are left out of a listing", "owner", x.owner, "err", err)
		}
		out = u.add(out, x.owner, entries)
	}
	return out, nil
}

// add puts an owner's mailboxes behind what there is already, below the owner's name.
func (u *Users) add(out []maildir.Entry, owner string, entries []maildir.Entry) []maildir.Entry {
	var own []maildir.Entry
	for _, e := range entries {
		e.Name = owner + string(u.o.Separator) + e.Name
		e.SpecialUse = nil // it is the owner's use
		if of, _, err := u.split(e.Name); err == nil && of == owner {
			own = append(own, e)
		} // else another user's name, as it reads
	}
	if len(own) < len(entries) {
		all := slices.Clone(own)
		own = slices.DeleteFunc(own, func(e maildir.Entry) bool {
			return e.NonExistent && !slices.ContainsFunc(all, func(o maildir.Entry) bool {
				return !o.NonExistent && strings.HasPrefix(o.Name, e.Name+string(u.o.Separator))
			})
		})
	}
	if len(own) == 0 {
		return out
	}
	if strings.IndexByte(owner, u.o.Separator) < 0 { // nothing is called so yet: who has it in front comes later
		return append(append(out, maildir.Entry{Name: owner, NonExistent: true, HasChildren: true}), own...)
	}
	for i := range len(owner) {
		if owner[i] == u.o.Separator && i > 0 {
			out = parent(out, owner[:i])
		}
	}
	return append(parent(out, owner), own...)
}

// parent adds what is only above others, unless it is there: as that, or as some owner's mailbox.
func parent(out []maildir.Entry, name string) []maildir.Entry {
	if i := slices.IndexFunc(out, func(e maildir.Entry) bool { return e.Name == name }); i >= 0 {
		out[i].HasChildren = true
		return out
	}
	return append(out, maildir.Entry{Name: name, NonExistent: true, HasChildren: true})
}

// Exists tells whether there is such a mailbox, and the user may know of it.
func (u *Users) Exists(name string) (bool, error) {
	var is bool
	err := u.at(context.Background(), "look for", name, func(t *maildir.Tree, rest string) (err error) {
		is, err = t.Exists(rest)
		return err
	})
	if errors.Is(err, maildir.ErrNotExist) {
		err = nil
	}
	return is, err
}

// Open opens a mailbox.
func (u *Users) Open(ctx context.Context, name string, mode maildir.Mode) (h *maildir.Handle, err error) {
	err = u.at(ctx, "open", name, func(t *maildir.Tree, rest string) (err error) {
		h, err = t.Open(ctx, rest, mode)
		return err
	})
	return h, err
}

// Create makes a mailbox among an owner's, where the owner lets one.
func (u *Users) Create(ctx context.Context, name string, use []imap.MailboxAttr) error {
	return u.refused(u.at(ctx, "create", name, func(t *maildir.Tree, rest string) error {
		return t.Create(ctx, rest, use)
	}))
}

// refused is for what is about a name to come: there cannot be one, whoever the owner would be.
func (u *Users) refused(err error) error {
	var e *maildir.Error
	if errors.As(err, &e) && errors.Is(err, maildir.ErrNotExist) {
		return &maildir.Error{Op: e.Op, Name: e.Name, Err: maildir.ErrNoPermission}
	}
	return err
}

// Delete removes a mailbox.
func (u *Users) Delete(ctx context.Context, name string) error {
	return u.at(ctx, "delete", name, func(t *maildir.Tree, rest string) error { return t.Delete(ctx, rest) })
}

// Rename renames a mailbox. It stays its owner's.
func (u *Users) Rename(ctx context.Context, from, to string) error {
	return u.at(ctx, "rename", from, func(t *maildir.Tree, rest string) error {
		owner, _, _ := u.split(from)
		other, target, err := u.split(strings.TrimSuffix(to, string(u.o.Separator)))
		if err != nil || other != owner {
			if there, err := t.Exists(rest); err != nil || !there {
				return cmp.Or(err, error(maildir.ErrNotExist))
			}
			return maildir.ErrNoPermission
		}
		return t.Rename(ctx, rest, target)
	})
}

// Rights are the user's to a mailbox.
func (u *Users) Rights(ctx context.Context, name string) (r maildir.Rights, err error) {
	err = u.at(ctx, "ask for rights", name, func(t *maildir.Tree, rest string) (err error) {
		r, err = t.Rights(ctx, rest)
		return err
	})
	return r, err
}

// ACL is a mailbox's list, for those who may administer it.
func (u *Users) ACL(ctx context.Context, name string) (l *acl.List, from maildir.ACLSource, err error) {
	err = u.at(ctx, "read the list of", name, func(t *maildir.Tree, rest string) (err error) {
		l, from, err = t.ACL(ctx, rest)
		return err
	})
	return l, from, err
}

// SetACL changes it.
func (u *Users) SetACL(ctx context.Context, name string, c acl.Change) error {
	return u.at(ctx, "change the list of", name, func(t *maildir.Tree, rest string) error {
		owner, _, _ := u.split(name)
		defer u.o.Index.Forget(owner)
		return t.SetACL(ctx, rest, c)
	})
}

// Subscribe is not for this tree: subscriptions lie in the user's own.
func (u *Users) Subscribe(_ context.Context, name string) error { return denied("subscribe", name) }

// Unsubscribe is not for this tree.
func (u *Users) Unsubscribe(_ context.Context, name string) error { return denied("unsubscribe", name) }

// Subscriptions is empty.
func (u *Users) Subscriptions(context.Context) ([]string, error) { return nil, nil }
