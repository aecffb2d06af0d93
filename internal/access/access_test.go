package access

import (
	"errors"
	"slices"
	"testing"

	"plumbline/internal/fault"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
)

// The little world of these tests: a nation (1) over a city (2) over a precinct (3); another city (4) beside.
const (
	nation   ref.BodyID = 1
	city     ref.BodyID = 2
	precinct ref.BodyID = 3
	other    ref.BodyID = 4
)

func grant(duty string, body ref.BodyID, sees string) Grant {
	return Grant{Duty: duty, Body: body, Sees: sees}
}

// atCity is a matter that lies with intake of the city and is about the precinct.
func atCity() Facts {
	return Facts{
		ID: 9, Body: city, Desk: "intake", DeskBody: city, Concerned: precinct, DeskParent: nation,
		Above: []ref.BodyID{city, nation}, ConcernedAbove: []ref.BodyID{precinct, city, nation},
	}
}

func TestCanSee(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    Viewer
		with func(*Facts)
		want bool
	}{
		{"nobody in particular", Viewer{Account: 5}, nil, false},
		{"the desk it is with", Viewer{Account: 5, Grants: []Grant{grant("intake", city, SeesDesk)}}, nil, true},
		{"another desk of the same body", Viewer{Account: 5, Grants: []Grant{grant("investigator", city, SeesDesk)}}, nil, false},
		{"the same desk of another body", Viewer{Account: 5, Grants: []Grant{grant("intake", other, SeesDesk)}}, nil, false},
		{"assigned to it", Viewer{Account: 5, Grants: []Grant{grant("investigator", city, SeesDesk)}}, func(f *Facts) { f.Assigned = []ref.AccountID{5} }, true},
		{"acted on it before", Viewer{Account: 5, Grants: []Grant{grant("investigator", city, SeesDesk)}}, func(f *Facts) { f.Acted = []ref.AccountID{5} }, true},
		{"acted on it, but holds no duty any more", Viewer{Account: 5}, func(f *Facts) { f.Acted = []ref.AccountID{5} }, false},
		{"a supervisor of the body it lies with", Viewer{Account: 5, Grants: []Grant{grant("supervisor", nation, SeesSubtree)}}, nil, true},
		{"a supervisor of the body it is about", Viewer{Account: 5, Grants: []Grant{grant("supervisor", precinct, SeesSubtree)}}, nil, true},
		{"a supervisor elsewhere", Viewer{Account: 5, Grants: []Grant{grant("supervisor", other, SeesSubtree)}}, nil, false},
		{"the level above while it is in time", Viewer{Account: 5, Grants: []Grant{grant("reviewer", nation, SeesDesk)}}, nil, false},
		{"the level above when it is overdue", Viewer{Account: 5, Grants: []Grant{grant("reviewer", nation, SeesDesk)}}, func(f *Facts) { f.Overdue = true }, true},
		{"an administrator, by that alone", Viewer{Account: 5, Grants: []Grant{{Duty: "admin", Body: city, Sees: SeesNone, Admin: true}}}, func(f *Facts) { f.Overdue = true; f.Assigned = []ref.AccountID{5} }, false},
		{"a supervisor named in it", Viewer{Account: 5, Official: 77, Grants: []Grant{grant("supervisor", nation, SeesSubtree)}}, func(f *Facts) { f.Named = []ref.OfficialID{76, 77} }, false},
		{"somebody named under a merged entry", Viewer{Account: 5, Official: 77, Also: []ref.OfficialID{78}, Grants: []Grant{grant("intake", city, SeesDesk)}}, func(f *Facts) { f.Named = []ref.OfficialID{78} }, false},
		{"named and assigned", Viewer{Account: 5, Official: 77, Grants: []Grant{grant("intake", city, SeesDesk)}}, func(f *Facts) { f.Named = []ref.OfficialID{77}; f.Assigned = []ref.AccountID{5} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := atCity()
			if tt.with != nil {
				tt.with(&f)
			}
			if got := CanSee(tt.v, f); got != tt.want {
				t.Errorf("CanSee = %v, want %v", got, tt.want)
			}
		})
	}
}

func kind() *pack.Kind {
	return &pack.Kind{
		ID: "report", OpenBy: []string{"intake"},
		Actions: []pack.Action{
			{ID: "screen", By: []string{"intake"}},
			{ID: "conclude", By: []string{"investigator"}, Effects: []pack.Effect{{Name: "conclude"}}},
			{ID: "confirm", By: []string{"reviewer"}, Of: pack.OfSuperior, NotBy: []string{"conclude", "case.find"}},
			{ID: "advise", By: []string{"lawyer"}, Of: pack.OfOther},
			{ID: "identify", By: []string{"custodian"}, Effects: []pack.Effect{{Name: "identify-reporter"}}},
			{ID: "court", By: []string{"court"}, Of: pack.OfOutside, RecordedBy: []string{"clerk"}, Effects: []pack.Effect{{Name: "appeal-decide"}}},
		},
	}
}

func TestMayAct(t *testing.T) {
	k := kind()
	action := func(id string) *pack.Action {
		for i := range k.Actions {
			if k.Actions[i].ID == id {
				return &k.Actions[i]
			}
		}
		t.Fatalf("no action %s", id)
		return nil
	}
	watch := grant("watch", nation, SeesSubtree) // sees everything here, acts on nothing
	for _, tt := range []struct {
		name   string
		action string
		grants []Grant
		did    []Did
		with   func(*Facts)
		want   string // body of the grant under which it may be done, or the key of the refusal
	}{
		{"the desk's own duty", "screen", []Grant{grant("intake", city, SeesDesk)}, nil, nil, "2"},
		{"without the duty", "screen", []Grant{watch}, nil, nil, "access.duty"},
		{"with the duty elsewhere", "screen", []Grant{watch, grant("intake", other, SeesDesk)}, nil, nil, "access.elsewhere"},
		{"without sight of the matter", "screen", []Grant{grant("intake", other, SeesDesk)}, nil, nil, "access.not-found"},
		{"the reviewer above", "confirm", []Grant{watch, grant("reviewer", nation, SeesDesk)}, nil, nil, "1"},
		{"the reviewer of the same body, while one is above", "confirm", []Grant{watch, grant("reviewer", city, SeesDesk)}, nil, nil, "access.elsewhere"},
		{"whoever concluded cannot confirm", "confirm", []Grant{watch, grant("reviewer", nation, SeesDesk)}, []Did{{Kind: "report", Action: "conclude", Account: 5}}, nil, "access.did"},
		{"somebody else concluded", "confirm", []Grant{watch, grant("reviewer", nation, SeesDesk)}, []Did{{Kind: "report", Action: "conclude", Account: 6}}, nil, "1"},
		{"whoever found on the case this came from", "confirm", []Grant{watch, grant("reviewer", nation, SeesDesk)}, []Did{{Kind: "case", Action: "find", Account: 5}}, nil, "access.did"},
		{"a step of the same name of another kind", "confirm", []Grant{watch, grant("reviewer", nation, SeesDesk)}, []Did{{Kind: "case", Action: "conclude", Account: 5}}, nil, "1"},
		{"nothing above: the same body reviews", "confirm", []Grant{grant("reviewer", city, SeesSubtree)}, nil, func(f *Facts) { f.Above = []ref.BodyID{city} }, "2"},
		{"nothing above: not who worked on it under another duty", "confirm", []Grant{grant("reviewer", city, SeesSubtree)}, []Did{{Kind: "report", Action: "screen", Account: 5, Duty: "intake"}}, func(f *Facts) { f.Above = []ref.BodyID{city} }, "access.same-person"},
		{"nothing above: a reviewer who sent it back may review again", "confirm", []Grant{grant("reviewer", city, SeesSubtree)}, []Did{{Kind: "report", Action: "return", Account: 5, Duty: "reviewer"}}, func(f *Facts) { f.Above = []ref.BodyID{city} }, "2"},
		{"no such desk above: the desk it was laid on", "confirm", []Grant{grant("reviewer", city, SeesDesk)}, nil, func(f *Facts) { f.Desk = "reviewer" }, "2"},
		{"other: any body above", "advise", []Grant{watch, grant("lawyer", nation, SeesDesk)}, nil, nil, "1"},
		{"other: not beside", "advise", []Grant{watch, grant("lawyer", other, SeesDesk)}, nil, nil, "access.elsewhere"},
		{"outside: who records", "court", []Grant{watch, grant("clerk", city, SeesDesk)}, nil, nil, "2"},
		{"outside: the duty of the outside body is held by nobody here", "court", []Grant{watch, grant("court", city, SeesDesk)}, nil, nil, "access.duty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := atCity()
			if tt.with != nil {
				tt.with(&f)
			}
			g, err := MayAct(Viewer{Account: 5, Grants: tt.grants}, k, action(tt.action), f, tt.did)
			got := g.Body.String()
			var e *fault.Error
			if errors.As(err, &e) {
				got = e.Key
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if e != nil && e.Kind == fault.Forbidden && len(e.Args["duties"].([]string)) == 0 {
				t.Error("a refusal has to say who may")
			}
		})
	}
}

func TestNamedPersonNeverActs(t *testing.T) {
	k := kind()
	f := atCity()
	f.Named = []ref.OfficialID{77}
	v := Viewer{Account: 5, Official: 77, Grants: []Grant{grant("intake", city, SeesSubtree), {Duty: "custodian", Body: city, Sees: SeesSubtree, Custodian: true}}}
	if _, err := MayAct(v, k, &k.Actions[0], f, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("acting: %v, want not found", err)
	}
	for _, c := range []string{File, Reporter, Identity, Respondent} {
		if err := MayOpen(v, k, f, c); !fault.Is(err, fault.NotFound) {
			t.Errorf("opening %s: %v, want not found", c, err)
		}
	}
}

func TestMayOpen(t *testing.T) {
	watch := grant("watch", nation, SeesSubtree)
	for _, tt := range []struct {
		name     string
		grants   []Grant
		assigned bool
		opens    []string
	}{
		{"the desk it is with", []Grant{grant("intake", city, SeesDesk)}, false, []string{File, Reporter, Respondent}},
		{"an overseer without a part in the procedure", []Grant{watch}, false, nil},
		{"an acting duty that sees it but has no part in it now", []Grant{grant("investigator", city, SeesSubtree)}, false, []string{File}},
		{"the investigator assigned", []Grant{grant("investigator", city, SeesDesk)}, true, []string{File, Reporter, Respondent}},
		{"the appeal's clerk", []Grant{grant("clerk", city, SeesSubtree)}, false, []string{File, Respondent}},
		{"the custodian", []Grant{{Duty: "custodian", Body: city, Sees: SeesSubtree, Custodian: true}}, false, []string{Identity}},
		{"a custodian elsewhere", []Grant{watch, {Duty: "custodian", Body: other, Sees: SeesSubtree, Custodian: true}}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := atCity()
			if tt.assigned {
				f.Assigned = []ref.AccountID{5}
			}
			for _, c := range []string{File, Reporter, Identity, Respondent, "no such compartment"} {
				err := MayOpen(Viewer{Account: 5, Grants: tt.grants}, kind(), f, c)
				if got, want := err == nil, slices.Contains(tt.opens, c); got != want {
					t.Errorf("opens %s: %v, want %v", c, got, want)
				}
			}
		})
	}
}

func TestMayAssign(t *testing.T) {
	for _, tt := range []struct {
		name   string
		grants []Grant
		with   func(*Facts)
		want   bool
	}{
		{"somebody of the desk", []Grant{grant("intake", city, SeesDesk)}, nil, true},
		{"who acts in the procedure and oversees the body", []Grant{grant("clerk", nation, SeesSubtree)}, nil, true},
		{"who only oversees", []Grant{grant("watch", nation, SeesSubtree)}, nil, false},
		{"whoever worked on it before", []Grant{grant("investigator", city, SeesDesk)}, func(f *Facts) { f.Acted = []ref.AccountID{5} }, false},
		{"who opens identities", []Grant{{Duty: "custodian", Body: city, Sees: SeesSubtree, Custodian: true}}, nil, false},
	} {
		f := atCity()
		if tt.with != nil {
			tt.with(&f)
		}
		if err := MayAssign(Viewer{Account: 5, Grants: tt.grants}, kind(), f); (err == nil) != tt.want {
			t.Errorf("%s: %v, want allowed %v", tt.name, err, tt.want)
		}
	}
}

func TestMayAdmin(t *testing.T) {
	admin := Viewer{Account: 5, Grants: []Grant{{Duty: "admin", Body: city, Sees: SeesNone, Admin: true}}}
	for _, tt := range []struct {
		name  string
		above []ref.BodyID
		want  bool
	}{
		{"its own body", []ref.BodyID{city, nation}, true},
		{"a body below", []ref.BodyID{precinct, city, nation}, true},
		{"the body above", []ref.BodyID{nation}, false},
		{"a body beside", []ref.BodyID{other, nation}, false},
	} {
		if got := MayAdmin(admin, tt.above); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
