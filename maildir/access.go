package maildir

import (
	"context"
	"errors"

	"maildir-imapd/maildir/acl"
)

// Access is who uses a tree, and what holds where no file says who may do what. Everything is asked for at each use:
// what it answers may change while sessions run.
type Access struct {
	Who     func() acl.Who
	Default func() *acl.List // nil, and nil lists: nobody has rights
	Private func() bool      // each user has a \Seen of their own; false: in folders with dovecot-shared only; nil: nowhere
	Marks   *Marks           // where the user's own is kept; nil: it lasts as long as the tree is open. The tree is one more use of it
	Anyone  func() bool      // users may give rights to anyone, and to all who log in
	Changed func()           // told when a list has been changed through this tree; may be nil
	Gone    func() bool      // the user has the tree no more, and no right to what is still open of it; nil: never
	All     bool             // an administrator's tool: everything is allowed, to whomever the lists give what
}

// ACLSource is where the list that holds for a mailbox comes from.
type ACLSource struct {
	Path string // of the file; empty where there is none
	Kind string // "dovecot-acl", "courierimapacl", "root", "default", or "owner": no list, everything is allowed
}

// fixedRights are those that everybody has to all mailboxes of a tree, 0 where Access is asked.
func (o *TreeOptions) fixedRights() Rights {
	switch {
	case o.ReadOnly:
		return acl.RightsReadOnly
	case o.Access == nil, o.Access.All:
		return acl.RightsAll
	}
	return 0
}

// rightsOf are the user's rights to a mailbox. Without Access it costs nothing.
func (t *Tree) rightsOf(loc *location) (Rights, error) {
	if t.key.fixed != 0 {
		return t.key.fixed, nil
	}
	root, err := t.open()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	who := t.o.Access.Who()
	return t.rights(&aclPlace{rel: loc.rel, root: root}, &who)
}

// layersOf finds the lists that hold for a mailbox.
func (t *Tree) layersOf(loc *location) (aclLayers, error) {
	root, err := t.open()
	if err != nil {
		return aclLayers{}, err
	}
	defer root.Close()
	return t.layers(&aclPlace{rel: loc.rel, root: root})
}

// permit finds a mailbox for a deed.
func (t *Tree) permit(name string, d Deed) (location, error) {
	loc, err := t.locate(name)
	if err == nil {
		err = May(loc.rights, d)
	}
	return loc, err
}

// permitBelow asks for the right to make a mailbox, of the next mailbox above it that there is, else of the root. The
// refusal is plain: a name that cannot be made says nothing of what is there.
func (t *Tree) permitBelow(name string) error {
	if t.key.fixed != 0 {
		return nil
	}
	loc, err := t.location(""), error(ErrNotExist)
	for p := t.names.parent(name); p != "" && errors.Is(err, ErrNotExist); p = t.names.parent(p) {
		loc, err = t.locate(p)
	}
	if errors.Is(err, ErrNotExist) {
		loc = t.location("")
		loc.rights, err = t.rightsOf(&loc)
	}
	if err == nil && !allowed(loc.rights, DeedCreateBelow) {
		err = ErrNoPermission
	}
	return err
}

// permitRename asks for the right to rename a mailbox, or those below what is a mere parent. INBOX loses its messages
// only.
func (t *Tree) permitRename(from, to string) error {
	inbox := t.names.isInbox(from)
	if t.key.fixed != 0 && !inbox {
		return nil
	}
	deed := DeedRename
	if inbox {
		deed = DeedMove
	}
	_, err := t.permit(from, deed)
	if errors.Is(err, ErrNotExist) && !inbox {
		err = t.permitRenameBelow(from)
	}
	if err != nil {
		return err
	}
	return t.permitBelow(to)
}

func (t *Tree) permitRenameBelow(from string) error {
	switch _, err := t.lookUp(from); {
	case err == nil || classify(err) == ErrNoPermission:
		return ErrNotExist // it is there, and hidden
	case !errors.Is(err, ErrNotExist):
		return err
	}
	l, err := t.listing(nil)
	if err != nil {
		return err
	}
	for _, b := range l.below(t.names, from) {
		if _, err := t.permit(b.name, DeedRename); err != nil {
			return err
		}
	}
	return nil
}

// Rights are the user's rights to a mailbox, for those who may know of it: others get ErrNotExist (RFC 4314 §6).
func (t *Tree) Rights(ctx context.Context, name string) (Rights, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	name = t.names.clean(name)
	loc, err := t.permit(name, DeedKnow)
	if err != nil {
		return 0, opError("ask for rights", name, err)
	}
	return loc.rights, nil
}

// ACL is the list that holds for a mailbox, and where it comes from; nil where none does. Only who may administer
// the mailbox is answered.
func (t *Tree) ACL(ctx context.Context, name string) (*acl.List, ACLSource, error) {
	if err := ctx.Err(); err != nil {
		return nil, ACLSource{}, err
	}
	name = t.names.clean(name)
	loc, err := t.permit(name, DeedAdminister)
	if err != nil {
		return nil, ACLSource{}, opError("read the list of", name, err)
	}
	if t.o.Access == nil {
		return nil, ACLSource{Kind: "owner"}, nil
	}
	l, err := t.layersOf(&loc)
	if err != nil {
		return nil, ACLSource{}, opError("read the list of", name, err)
	}
	all := t.sources(&loc, l)
	return all[0].List, all[0].From, nil
}

// ACLLayer is one of the lists that are asked for somebody's rights to a mailbox.
type ACLLayer struct {
	List *acl.List // nil: there is none, and nobody has rights but owners
	From ACLSource
	Err  error // why the file as it is now is not used; List is then an earlier version's, if any
}

// Layers are the lists that are asked for a mailbox, one after the other until one says something about the asker:
// its own, then where there are such the root's or else the configuration's. It is for tools that explain rights:
// nobody's are looked at here.
func (t *Tree) Layers(ctx context.Context, name string) ([]ACLLayer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name = t.names.clean(name)
	loc, err := t.lookUp(name)
	if err == nil && t.o.Access == nil {
		return []ACLLayer{{From: ACLSource{Kind: "owner"}}}, nil
	}
	var l aclLayers
	if err == nil {
		l, err = t.layersOf(&loc)
	}
	if err != nil {
		return nil, opError("read the list of", name, err)
	}
	return t.sources(&loc, l), nil
}

// sources says of each list where it comes from.
func (t *Tree) sources(loc *location, l aclLayers) (all []ACLLayer) {
	if f := l.own; f != nil {
		all = append(all, ACLLayer{f.list, ACLSource{Path: loc.dir + "/" + f.name, Kind: f.name}, f.err})
	}
	if f := l.root; f != nil {
		all = append(all, ACLLayer{f.list, ACLSource{Path: t.root + "/" + f.name, Kind: "root"}, f.err})
	}
	if len(all) == 0 {
		all = append(all, ACLLayer{From: ACLSource{Kind: "default"}})
		if t.o.Access.Default != nil {
			all[0].List = t.o.Access.Default()
		}
	}
	return all
}

// Recheck asks anew for the user's rights, which hold until the next time, and tells whether they are others now.
// It is for the beginning of a command, so that each is judged by the rights of one moment. Where the tree has no
// Access it does nothing.
func (h *Handle) Recheck(ctx context.Context) (changed bool, err error) {
	if h.loc.tree == nil {
		return false, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	// By the directory that is open: its name may be another by now, and its path another mailbox's.
	t := h.loc.tree
	who := t.o.Access.Who()
	r, err := t.rights(&aclPlace{rel: h.m.below(), dir: h.m.dir}, &who)
	if err != nil {
		return false, opError("ask for rights", h.loc.name, err)
	}
	changed = r != h.loc.rights
	h.loc.rights = r
	return changed, nil
}

// visible is what a user sees of a listing: what may be looked up, and as mere parents what is above that.
func (t *Tree) visible(l *treeListing) ([]Entry, error) {
	root, err := t.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	top, err := t.topLayer(root)
	if err != nil {
		return nil, err
	}
	who := t.o.Access.Who()
	plain := (&aclLayers{root: top}).judge(&who, t.o.Access.Default) // to all that have no list of their own
	seen := make([]box, 0, len(l.boxes))
	rights := make([]Rights, 0, len(l.boxes)) // of those
	for i := range l.boxes {
		b := &l.boxes[i]
		own, err := t.acls.listed(&aclPlace{rel: b.rel, root: root, none: b.plain})
		if err != nil {
			return nil, err
		}
		r := plain
		if own != nil {
			r = (&aclLayers{own, top}).judge(&who, nil)
		}
		if allowed(r, DeedLook) {
			seen = append(seen, *b)
			rights = append(rights, r)
		}
	}
	out := t.entries(seen)
	for i := range out {
		if e := &out[i]; !e.NonExistent { // in the order of seen
			e.Rights, rights = rights[0], rights[1:]
		}
	}
	return out, nil
}
