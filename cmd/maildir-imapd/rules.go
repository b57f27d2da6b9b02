package main

import (
	"errors"
	"io/fs"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"maildir-imapd/auth"
	"maildir-imapd/cmd/internal/usermail"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/maildir"
	"maildir-imapd/maildir/acl"
	"maildir-imapd/pubroot"
)

// rules are what holds for users' mail now: quotas, groups, and what the namespaces say. Running sessions ask at every
// use, so that a reload changes theirs. They keep nothing of what was in force before but numbers: an idle session must
// not hold on to a password file that nobody uses any more.
type rules struct {
	now    atomic.Pointer[ruleset]
	spaces sync.Map // name of a namespace -> *live
	// sharing is what is known of who shares mail.
	sharing pubroot.Sharing

	once  sync.Once
	names func() map[string]string // the aliases
}

// ruleset is the rules of one moment. It is not changed once it is in force.
type ruleset struct {
	cfg    *config.Config
	people usermail.People
	// hidden: the password file cannot be read here, and users may have limits of their own in it. Then the
	// first line of their maildirsize, which the daemon has written, is what counts.
	hidden bool
	// generation is another number each time; shape where namespaces have to be opened anew.
	generation, shape uint64
	spaces            map[string]*space
	aliases           map[string]string

	once  sync.Once
	names []string // of those who may share mail, once somebody asks
}

// space is a namespace with what is made of it once for all.
type space struct {
	config.Namespace
	list *acl.List
}

// set puts rules in force. It is called by one goroutine.
func (r *rules) set(cfg *config.Config, users *auth.File, groups *auth.Groups) {
	r.put(&ruleset{cfg: cfg, people: usermail.People{File: users, Groups: groups}})
}

// load is set for a process that does not need these files otherwise. It may have no right to read them. Then nobody can
// tell which groups its user is in, and lines of groups give nothing and take what they take from anybody.
func (r *rules) load(cfg *config.Config, log *slog.Logger) {
	users, err := auth.LoadFile(cfg.Auth.File)
	groups, gerr := loadGroups(cfg)
	if gerr != nil {
		log.Warn("the groups of this session's user are not known: access lists give it nothing by group, and take from it what they take from any group", "err", gerr)
	}
	hidden := err != nil && !errors.Is(err, fs.ErrNotExist)
	r.put(&ruleset{cfg: cfg, people: usermail.People{File: users, Groups: groups, Unsure: hidden || gerr != nil}, hidden: hidden})
}

func (r *rules) put(next *ruleset) {
	next.spaces = make(map[string]*space, len(next.cfg.Namespaces))
	for _, n := range next.cfg.Namespaces {
		next.spaces[n.Name] = &space{n, n.List()}
	}
	if len(next.cfg.Aliases) > 0 {
		next.aliases = make(map[string]string, len(next.cfg.Aliases))
		for _, a := range next.cfg.Aliases {
			next.aliases[a.Name] = a.Target
		}
	}
	if was := r.now.Load(); was != nil {
		next.generation, next.shape = was.generation+1, was.shape
		if was.cfg.Mail.Tilde != next.cfg.Mail.Tilde || !sameShape(was.cfg.Namespaces, next.cfg.Namespaces) {
			next.shape++
		}
	}
	r.now.Store(next)
}

// sameShape tells whether namespaces differ in nothing that is fixed when they are opened.
func sameShape(a, b []config.Namespace) bool {
	fixed := func(all []config.Namespace) []config.Namespace {
		all = slices.Clone(all)
		for i := range all {
			n := &all[i]
			n.ACL, n.Anyone, n.Seen, n.Hide, n.Subscribe = nil, false, "", nil, nil
			n.Storage, n.Messages = config.Limit{Set: n.Storage.Set || n.Messages.Set}, config.Limit{}
		}
		return all
	}
	return reflect.DeepEqual(fixed(a), fixed(b))
}

// aliases gives those of now, the same func to all sessions.
func (r *rules) aliases() func() map[string]string {
	r.once.Do(func() { r.names = func() map[string]string { return r.now.Load().aliases } })
	return r.names
}

// subscribed are the names that a user is subscribed to without a word.
func (r *rules) subscribed(user string) (names []string) {
	now := r.now.Load().cfg
	for i := range now.Namespaces {
		if n := &now.Namespaces[i]; n.For(user) {
			names = append(names, n.Subscribe...)
		}
	}
	return names
}

// live is a namespace's section as it stands when it is asked, for all who have the namespace.
type live struct {
	rules  *rules
	name   string
	access maildir.Access // without Who
}

func (r *rules) live(name string) *live {
	if l, ok := r.spaces.Load(name); ok {
		return l.(*live)
	}
	l := &live{rules: r, name: name}
	l.access = maildir.Access{
		Default: func() *acl.List { return l.now().list },
		Private: func() bool { return l.now().Seen != config.SeenShared },
		Anyone:  func() bool { return l.now().Anyone },
	}
	kept, _ := r.spaces.LoadOrStore(name, l)
	return kept.(*live)
}

// now is the section, an empty one when it is gone.
func (l *live) now() *space {
	if s := l.rules.now.Load().spaces[l.name]; s != nil {
		return s
	}
	return new(space)
}

func (l *live) hide() []string { return l.now().Hide }

// of is the access that somebody has.
func (l *live) of(v *visitor) *maildir.Access {
	a := l.access
	a.Who = v.who
	return &a
}

// own is the access of users to their own mail, where they may let others in: lists hold for them as well.
func (r *rules) own(id *imapd.Identity, shared string) *maildir.Access {
	a := maildir.Access{Who: (&visitor{rules: r, id: id, owner: true}).who}
	a.Anyone = r.live(shared).access.Anyone
	return &a
}

// visitor is a user who asks for rights.
type visitor struct {
	rules *rules
	id    *imapd.Identity
	owner bool
	known atomic.Pointer[visit]
}

// visit is who a visitor is by the rules of a generation.
type visit struct {
	generation uint64
	who        acl.Who
}

// who is asked for each folder of a listing: groups are looked up once a generation.
func (v *visitor) who() acl.Who {
	now := v.rules.now.Load()
	if known := v.known.Load(); known != nil && known.generation == now.generation {
		return known.who
	}
	next := &visit{now.generation, acl.Who{Anonymous: true}}
	if !v.id.Anonymous {
		next.who = now.people.Who(v.id.User)
		next.who.Owner = v.owner
	}
	v.known.Store(next)
	return next.who
}
