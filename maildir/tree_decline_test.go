package maildir

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestDeclined(t *testing.T) {
	s, err := NewStore(StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	root := filepath.Join(t.TempDir(), "mail")
	tree, err := s.Tree(TreeOptions{Root: root, Separator: '/', Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	ctx, file := context.Background(), filepath.Join(root, propsFile)
	if err := os.WriteFile(file, []byte("special-use \\Sent\nother line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	is := func(want ...string) {
		t.Helper()
		if got, err := tree.Declined(ctx); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	is()
	for _, step := range []struct {
		name string
		on   bool
		want []string
	}{
		{"Public/a b", true, []string{"Public/a b"}},
		{"Public/ä", true, []string{"Public/a b", "Public/ä"}},
		{"Public/ä", true, []string{"Public/a b", "Public/ä"}},
		{"Public/a b", false, []string{"Public/ä"}},
		{"never", false, []string{"Public/ä"}},
	} {
		if err := tree.Decline(ctx, step.name, step.on); err != nil {
			t.Fatal(err)
		}
		is(step.want...)
	}
	for _, bad := range []string{"", "a\nunsubscribed b", "\xff", "a\x00"} {
		if err := tree.Decline(ctx, bad, true); Reason(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
	b, err := os.ReadFile(file)
	if err != nil || string(b) != "special-use \\Sent\nother line\nunsubscribed Public/ä\n" {
		t.Errorf("%q, %v", b, err)
	}
	for _, err := range Check(root) {
		t.Error(err)
	}
}
