package pubroot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCostOfSharing: a LIST within the half minute looks at those who share something and at nobody else.
func TestCostOfSharing(t *testing.T) {
	owners, folders := 100, 10
	if testing.Short() {
		owners = 30
	}
	users := []string{"me"}
	for i := range owners {
		users = append(users, fmt.Sprintf("u%04d", i))
	}
	v := newVillage(t, '/', users...)
	for _, u := range users {
		for f := range folders {
			if err := os.MkdirAll(filepath.Join(v.dir, u, fmt.Sprintf(".f%d", f), "cur"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	v.share("u0007", "f7", "me", "lr")
	me := v.others("me")
	start := time.Now()
	v.wantSeen(me, "u0007-+", "u0007/f7 lr")
	t.Logf("%d owners of %d folders: the first LIST in %v", owners, folders, time.Since(start))
	if v.opens != owners {
		t.Errorf("%d trees were opened", v.opens)
	}
	v.opens = 0
	start = time.Now()
	v.wantSeen(me, "u0007-+", "u0007/f7 lr")
	t.Logf("the next one in %v", time.Since(start))
	if v.opens > 1 {
		t.Errorf("%d trees were opened again", v.opens)
	}
	v.own("u0008") // opening is not sharing
	v.share("u0009", "f1", "me", "l")
	v.opens = 0
	v.wantSeen(me, "u0007-+", "u0007/f7 lr", "u0009-+", "u0009/f1 l")
	if v.opens > 2 {
		t.Errorf("%d trees were opened for one new share", v.opens)
	}
}
