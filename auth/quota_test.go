package auth

import (
	"strings"
	"testing"
)

func TestParseQuota(t *testing.T) {
	for fields, want := range map[string]Quota{
		"":                            {},
		"quota=1G":                    {Storage: 1 << 30, HasStorage: true},
		"quota=1GB":                   {Storage: 1 << 30, HasStorage: true},
		"quota=5000":                  {Storage: 5000, HasStorage: true},
		"quota=0 quota_messages=7":    {HasStorage: true, Messages: 7, HasMessages: true},
		"quota_messages=unlimited":    {HasMessages: true},
		"userdb_quota_rule=*:bytes=7": {Storage: 7, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:storage=1G:messages=1000":                              {Storage: 1 << 30, Messages: 1000, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:storage=100":                                           {Storage: 100 << 10, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:storage=100b":                                          {Storage: 100, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:storage=2M userdb_quota_rule2=Trash:storage=+10%":      {Storage: 2 << 20, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=Trash:ignore userdb_quota_rule3=*:messages=3":            {Messages: 3, HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:ignore":                                                {HasStorage: true, HasMessages: true},
		"userdb_quota_rule=*:storage=2M:messages=9 quota=1k userdb_quota=maildir:x": {Storage: 1024, Messages: 9, HasStorage: true, HasMessages: true},
	} {
		f, err := Parse("p", []byte("u:{PLAIN}x::::::"+fields+"\n"))
		if err != nil {
			t.Errorf("%s: %v", fields, err)
			continue
		}
		u, ok := f.User("u")
		if got, err := ParseQuota(u.Extra); !ok || err != nil || got != want {
			t.Errorf("%s: %+v, want %+v (%v)", fields, got, want, err)
		}
	}
	for _, fields := range []string{
		"quota=", "quota=lots", "quota=-1", "quota=+1G", "quota=1X", "quota=9999999999T", "quota=G", "quota_messages=1K",
		"userdb_quota_rule=1G", "userdb_quota_rule=*:storage=10%", "userdb_quota_rule=*:mails=3", "userdb_quota_rule2=*:storage=+1M",
	} {
		_, err := Parse("p", []byte("ok:{PLAIN}x\nu:{PLAIN}x::::::"+fields+"\n"))
		if err == nil || !strings.Contains(err.Error(), "p:2:") || !strings.Contains(err.Error(), fields[:5]) {
			t.Errorf("%s: %v", fields, err)
		}
	}
	if _, ok := (*File)(nil).User("u"); ok {
		t.Error("no file has a user")
	}
}
