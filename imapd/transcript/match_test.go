package transcript

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, response string
		want              bool
	}{
		{`* FLAGS (\Seen \Answered)`, `* FLAGS (\Answered \Seen)`, true},
		{`* FLAGS (\Seen)`, `* FLAGS (\Answered \Seen)`, false},
		{`* FLAGS (\Seen ...)`, `* FLAGS (\Answered \Seen)`, true},
		{`* FLAGS (\Seen ?$Junk)`, `* FLAGS (\Seen)`, true},
		{`* FLAGS (\Seen ?$Junk)`, `* FLAGS ($Junk \Seen)`, true},
		{`* FLAGS (\Seen ?$Junk)`, `* FLAGS (\Seen other)`, false},
		{`* 1 FETCH (UID 7 FLAGS ())`, `* 1 FETCH (FLAGS () UID 7)`, true},
		{`* 1 FETCH (UID 7)`, `* 1 FETCH (FLAGS () UID 7)`, false},
		{`* 1 FETCH (UID 7 ...)`, `* 1 FETCH (FLAGS () UID 7)`, true},
		{`* 1 FETCH (BODY[] <<a\r\nb>>)`, "* 1 FETCH (BODY[] {4}\r\na\r\nb)", true},
		{`* 1 FETCH (BODY[HEADER.FIELDS (TO)] NIL)`, `* 1 FETCH (BODY[HEADER.FIELDS (To)] "NIL")`, false},
		{`* 1 FETCH (INTERNALDATE "17-Jul-1996 09:44:25 +0000")`, `* 1 FETCH (INTERNALDATE "17-Jul-1996 02:44:25 -0700")`, true},
		{`* LIST (\HasNoChildren) "/" Work`, `* LIST (\HasNoChildren) "/" "Work"`, true},
		{`* LIST () "/" Work`, `* LIST () "/" work`, false},
		{`* LIST () "/" INBOX`, `* LSUB () "/" INBOX`, false},
		{`* STATUS INBOX (UNSEEN 1 MESSAGES 2)`, `* STATUS "INBOX" (MESSAGES 2 UNSEEN 1)`, true},
		{`* STATUS INBOX (UNSEEN 2 MESSAGES 1)`, `* STATUS "INBOX" (MESSAGES 2 UNSEEN 1)`, false},
		{`* SEARCH 1 2`, `* SEARCH 2 1`, true},
		{`* SEARCH`, `* SEARCH 2`, false},
		{`* ESEARCH (TAG "a") UID COUNT 1 MIN 3`, `* ESEARCH (TAG "a") UID MIN 3 COUNT 1`, true},
		{`a OK`, `a OK [READ-ONLY] done`, true},
		{`a OK []`, `a OK [READ-ONLY] done`, false},
		{`a NO|BAD`, `a BAD what?`, true},
		{`a NO [TRYCREATE]`, `a NO no such mailbox`, false},
		{`* OK`, `* OK [UNSEEN 1] first`, false},
		{`* OK [PERMANENTFLAGS (\Seen \*)]`, `* OK [PERMANENTFLAGS (\* \Seen)] ok`, true},
		{`a OK [COPYUID $v 1:2 $n:4]`, `a OK [COPYUID 99 1:2 3:4] ok`, true},
		{`* 1 EXISTS`, `* 2 EXISTS`, false},
	} {
		p, err := parseResponse([]byte(tc.pattern+"\r\n"), true)
		if err != nil {
			t.Fatal(err)
		}
		r, err := parseResponse([]byte(tc.response+"\r\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := matchResponse(p, r, nil); got != tc.want {
			t.Errorf("%s against %s: %v", tc.pattern, tc.response, got)
		}
	}
}

func TestVariablesBindOnce(t *testing.T) {
	p, _ := parseResponse([]byte("a OK [APPENDUID $v $n]\r\n"), true)
	first, _ := parseResponse([]byte("a OK [APPENDUID 5 6] done\r\n"), false)
	other, _ := parseResponse([]byte("a OK [APPENDUID 5 7] done\r\n"), false)
	e, ok := matchResponse(p, first, nil)
	if !ok {
		t.Fatal("no match")
	}
	if diff := cmp.Diff(env{"v": "5", "n": "6"}, e); diff != "" {
		t.Error(diff)
	}
	if _, ok := matchResponse(p, other, e); ok {
		t.Error("a bound name matched another value")
	}
}

// An observer notices what RFC 9051 §7.4.1 forbids.
func TestObserverCountsFromWhatItIsTold(t *testing.T) {
	o := &observer{count: 3, view: []seen{{"1", ""}, {"2", ""}, {"5", ""}}}
	err := o.apply([][]byte{[]byte("* 2 EXPUNGE\r\n"), []byte("* 2 FETCH (FLAGS (\\Seen \\Recent))\r\n"), []byte("* 4 EXISTS\r\n")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]seen{{"1", ""}, {"5", `\seen`}}, o.view, cmp.AllowUnexported(seen{})); diff != "" || o.count != 4 {
		t.Error(o.count, diff)
	}
	if err := o.apply([][]byte{[]byte("* 3 EXISTS\r\n")}); err == nil {
		t.Error("EXISTS shrank unnoticed")
	}
}
