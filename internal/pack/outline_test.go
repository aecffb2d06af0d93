package pack

import (
	"strings"
	"testing"
)

func TestTheUsualWayOfTheGenericPack(t *testing.T) {
	p, err := Bundled("generic")
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[string]string{
		"report":     "received screened verifying verified closed",
		"case":       "opened investigating found proceedings closed",
		"proceeding": "opened noticed responding heard decided executing done",
	} {
		var got []string
		for _, s := range p.Outline(p.Kind(kind)).Steps {
			if s.Main {
				got = append(got, s.State.ID)
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("the usual way of a %s is %q, want %q", kind, g, want)
		}
	}
}
