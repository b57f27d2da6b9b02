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
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BASHDIR    ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR     ?= $(PREFIX)/share/zsh/site-functions
FISHDIR    ?= $(PREFIX)/share/fish/vendor_completions.d

# The tag that git knows, or in an unpacked archive the newest version that CHANGELOG.md names.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || sed -n 's/^\#\# \([^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)

# Paths, build time and the state of the checkout stay out of the binaries: the same source and the same Go
# give the same bytes. make reproducible shows it. Packages strip theirs (GOLDFLAGS).
GOLDFLAGS ?=
BUILDFLAGS = -trimpath -buildvcs=false -ldflags '$(strip $(GOLDFLAGS) -X main.version=$(VERSION) $(DEFAULTS))'
ifneq ($(SYSCONFDIR),/etc)
DEFAULTS = -X maildir-imapd/imapd/config.sysconfdir=$(SYSCONFDIR)
endif

# How long each fuzz target runs, and what DEMO=once ends after the visit.
FUZZTIME ?= 20s
DEMO     ?=
# The packages whose tests take longest begin first, and the small ones fill up what is left of the cores.
PACKAGES = ./maildir ./imapd ./maildir/message ./...
# More words for go test, as in: make test TESTFLAGS='-v -run Idle'
TESTFLAGS ?=
# and for the benchmark, which takes some 45 minutes: make bench BENCHFLAGS='-messages 1000 -runs 1' takes two
BENCHFLAGS ?= -messages 10000,100000,1000000 -growth 1000,10000,100000,1000000 -idle 1000,10000 -readers 1000,10000
# How long the processes of make stress fight (kills and a look at everything come on top), and more of its words,
# as in: make stress STRESSFLAGS='-seed 7 -scenarios mix'
STRESSTIME ?= 180s
STRESSFLAGS ?=
# Where make webmail keeps its pictures; empty: nowhere.
SCREENSHOTS ?=
# The Debian releases whose systemd is booted, and which of contrib/systemd/test (nothing: all of them), as in:
# make systemd-test SUITE=bookworm TESTS='units watchdog'
SUITE ?= bookworm trixie
TESTS ?=

INSTALL = install

.PHONY: all build test race lint fuzz interop webmail stress systemd-test bench demo cover install \
	deb deb-check rpm packages reproducible clean help

all: build

## build        the two programs, static, into bin/
build:
	CGO_ENABLED=0 $(GO) build $(BUILDFLAGS) -o bin/ ./cmd/...

## test         every test that needs nothing but Go
test:
	$(GO) test $(TESTFLAGS) $(PACKAGES)

## race         the same under the race detector, which needs a C compiler
race:
	CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) $(PACKAGES)

## lint         gofmt, vet, staticcheck, the project's own rules, the RFC list, the manual pages
lint:
	@bad=$$(gofmt -l .) || exit 1; \
		if [ -n "$$bad" ]; then echo "gofmt -w these:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop,webmail ./contrib/interop/... ./contrib/webmail/
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags interop,webmail ./contrib/interop/... ./contrib/webmail/
	$(GO) run ./contrib/lint
	$(GO) run ./contrib/rfc
	@if command -v mandoc >/dev/null; then echo "mandoc -Tlint -Wwarning man/*.[1-8]"; mandoc -Tlint -Wwarning man/*.[1-8]; \
		elif [ -n "$$CI" ]; then echo "mandoc is not installed" >&2; exit 1; \
		else echo "mandoc is not installed: the manual pages were not checked"; fi

# Before Go 1.27 a target may fail with nothing but "context deadline exceeded" as its time ends, with no input
# found (go.dev/issue/75804). That alone is let pass; whatever names an input or a line is not. One build a package
# serves all its targets; what they find goes into Go's cache, and what fails into testdata/fuzz, as go test -fuzz has it.
## fuzz         every fuzz target for FUZZTIME (20s)
fuzz:
	@tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && cache=$$($(GO) env GOCACHE)/fuzz || exit 1; \
	dirs=$$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); \
	for pkg in $$($(GO) list $$dirs); do \
		dir=$(CURDIR)/$${pkg#*/}; \
		$(GO) test -c -fuzz . -o "$$tmp/fuzz" "$$pkg" || exit 1; \
		targets=$$(cd "$$dir" && "$$tmp/fuzz" -test.list '^Fuzz') && test -n "$$targets" || exit 1; \
		for target in $$targets; do \
			echo "$$pkg $$target"; \
			out=$$(cd "$$dir" && "$$tmp/fuzz" -test.paniconexit0 -test.run '^$$' -test.fuzz "^$$target\$$" \
				-test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$cache/$$pkg" 2>&1); status=$$?; \
			echo "$$out" | grep -v '^fuzz: elapsed: [0-9]*s, gathering' | tail -n 40; \
			test $$status -eq 0 && continue; \
			if echo "$$out" | grep -qx ' *context deadline exceeded' && \
				! echo "$$out" | grep -q 'Failing input\|panic\|hung or terminated\|\.go:[0-9]'; then \
				echo "nothing found; see go.dev/issue/75804"; continue; fi; \
			exit 1; \
		done; \
	done

## interop      mbsync, offlineimap, neomutt, curl and others against the daemon
interop: build
	MAILDIR_IMAPD=$(CURDIR)/bin/maildir-imapd $(GO) test -tags interop -count=1 -timeout 20m $(TESTFLAGS) ./contrib/interop/...

## webmail      Roundcube in Chromium against the daemon (SCREENSHOTS=dir keeps what it shows)
webmail: build
	MAILDIR_IMAPD=$(CURDIR)/bin/maildir-imapd SCREENSHOTS=$(abspath $(SCREENSHOTS)) $(GO) test -tags webmail -count=1 -timeout 5m $(TESTFLAGS) ./contrib/webmail/

## stress       processes fight over one Maildir and are killed, for STRESSTIME (180s)
stress: build
	$(GO) build -o bin/stress ./contrib/stress
	MAILDIR_IMAPD=$(CURDIR)/bin/maildir-imapd bin/stress -time $(STRESSTIME) $(STRESSFLAGS)

## systemd-test the units, the sandbox, the package under a real systemd, in containers (root; SUITE, TESTS)
systemd-test: build $(if $(TESTS),,packages)
	contrib/systemd/test/run.sh '$(SUITE)' '$(TESTS)'

## bench        the daemon and Debian's Dovecot on the same Maildir
bench: build
	MAILDIR_IMAPD=$(CURDIR)/bin/maildir-imapd $(GO) run ./contrib/bench $(BENCHFLAGS)

## demo         a server with mail in it, until Ctrl-C (DEMO=once: one visit)
demo: build
	@$(GO) run ./contrib/demo -daemon bin/maildir-imapd $(if $(filter once,$(DEMO)),-once)

## cover        test coverage, as text and in cover.html
cover:
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1
	$(GO) tool cover -html=cover.out -o cover.html

# What is shipped names /usr and /etc; what is installed names where it was put.
PATHS = sed -e 's|/usr/sbin/maildir|$(SBINDIR)/maildir|g' -e 's|/usr/bin/maildir|$(BINDIR)/maildir|g' \
	-e 's|/etc/maildir-imapd|$(SYSCONFDIR)/maildir-imapd|g'

## install      programs, manual pages, units, completions, an example ini (DESTDIR, PREFIX, SYSCONFDIR)
install:
	@bin/maildir-imapd -h 2>&1 | grep -qF 'default $(SYSCONFDIR)/maildir-imapd/imapd.ini' || $(MAKE) build
	$(INSTALL) -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/maildir-imapd $(DESTDIR)$(DOCDIR) $(DESTDIR)$(SYSUSERSDIR) \
		$(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(BASHDIR) $(DESTDIR)$(ZSHDIR) $(DESTDIR)$(FISHDIR)
	$(INSTALL) -m 755 bin/maildir-imapd $(DESTDIR)$(SBINDIR)/maildir-imapd
	$(INSTALL) -m 755 bin/maildir-imapctl $(DESTDIR)$(BINDIR)/maildir-imapctl
	for p in man/*.5; do $(PATHS) $$p >$(DESTDIR)$(MANDIR)/man5/$${p##*/} || exit 1; done
	for p in man/*.8; do $(PATHS) $$p >$(DESTDIR)$(MANDIR)/man8/$${p##*/} || exit 1; done
	for u in contrib/systemd/*.socket contrib/systemd/*.service contrib/systemd/*.timer; do $(PATHS) $$u >$(DESTDIR)$(UNITDIR)/$${u##*/} || exit 1; done
	$(INSTALL) -m 644 contrib/systemd/sysusers.conf $(DESTDIR)$(SYSUSERSDIR)/maildir-imapd.conf
	$(INSTALL) -m 644 contrib/systemd/tmpfiles.conf $(DESTDIR)$(TMPFILESDIR)/maildir-imapd.conf
	$(INSTALL) -m 644 contrib/completions/maildir-imapctl.bash $(DESTDIR)$(BASHDIR)/maildir-imapctl
	$(INSTALL) -m 644 contrib/completions/maildir-imapctl.zsh $(DESTDIR)$(ZSHDIR)/_maildir-imapctl
	$(INSTALL) -m 644 contrib/completions/maildir-imapctl.fish $(DESTDIR)$(FISHDIR)
	$(PATHS) contrib/imapd.ini >$(DESTDIR)$(SYSCONFDIR)/maildir-imapd/imapd.ini.example
	$(INSTALL) -m 644 README.md LICENSE CHANGELOG.md contrib/fail2ban/maildir-imapd.conf $(DESTDIR)$(DOCDIR)
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/mta $(DESTDIR)$(DOCDIR)/jail.d $(DESTDIR)$(DOCDIR)/apparmor $(DESTDIR)$(DOCDIR)/firewall
	$(PATHS) contrib/apparmor/usr.sbin.maildir-imapd >$(DESTDIR)$(DOCDIR)/apparmor/usr.sbin.maildir-imapd
	$(INSTALL) -m 644 contrib/firewall/ufw contrib/firewall/firewalld.xml $(DESTDIR)$(DOCDIR)/firewall
	$(INSTALL) -m 644 contrib/fail2ban/jail.d/maildir-imapd.conf $(DESTDIR)$(DOCDIR)/jail.d
	$(INSTALL) -m 644 contrib/mta/maildir-public contrib/mta/*.cf contrib/mta/*.conf $(DESTDIR)$(DOCDIR)/mta
	$(INSTALL) -d $(DESTDIR)$(DOCDIR)/tls
	$(INSTALL) -m 755 contrib/tls/certbot-deploy $(DESTDIR)$(DOCDIR)/tls
	chmod 644 $(DESTDIR)$(MANDIR)/man5/maildir-imapd* $(DESTDIR)$(MANDIR)/man8/maildir-imap* $(DESTDIR)$(UNITDIR)/maildir-imapd* \
		$(DESTDIR)$(SYSCONFDIR)/maildir-imapd/imapd.ini.example $(DESTDIR)$(DOCDIR)/apparmor/usr.sbin.maildir-imapd

# What packages are called is contrib/package/version.sh's matter, unless PACKAGE_VERSION says otherwise.
PACKAGE_VERSION ?=

## deb          the Debian package, in bin/ (PACKAGE_VERSION)
deb:
	contrib/debian/build.sh bin '$(PACKAGE_VERSION)'

## deb-check    builds it twice, compares the bytes, looks at what is in it, lintian
deb-check: deb
	contrib/debian/check.sh bin '$(PACKAGE_VERSION)'

## rpm          the package for RPM distributions, in bin/, looked into (PACKAGE_VERSION)
rpm:
	contrib/rpm/build.sh bin '$(PACKAGE_VERSION)'

# Both, unless they are those of this very commit.
packages:
	@v=$${PACKAGE_VERSION:-$$(contrib/package/version.sh)}; \
	case $$v in *~unreleased | *.dirty) ;; *) ls bin/maildir-imapd_$$v-1_*.deb bin/maildir-imapd-$$v-1.*.rpm >/dev/null 2>&1 && exit ;; esac; \
	$(MAKE) --no-print-directory deb rpm

# Builds from two directories, the second without git and with a cold cache, and compares.
## reproducible builds twice in different places and compares the bytes
reproducible: build
	@tmp=$$(mktemp -d) && trap 'chmod -R u+w "$$tmp"; rm -rf "$$tmp"' EXIT && \
	mkdir "$$tmp/src" && tar -cf - --exclude=./.git --exclude=./bin . | tar -xf - -C "$$tmp/src" && \
	GOCACHE="$$tmp/cache" $(MAKE) -s -C "$$tmp/src" build VERSION='$(VERSION)' && \
	for b in maildir-imapd maildir-imapctl; do cmp bin/$$b "$$tmp/src/bin/$$b" || exit 1; done && \
	echo "the same bytes: $$(cd bin && sha256sum maildir-imapd maildir-imapctl | tr '\n' ' ')"

## clean        removes what make made
clean:
	rm -rf bin demo cover.out cover.html

## help         this list
help:
	@sed -n 's/^## /  make /p' Makefile
