package access

import (
	"testing"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

func TestWhoHadAHandInspectsNothingOfIt(t *testing.T) {
	k := &pack.Kind{ID: "inspection", Inspects: &pack.Inspects{}, Actions: []pack.Action{{ID: "inspect", By: []string{"inspector"}}}}
	f := Facts{Body: city, Desk: "inspector", DeskBody: city, Above: []ref.BodyID{city, nation}}
	v := Viewer{Account: 5, Grants: []Grant{grant("inspector", city, SeesDesk)}}
	for _, tt := range []struct {
		name string
		did  []Did
		want bool
	}{
		{"nobody did anything", nil, true},
		{"somebody else did", []Did{{Kind: "report", Action: "screen", Account: 6, Before: true}}, true},
		{"on the inspection itself", []Did{{Kind: "inspection", Action: "extend", Account: 5}}, true},
		{"on the matter inspected", []Did{{Kind: "report", Action: "note", Account: 5, Before: true}}, false},
		{"on an inspection that is inspected", []Did{{Kind: "inspection", Action: "inspect", Account: 5, Before: true}}, false},
	} {
		_, err := MayAct(v, k, &k.Actions[0], f, tt.did)
		if (err == nil) != tt.want || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestMayDraw(t *testing.T) {
	draws := Viewer{Account: 5, Grants: []Grant{{Duty: "supervisor", Body: city, Sees: SeesSubtree, Draws: true}}}
	for _, tt := range []struct {
		name  string
		v     Viewer
		above []ref.BodyID
		want  bool
	}{
		{"the own body", draws, []ref.BodyID{city, nation}, true},
		{"the body above", draws, []ref.BodyID{nation}, false},
		{"no body: everything", draws, nil, false},
		{"a duty that does not draw", Viewer{Account: 5, Grants: []Grant{grant("intake", city, SeesDesk)}}, []ref.BodyID{city}, false},
		{"a grant at no body", Viewer{Account: 5, Grants: []Grant{{Duty: "supervisor", Draws: true}}}, []ref.BodyID{0, city}, false},
	} {
		if _, got := MayDraw(tt.v, tt.above); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
