package maildir

import "maildir-imapd/maildir/acl"

// Rights are what a user may do with a mailbox.
type Rights = acl.Rights

// Deed is something done to a mailbox that needs rights.
type Deed uint8

// The deeds. For which commands they stand: RFC 4314 §4 and §5.
const (
	DeedLook        Deed = iota // know by name: LIST, SUBSCRIBE
	DeedKnow                    // ask for one's own rights
	DeedOpen                    // SELECT, EXAMINE and what reads messages
	DeedCount                   // STATUS, and searching without selecting
	DeedInsert                  // APPEND, and being the target of COPY and MOVE
	DeedStore                   // STORE of some flag, whichever
	DeedSeen                    // set and clear \Seen
	DeedTrash                   // set and clear \Deleted
	DeedFlag                    // set and clear all other flags and keywords
	DeedExpunge                 // EXPUNGE, and CLOSE with it
	DeedMove                    // being the source of MOVE (RFC 6851 §3.3)
	DeedPlace                   // take new mail from new/ to cur/, where it is \Recent for nobody else
	DeedCreateBelow             // be the parent of a mailbox that is made, or renamed to be there
	DeedDelete                  // DELETE
	DeedRename                  // be renamed
	DeedAdminister              // GETACL, SETACL, DELETEACL, LISTRIGHTS
)

// deeds says for each deed which rights are needed: all of some, any of others. There is no other place that knows.
var deeds = [...]struct{ all, any Rights }{
	DeedLook:        {all: acl.RightLookup},
	DeedKnow:        {any: acl.RightLookup | acl.RightRead | acl.RightInsert | acl.RightCreate | acl.RightDeleteMailbox | acl.RightAdmin},
	DeedOpen:        {all: acl.RightRead},
	DeedCount:       {all: acl.RightRead},
	DeedInsert:      {all: acl.RightInsert},
	DeedStore:       {any: acl.RightSeen | acl.RightDeleteMessages | acl.RightWrite},
	DeedSeen:        {all: acl.RightSeen},
	DeedTrash:       {all: acl.RightDeleteMessages},
	DeedFlag:        {all: acl.RightWrite},
	DeedExpunge:     {all: acl.RightExpunge},
	DeedMove:        {all: acl.RightDeleteMessages | acl.RightExpunge},
	DeedPlace:       {any: acl.RightWrite | acl.RightDeleteMessages | acl.RightExpunge},
	DeedCreateBelow: {all: acl.RightCreate},
	DeedDelete:      {all: acl.RightDeleteMailbox},
	DeedRename:      {all: acl.RightDeleteMailbox},
	DeedAdminister:  {all: acl.RightAdmin},
}

// allowed tells whether rights are enough for a deed.
func allowed(r Rights, d Deed) bool {
	need := deeds[d]
	return r.Has(need.all) && (need.any == 0 || r&need.any != 0)
}

// May judges a deed on a mailbox that somebody names. Who may not know of the mailbox is told what is told of one
// that does not exist (RFC 4314 §6): ErrNotExist. Others get ErrNoPermission.
func May(r Rights, d Deed) error {
	switch {
	case allowed(r, d):
		return nil
	case allowed(r, DeedLook):
		return ErrNoPermission
	}
	return ErrNotExist
}

// restrict leaves alone the flags that the user has no right to (RFC 4314 §4):
// those of old stay.
func restrict(r Rights, old, now Flags) Flags {
	keep := SystemFlags(0)
	if !allowed(r, DeedSeen) {
		keep |= Seen
	}
	if !allowed(r, DeedTrash) {
		keep |= Deleted
	}
	if !allowed(r, DeedFlag) {
		keep |= systemAll &^ (Seen | Deleted)
		now.Keywords = old.Keywords
	}
	now.System = now.System&^keep | old.System&keep
	return now
}

// permitted is what is left of flags that somebody names: no keyword gets a letter in the mailbox at the
// word of who may not set it.
func (f flagSet) permitted(r Rights) flagSet {
	if !allowed(r, DeedFlag) {
		f.keywords = nil
	}
	return f
}

// storable tells whether flags may be changed: one of those named must be the user's to change, the others are left
// alone then. FLAGS names all that there are.
func (f flagSet) storable(r Rights, op StoreOp) bool {
	if op == Replace || f.system == 0 && len(f.keywords) == 0 {
		return allowed(r, DeedStore)
	}
	return f.system&Seen != 0 && allowed(r, DeedSeen) ||
		f.system&Deleted != 0 && allowed(r, DeedTrash) ||
		(f.system&^(Seen|Deleted) != 0 || len(f.keywords) > 0) && allowed(r, DeedFlag)
}

// may judges a deed on a mailbox that is open, which its user knows of.
func (h *Handle) may(d Deed) error {
	switch d {
	case DeedLook, DeedKnow, DeedOpen, DeedCount, DeedAdminister:
	default:
		if h.mode == Examine || h.mode == Peek {
			return ErrReadOnly
		}
	}
	if !allowed(h.loc.rights, d) {
		return ErrNoPermission
	}
	return nil
}

// May tells whether something may be done to the open mailbox: by its user's rights as of the last Recheck, by what
// it was opened for, and because its files can be changed at all. The answer is nil, ErrNoPermission or ErrReadOnly.
func (h *Handle) May(d Deed) error {
	err := h.may(d)
	if err == nil && h.apart && (d == DeedStore || d == DeedSeen) && allowed(h.loc.rights, DeedSeen) {
		return nil // it is kept elsewhere
	}
	if err == nil && h.m.frozen.Load() && !allowed(acl.RightsReadOnly, d) {
		err = ErrReadOnly
	}
	return err
}

// Rights are the user's rights here, as of the last Recheck.
func (h *Handle) Rights() Rights { return h.loc.rights }

// ReadOnly tells that nothing can be changed through this handle: READ-ONLY, as RFC 4314 §5.2 has it. Whoever may
// set \Seen may change something, even where it is kept for each reader apart: there are clients that keep no read
// marks in a mailbox that they are told is READ-ONLY.
func (h *Handle) ReadOnly() bool {
	return h.May(DeedStore) != nil && h.May(DeedInsert) != nil && h.May(DeedExpunge) != nil
}

// places tells whether this selection moves new mail to cur/.
func (h *Handle) places() bool { return h.mode == Select && allowed(h.loc.rights, DeedPlace) }
