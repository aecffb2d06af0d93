package matter_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/register"
)

// The page that others read our record by is true: its example is an entry as we write it, and it names every part of
// every change.
func TestTheReferenceOfEntriesIsComplete(t *testing.T) {
	raw, err := os.ReadFile("../../docs/reference/entries.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	example := regexp.MustCompile("(?s)```json\n(.*?)\n```").FindStringSubmatch(page)
	if example == nil {
		t.Fatal("no example")
	}
	e, err := journal.Decode([]byte(example[1]))
	if err != nil {
		t.Fatal(err)
	}
	if changes, err := matter.Changes(e); err != nil || len(changes) < 3 {
		t.Errorf("the example's changes: %v, %v", changes, err)
	}
	for _, c := range []any{matter.Opened{}, matter.Moved{}, matter.Passed{}, matter.About{}, matter.Sourced{}, matter.Alleged{}, matter.Joined{},
		matter.Ticked{}, matter.Linked{}, matter.Done{}, matter.Set{}, matter.Facts{}, matter.Kept{}, register.Change{}, journal.Entry{}} {
		typ := reflect.TypeOf(c)
		for i := range typ.NumField() {
			member, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(page, "`"+member+"`") && member != "op" {
				t.Errorf("%v.%s is not explained", typ, member)
			}
		}
	}
}
