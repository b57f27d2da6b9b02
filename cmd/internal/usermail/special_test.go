package usermail

import (
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"maildir-imapd/imapd/config"
)

func TestSpecialUse(t *testing.T) {
	s := &config.Special{Sent: []string{"Sent", "Sent Items"}, Junk: []string{"Spam", "Junk"}, Trash: []string{"Bin"}}
	got := specialUse(s, func(name string) (bool, error) { return name == "Sent Items", nil })
	want := map[string]imap.MailboxAttr{
		"Sent Items": imap.MailboxAttrSent, "Spam": imap.MailboxAttrJunk, "Bin": imap.MailboxAttrTrash,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, certain := chosenUses(s); certain {
		t.Error("nobody looks which folder is there")
	}
	if uses, certain := chosenUses(&config.Default().Special); !certain || uses["Sent"] != imap.MailboxAttrSent {
		t.Errorf("the default makes every login look: %v", uses)
	}
	for _, u := range s.Uses() {
		if attributes[u.Use] == "" {
			t.Errorf("%s has no attribute", u.Use)
		}
	}
}
