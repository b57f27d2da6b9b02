package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"maildir-imapd/auth"
	"maildir-imapd/imapd"
	"maildir-imapd/imapd/config"
	"maildir-imapd/imapd/gate"
)

// newAuthenticator makes auth's part of a configuration.
func newAuthenticator(c *config.Config, hostname string, file *auth.File, seed []byte) *auth.Authenticator {
	o := auth.Options{
		File: file, Hostname: hostname, Mechanisms: slices.Clone(c.Auth.Mechanisms),
		Delay: max(c.Auth.FailureDelay, time.Nanosecond), Workers: c.Auth.Workers, CacheTTL: c.Auth.Cache, Seed: seed, Anonymous: c.Auth.Anonymous,
	}
	if o.CacheTTL == 0 {
		o.CacheTTL = -1 // auth's word for none
	}
	if c.Auth.Cleartext == config.CleartextNo {
		o.Mechanisms = slices.DeleteFunc(o.Mechanisms, func(m string) bool { return m == "PLAIN" || m == "LOGIN" })
	}
	return auth.New(o)
}

// loadPasswords reads the password file. Only the default one may be absent, since nobody has named it, and only
// while the file before, if any, had no users either.
func loadPasswords(cfg *config.Config, before *auth.File) (*auth.File, error) {
	path := cfg.Auth.File
	f, err := auth.LoadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist) && path == config.Default().Auth.File && (before == nil || before.Len() == 0):
		return auth.Parse(path, nil)
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("[auth] file: %w; make it with maildir-imapctl passwd -file %s USER", err, path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("[auth] file: %w; this runs as %s: give the file to that group (chgrp), mode 0640, and let it enter the directory", err, whoami())
	case err != nil:
		return nil, fmt.Errorf("[auth] file: %w", err)
	}
	return f, nil
}

// loadGroups reads the file of groups, if there is to be one.
func loadGroups(cfg *config.Config) (*auth.Groups, error) {
	if cfg.Auth.Groups == "" {
		return nil, nil
	}
	g, err := auth.LoadGroups(cfg.Auth.Groups)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("[auth] groups: %w; this runs as %s: let it read the file and enter the directory", err, whoami())
	case err != nil:
		return nil, fmt.Errorf("[auth] groups: %w", err)
	}
	return g, nil
}

// engineAuth shows an Authenticator to the engine. certs may be nil.
func engineAuth(a *auth.Authenticator, certs *gate.Certificates) imapd.Auth {
	return imapd.Auth{
		Mechanisms: func(c imapd.ConnInfo) []string { return a.Mechanisms(authConn(c, certs)) },
		Start: func(mechanism string, c imapd.ConnInfo) (imapd.SASL, error) {
			x, err := a.Start(mechanism, authConn(c, certs))
			if err != nil {
				return nil, err
			}
			return exchange{x}, nil
		},
		Login: func(ctx context.Context, user, password string, c imapd.ConnInfo) (imapd.Identity, error) {
			u, err := a.Login(ctx, user, password, authConn(c, certs))
			return identity(u), err
		},
	}
}

type exchange struct{ auth.Exchange }

func (x exchange) Identity() imapd.Identity { return identity(x.User()) }

func identity(u auth.User) imapd.Identity {
	return imapd.Identity{User: u.Name, Home: u.Home, Mechanism: u.Mechanism, Extra: u.Extra, Anonymous: u.Anonymous}
}

func authConn(c imapd.ConnInfo, certs *gate.Certificates) auth.Conn {
	conn := auth.Conn{Remote: c.Remote, TLS: c.TLS, Cleartext: c.Cleartext, ChannelBinding: auth.TLSBinding(c.TLSState)}
	if c.TLSState != nil && certs != nil {
		conn.EndPoint = func() []byte {
			if served := certs.Served(c.TLSState); served != nil {
				return auth.EndPointBinding(served)
			}
			return nil
		}
	}
	return conn
}

// connInfo is what the engine is told of a connection that the gate has let through.
func connInfo(c net.Conn, in *gate.Info, cleartext config.Cleartext) *imapd.ConnInfo {
	info := &imapd.ConnInfo{
		Remote: c.RemoteAddr(), Local: c.LocalAddr(), Listener: in.Listener,
		TLS: in.TLS != nil, TLSState: in.TLS,
		StartTLS:   in.Mode == config.StartTLS || in.Mode == config.Required,
		RequireTLS: in.Mode == config.Required,
	}
	switch cleartext {
	case config.CleartextYes:
		info.Cleartext = true
	case config.CleartextLoopback:
		info.Cleartext = gate.FromHere(info.Remote)
	}
	return info
}

func engineLimits(c *config.Config) imapd.Limits {
	return imapd.Limits{
		LoginTimeout: c.Limits.LoginTimeout, IdleTimeout: c.Limits.IdleTimeout, WriteTimeout: c.Limits.WriteTimeout,
		Line: int(c.Limits.MaxLine), Literal: c.Limits.MaxLiteral, Append: c.Limits.AppendLimit,
		BadCommands: c.Limits.BadCommands, BadCommandsPreLogin: c.Limits.BadCommandsPreauth,
		AuthFailures: c.Auth.MaxFailures, PerUser: c.Limits.PerUser,
	}
}
