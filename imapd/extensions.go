package imapd

import (
	"fmt"

	"github.com/emersion/go-imap/v2"
)

// extensions is the table: what the server speaks, in the order CAPABILITY says it. One more extension is
// one more file and one more word here.
var extensions = []*extension{
	&extCore, &extID, &extEnable, &extIdle, &extNamespace, &extUIDPlus, &extMove, &extUnselect,
	&extListExtended, &extListStatus, &extSpecialUse, &extXList, &extESearch, &extSort, &extThread, &extStatusSize,
	&extSearchRes, &extPartial, &extMultiSearch, &extFuzzy, &extSaveDate, &extI18N, &extInProgress,
	&extAppendLimit, &extWithin, &extBinary, &extCompress, &extUTF8, &extPreview, &extQuota, &extACL,
	&extListMyRights,
}

// extension declares commands, capabilities and hooks of one RFC together. The list of seams is closed: a
// feature that needs another kind is a change of the engine.
type extension struct {
	// before and after are what CAPABILITY says before and after the login.
	before, after []imap.Cap
	// valued is a capability that carries a value ("APPENDLIMIT=n"), said after the login.
	valued func(*Options) imap.Cap

	front    []command[*front]
	commands []command[*session]

	fetchItems    []fetchItem
	searchKeys    []searchKey
	searchReturns []searchReturn
	fetchMods     []fetchMod
	statusItems   []statusItem
	listSelects   []listOption
	listReturns   []listOption
	createParams  []createParam
	enables       []enable
	appendData    []appendData
	// progress tells the client of a slow command how far it is.
	progress func(w *responder, tag string, done, goal uint32)
}

// index is the table turned round for look-ups: parse functions and hooks read it through the server.
type index struct {
	front         map[string]*command[*front]
	session       map[string]*command[*session]
	fetchItems    map[string]*fetchItem
	searchKeys    map[string]*searchKey
	searchReturns map[string]*searchReturn
	fetchMods     map[string]*fetchMod
	statusItems   map[string]*statusItem
	listSelects   map[string]*listOption
	listReturns   map[string]*listOption
	createParams  map[string]*createParam
	enables       map[string]*enable
	appendData    map[string]*appendData
	progress      func(w *responder, tag string, done, goal uint32)
	table         []*extension
}

func newIndex(table []*extension) *index {
	x := &index{
		front: map[string]*command[*front]{}, session: map[string]*command[*session]{},
		fetchItems: map[string]*fetchItem{}, searchKeys: map[string]*searchKey{}, searchReturns: map[string]*searchReturn{},
		statusItems: map[string]*statusItem{}, listSelects: map[string]*listOption{},
		listReturns: map[string]*listOption{}, createParams: map[string]*createParam{}, enables: map[string]*enable{},
		appendData: map[string]*appendData{}, fetchMods: map[string]*fetchMod{},
		table: table,
	}
	for _, e := range table {
		declare(x.front, e.front, func(c *command[*front]) string { return c.name })
		declare(x.session, e.commands, func(c *command[*session]) string { return c.name })
		declare(x.fetchItems, e.fetchItems, func(i *fetchItem) string { return i.name })
		declare(x.searchKeys, e.searchKeys, func(k *searchKey) string { return k.name })
		declare(x.statusItems, e.statusItems, func(i *statusItem) string { return i.name })
		declare(x.listSelects, e.listSelects, func(o *listOption) string { return o.name })
		declare(x.listReturns, e.listReturns, func(o *listOption) string { return o.name })
		declare(x.createParams, e.createParams, func(p *createParam) string { return p.name })
		declare(x.searchReturns, e.searchReturns, func(r *searchReturn) string { return r.name })
		declare(x.fetchMods, e.fetchMods, func(m *fetchMod) string { return m.name })
		if e.progress != nil {
			x.progress = e.progress
		}
		declare(x.enables, e.enables, func(e *enable) string { return e.name })
		declare(x.appendData, e.appendData, func(a *appendData) string { return a.name })
	}
	return x
}

// declare indexes rows by name; the same name twice is a programmer's error.
func declare[T any](m map[string]*T, rows []T, name func(*T) string) {
	for i := range rows {
		n := name(&rows[i])
		if m[n] != nil {
			panic(fmt.Sprintf("internal error: %s is declared twice", n))
		}
		m[n] = &rows[i]
	}
}

// extCore is RFC 3501 and what RFC 9051 made part of it without a capability of its own.
var extCore = extension{
	before: []imap.Cap{imap.CapIMAP4rev1, imap.CapLiteralPlus, imap.CapSASLIR},
	after:  []imap.Cap{imap.CapIMAP4rev1, imap.CapLiteralPlus, imap.CapSASLIR},
	front: append(authCommands,
		command[*front]{name: "CAPABILITY", parse: noArgs(runCapabilityFront)},
		command[*front]{name: "NOOP", parse: noArgs(runNothing[*front])},
		command[*front]{name: "LOGOUT", does: quiet, parse: noArgs(runLogout[*front])}),
	commands: []command[*session]{
		{name: "CAPABILITY", in: anyState, parse: noArgs(runCapability)},
		{name: "NOOP", in: anyState, parse: noArgs(runNothing[*session])},
		{name: "LOGOUT", in: anyState, does: quiet, parse: noArgs(runLogout[*session])},
		{name: "SELECT", in: anyState, does: opensMailbox, parse: parseSelect(false)},
		{name: "EXAMINE", in: anyState, does: opensMailbox, parse: parseSelect(true)},
		{name: "CHECK", in: selected, parse: noArgs(runNothing[*session])},
		{name: "CLOSE", in: selected, does: opensMailbox, parse: noArgs(runClose)},
		{name: "CREATE", in: anyState, parse: parseCreate},
		{name: "DELETE", in: anyState, parse: parseDelete},
		{name: "RENAME", in: anyState, parse: parseRename},
		{name: "SUBSCRIBE", in: anyState, parse: parseSubscribe(true)},
		{name: "UNSUBSCRIBE", in: anyState, parse: parseSubscribe(false)},
		{name: "LIST", in: anyState, parse: parseList},
		{name: "LSUB", in: anyState, parse: parseLsub},
		{name: "STATUS", in: anyState, parse: parseStatus},
		{name: "APPEND", in: anyState, does: readsMore, parse: parseAppend},
		{name: "FETCH", in: selected, does: holdsExpunge, parse: parseFetch(false)},
		{name: "UID FETCH", in: selected, parse: parseFetch(true)},
		{name: "STORE", in: selected, does: holdsExpunge, parse: parseStore(false)},
		{name: "UID STORE", in: selected, parse: parseStore(true)},
		{name: "SEARCH", in: selected, does: holdsExpunge | onlyAnswers, parse: parseSearch(false)},
		{name: "UID SEARCH", in: selected, does: onlyAnswers, parse: parseSearch(true)},
		{name: "COPY", in: selected, does: holdsExpunge, parse: parseCopy(false)},
		{name: "UID COPY", in: selected, parse: parseCopy(true)},
		{name: "EXPUNGE", in: selected, parse: noArgs(runExpunge)},
	},
	fetchItems:  coreFetchItems,
	searchKeys:  coreSearchKeys,
	statusItems: coreStatusItems,
}
