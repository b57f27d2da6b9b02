# maildir-imapd: make help tells what there is.

SHELL = /bin/sh
GO ?= go

DESTDIR    ?=
PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR     ?= $(PREFIX)/bin
SBINDIR    ?= $(PREFIX)/sbin
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/maildir-imapd
UNITDIR    ?= $(PREFIX)/lib/systemd/system

# The tag that git knows, or in an unpacked archive the newest version that CHANGELOG.md names.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || sed -n 's/^\#\# \([^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)

# Paths, build time and the state of the checkout stay out of the binaries: the same source and the same Go give the same bytes.
BUILDFLAGS = -trimpath -buildvcs=false -ldflags '-X main.version=$(VERSION)'

FUZZTIME ?= 20s

.PHONY: all build test race lint fuzz interop bench demo cover install clean help

all: build

## build    the two programs, static, into bin/
build:
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/ ./cmd/...

## test     every test that needs nothing but Go
test:
	$(GO) test ./...

## clean    remove what make made
clean:
	rm -rf bin demo cover.out cover.html

## help     this list
help:
	@sed -n 's/^## /  make /p' Makefile
