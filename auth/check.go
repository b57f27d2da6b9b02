package auth

import (
	"context"
	"slices"
	"strings"
	"time"
)

// late holds an error back until a whole number of delays after start, the arrival
// of the last byte. It is nearly always one: only a check that waited long for a
// worker, or a hash that is very dear, makes it more, and then the number does not
// depend on the user either, because the unknown wait and hash as the known do.
func (a *Authenticator) late(ctx context.Context, start time.Time, err *Error) error {
	spent := time.Since(start)
	n := spent/a.delay + 1
	t := time.NewTimer(n*a.delay - spent)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
	return err
}

// password checks what PLAIN, LOGIN and the LOGIN command deliver over c. On success the user's
// Mechanism is still to be set.
func (a *Authenticator) password(ctx context.Context, c Conn, name, authzid, password string) (User, *Error) {
	f := a.file.Load()
	acct, cause := f.lookup(name)
	all := f.model
	if acct != nil {
		all = acct.forPlain()
	}
	switch {
	case len(all) == 0: // an empty file
		return User{}, failed(name, cause)
	case password == "", len(password) > maxPassword, strings.ContainsRune(password, 0):
		// An empty one is nobody's, though htpasswd makes a hash of it when it is told to. Hash something all the same.
		password, acct = "", nil
		if cause == nil {
			cause = ErrBadPassword
		}
	}
	if acct != nil && slices.ContainsFunc(all, func(v *verifier) bool { return a.cache.has(name, v, password) }) {
		return acct.authorize(c, authzid)
	}
	ok, err := a.verify(ctx, acct, all, password)
	switch {
	case err != nil:
		return User{}, interrupted(name, err)
	case acct == nil:
		return User{}, failed(name, cause)
	case !ok:
		return User{}, failed(name, ErrBadPassword)
	}
	return acct.authorize(c, authzid)
}

// authorize looks, once the login is proved, whether it may come over c, and compares the authorization identity.
func (acct *account) authorize(c Conn, authzid string) (User, *Error) {
	switch u := acct.user; {
	case !acct.from.allows(c.Remote):
		return User{}, failed(u.Name, ErrNotFromHere)
	case authzid != "" && authzid != u.Name:
		return User{}, denied(u.Name)
	default:
		return u, nil
	}
}

// lookup finds a user; what it returns instead is for the log.
func (f *File) lookup(name string) (*account, error) {
	if acct := f.users[name]; acct != nil {
		return acct, nil
	}
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return nil, ErrNoUser
}

// verify tries verifiers, dear ones when a worker is free, until the password is right for one. Those of acct are
// remembered: what another connection of the user finds out while this one waits is not worked out again.
func (a *Authenticator) verify(ctx context.Context, acct *account, all []*verifier, password string) (ok bool, err error) {
	check := func(v *verifier) bool {
		if acct == nil {
			return v.check(password)
		}
		if a.cache.has(acct.user.Name, v, password) {
			return true
		}
		ok := v.check(password)
		if ok {
			a.cache.add(acct.user.Name, v, password)
		}
		return ok
	}
	for _, v := range all {
		if v.cost < queued {
			ok = check(v)
		} else if err = a.work(ctx, func() { ok = check(v) }); err != nil {
			return false, err
		}
		if ok {
			return true, nil
		}
	}
	return false, nil
}

// work runs f when one of the workers' slots is free.
func (a *Authenticator) work(ctx context.Context, f func()) error {
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-a.slots }()
	f()
	return nil
}
