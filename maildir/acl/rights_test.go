package acl

import "testing"

func TestRightsAsLetters(t *testing.T) {
	for r, want := range map[Rights]string{
		0:                       "",
		RightsReadOnly:          "lr",
		RightsAll:               "lrswipkxtea",
		RightAdmin | RightSeen:  "sa",
		RightCreate | RightPost: "pk",
	} {
		if got := r.String(); got != want {
			t.Errorf("%b is %q, not %q", uint16(r), got, want)
		}
	}
	if !RightsAll.Has(RightAdmin|RightPost) || RightsReadOnly.Has(RightRead|RightSeen) {
		t.Error("Has takes some of the rights for all")
	}
}
