package access

import (
	"testing"

	"plumbline/internal/ref"
)

func TestExactFiguresAreForThoseWhoSupervise(t *testing.T) {
	grant := func(sees string, body ref.BodyID) Viewer {
		return Viewer{Account: 1, Grants: []Grant{{Duty: "d", Body: body, Sees: sees}}}
	}
	above := []ref.BodyID{3, 2, 1} // body 3 below 2 below 1
	for _, tt := range []struct {
		name   string
		v      Viewer
		three  bool
		allOf1 bool
	}{
		{"the public", Viewer{}, false, false},
		{"a supervisor of the body", grant(SeesSubtree, 3), true, false},
		{"a supervisor of the top", grant(SeesSubtree, 1), true, true},
		{"a supervisor of another body", grant(SeesSubtree, 4), false, false},
		{"a desk at the body", grant(SeesDesk, 3), false, false},
		{"an administrator", Viewer{Account: 1, Grants: []Grant{{Duty: "d", Body: 1, Sees: SeesNone, Admin: true}}}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := SeesFigures(tt.v, above); got != tt.three {
				t.Errorf("the body: %v", got)
			}
			if got := SeesAllFigures(tt.v, []ref.BodyID{1}); got != tt.allOf1 {
				t.Errorf("everything: %v", got)
			}
			if SeesAllFigures(tt.v, []ref.BodyID{1, 9}) {
				t.Error("everything, where there is a second top")
			}
		})
	}
	if SeesAllFigures(grant(SeesSubtree, 1), nil) {
		t.Error("where there is no body, nobody supervises everything")
	}
}
