package matter_test

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// variant is the generic pack with some of its words exchanged: old, new, old, new … It is loaded without the check of
// fairness, as if that had been fooled.
func variant(t *testing.T, words ...string) *pack.Pack {
	t.Helper()
	p, err := generic()
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	done := map[string]bool{}
	for name, content := range p.Files {
		text := string(content)
		for i := 0; i < len(words); i += 2 {
			if strings.Contains(text, words[i]) {
				text, done[words[i]] = strings.Replace(text, words[i], words[i+1], 1), true
			}
		}
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for i := 0; i < len(words); i += 2 {
		if !done[words[i]] {
			t.Fatalf("the generic pack does not say %q any more", words[i])
		}
	}
	out, err := pack.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// under makes a town run under another pack.
func (w *town) under(p *pack.Pack) *town {
	w.pack = p
	w.engine = matter.New(w.db, rules{p}, func() time.Time { return w.now }, vault.New(w.db, vault.NewOfficeKey(), time.Now))
	return w
}

// The rules of fairness do not rest on the check alone: a pack that would break them is stopped at the step itself.
func TestAnUnfairPackIsStoppedAtTheStepItself(t *testing.T) {
	const (
		decideFrom  = "        from: [heard]\n        by: [decider]\n        not_by: [case.find, report.conclude, self-report.conclude]\n        to: decided"
		executeFrom = "        from: [executing]\n        by: [personnel]"
		overBy      = "        from: [responding]\n        by: [system]\n        to: heard"
		confirmBy   = "        from: [found]\n        by: [reviewer]\n        not_by: [find]\n        when: allegations.exists"
	)
	serve := func(w *town, p matter.State) {
		w.do("dan", p.Matter.ID, "serve", matter.Values{"notice": "You are told.", "served_on": "2026-03-02"})
	}
	disclose := func(w *town, p matter.State) {
		serve(w, p)
		w.do("dan", p.Matter.ID, "disclose", matter.Values{"shown": "The recording."})
	}
	decide := matter.Values{"outcome": "warning", "reasons": "…"}
	for _, tt := range []struct {
		name   string
		words  []string
		before func(w *town, p matter.State)
		who    string
		action string
		values matter.Values
		kind   fault.Kind
		key    string
	}{
		{"F8: decided before anybody was told", []string{decideFrom, strings.Replace(decideFrom, "[heard]", "[opened]", 1)},
			func(*town, matter.State) {}, "dan", "decide", decide, fault.Conflict, "fair.F8"},
		{"F8: decided before the evidence was shown", []string{decideFrom, strings.Replace(decideFrom, "[heard]", "[noticed]", 1)},
			serve, "dan", "decide", decide, fault.Conflict, "fair.F8"},
		{"F8: decided while the time to respond runs", []string{decideFrom, strings.Replace(decideFrom, "[heard]", "[responding]", 1)},
			disclose, "dan", "decide", decide, fault.Conflict, "fair.F8"},
		{"F8: the time to respond cut short", []string{overBy, strings.Replace(overBy, "[system]", "[decider]", 1),
			", then: response-over", ""},
			disclose, "dan", "response-over", nil, fault.Conflict, "fair.period"},
		{"F9: decided by whoever investigated", []string{decideFrom, strings.Replace(decideFrom, "        not_by: [case.find, report.conclude, self-report.conclude]\n", "", 1),
			"excludes: [reviewer, decider, appeals, custodian, inspector]", "excludes: []"},
			func(w *town, p matter.State) {
				disclose(w, p)
				w.do("dan", p.Matter.ID, "respond", matter.Values{"response": "I was afraid."})
			}, "ivo, decider too", "decide", decide, fault.Forbidden, "fair.F9"},
		{"F10: carried out while it can be appealed", []string{executeFrom, strings.Replace(executeFrom, "[executing]", "[decided]", 1)},
			func(w *town, p matter.State) {
				disclose(w, p)
				w.do("dan", p.Matter.ID, "respond", matter.Values{"response": "I was afraid."})
				w.do("dan", p.Matter.ID, "decide", decide)
			}, "abe", "execute", matter.Values{"executed_on": "2026-03-02"}, fault.Conflict, "fair.F10"},
		{"F10: carried out though nothing was decided", []string{executeFrom, strings.Replace(executeFrom, "[executing]", "[opened]", 1)},
			func(*town, matter.State) {}, "abe, supervisor too", "execute", matter.Values{"executed_on": "2026-03-02"}, fault.Conflict, "fair.F10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			people["ivo, decider too"] = person(2, 0, "investigator", office, "decider", office)
			people["abe, supervisor too"] = person(5, 0, "personnel", office, "supervisor", office)
			defer delete(people, "ivo, decider too")
			defer delete(people, "abe, supervisor too")
			w := newTown(t, world.SQLite(t)).under(variant(t, tt.words...))
			_, proceedings := w.aCase()
			tt.before(w, proceedings[0])
			_, err := w.try(tt.who, proceedings[0].Matter.ID, 0, tt.action, tt.values)
			f := wantFault(t, err, tt.kind, tt.key)
			if !strings.HasPrefix(tt.name, f.Args["rule"].(string)) {
				t.Errorf("the refusal cites %v", f.Args["rule"])
			}
			w.verify()
		})
	}
	t.Run("F9: confirmed by whoever made the findings", func(t *testing.T) {
		w := newTown(t, world.SQLite(t)).under(variant(t, confirmBy, strings.Replace(confirmBy, "        not_by: [find]\n", "", 1),
			"excludes: [reviewer, decider, appeals, custodian, inspector]", "excludes: []"))
		r, _ := w.report()
		w.do("ina", r.Matter.ID, "screen", matter.Values{"severity": "high"})
		w.do("ina", r.Matter.ID, "verify", matter.Values{"lead": "2"})
		w.do("ivo", r.Matter.ID, "conclude", matter.Values{"conclusion": "grounds", "reasons": "…"})
		c := opened(w.do("rita", r.Matter.ID, "open-case", matter.Values{"answer": "…"}))
		w.do("rita", c, "assign", matter.Values{"lead": "2"})
		w.do("ivo", c, "find", matter.Values{"findings": map[string]string{"1": "sustained"}, "reasons": "…"})
		people["ivo, reviewer too"] = person(2, 0, "investigator", office, "reviewer", office)
		defer delete(people, "ivo, reviewer too")
		_, err := w.try("ivo, reviewer too", c, 0, "confirm", nil)
		wantFault(t, err, fault.Forbidden, "fair.F9")
	})
	t.Run("F9 cannot be waived, F8 can", func(t *testing.T) {
		const waive = "\nwaive:\n  - {rule: F8, because: {en: Because of a law., zh-Hans: 依法。}}\nletters:"
		w := newTown(t, world.SQLite(t)).under(variant(t, decideFrom, strings.Replace(decideFrom, "[heard]", "[opened]", 1), "\nletters:", waive))
		_, proceedings := w.aCase()
		if s := w.do("dan", proceedings[0].Matter.ID, "decide", decide); s.Matter.State != "decided" {
			t.Errorf("state %s", s.Matter.State)
		}
	})
}

// A report handed to another body of the system goes there, and comes back by itself when it is not taken up, or is sent
// back; once taken up, it stays (F6).
func TestATransferIsTakenUpOrComesBack(t *testing.T) {
	pk := variant(t,
		"{id: authority, type: text,", "{id: authority, type: body,",
		"        from: [referred]\n        by: [authority]\n        recorded_by: [intake]\n        to: transferred\n", "        from: [referred]\n        by: [intake]\n        to: screened\n",
		"        from: [referred]\n        by: [authority]\n        recorded_by: [intake]\n        to: received\n", "        from: [referred]\n        by: [intake]\n        to: received\n        effects: [return]\n")
	world.Each(t, func(t *testing.T, db *store.DB) {
		w := newTown(t, db).under(pk)
		to := matter.Values{"authority": "region", "reasons": "They are competent."}
		for _, tt := range []struct {
			name string
			then func(s matter.State) matter.State
			want standing
		}{
			{"sent back", func(s matter.State) matter.State { return w.do("nora", s.Matter.ID, "refused", nil) }, standing{"received", "office"}},
			{"taken up", func(s matter.State) matter.State { return w.do("nora", s.Matter.ID, "taken-over", nil) }, standing{"screened", "region"}},
			{"nobody answers", func(s matter.State) matter.State {
				w.now = w.now.AddDate(0, 0, 16)
				if _, err := w.engine.RunClocks(t.Context()); err != nil {
					t.Fatal(err)
				}
				return w.load(s.Matter.ID)
			}, standing{"received", "office"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, _ := w.report()
				s := w.do("ina", r.Matter.ID, "transfer", to)
				if s.Matter.State != "referred" || s.Matter.Body != region || s.Matter.DeskBody != region {
					t.Fatalf("after the transfer: %s at %d", s.Matter.State, s.Matter.Body)
				}
				if string(s.Matter.Channel) != string(r.Matter.Channel) {
					t.Error("the reporter's channel is gone")
				}
				s = tt.then(s)
				at := map[string]int64{"office": int64(office), "region": int64(region)}[tt.want.body]
				if s.Matter.State != tt.want.state || int64(s.Matter.Body) != at || int64(s.Matter.DeskBody) != at {
					t.Errorf("it is %s at %d, want %s at %s", s.Matter.State, s.Matter.Body, tt.want.state, tt.want.body)
				}
				if strings.Contains(s.Matter.Data, matter.FieldCameFrom) {
					t.Error("it still remembers where it came from")
				}
			})
		}
		r, _ := w.report()
		for name, code := range map[string]string{"field.same-body": "office", "field.body-concerned": "police", "field.no-body": "atlantis"} {
			_, err := w.try("ina", r.Matter.ID, 0, "transfer", matter.Values{"authority": code, "reasons": "…"})
			if f := wantFault(t, err, fault.Invalid, "fault.invalid"); f.Fields[0].Key != name {
				t.Errorf("to %s: %v", code, f)
			}
		}
		w.verify()
	})
}

type standing struct{ state, body string }

// Where a state's desk sits at the body above, it is the nearest one with somebody in that duty, never the one concerned.
func TestADeskAboveIsTheNearestWithSomebodyInIt(t *testing.T) {
	pk := variant(t, "      - id: verified\n", "      - id: verified\n        of: superior\n")
	w := newTown(t, world.SQLite(t)).under(pk)
	r, _ := w.report()
	w.do("ina", r.Matter.ID, "screen", matter.Values{"severity": "high"})
	w.do("ina", r.Matter.ID, "verify", matter.Values{"lead": "2"})
	conclude := matter.Values{"conclusion": "unclear", "reasons": "…"}
	if s := w.do("ivo", r.Matter.ID, "conclude", conclude); s.Matter.DeskBody != region || s.Matter.Body != office {
		t.Errorf("nobody above is a reviewer: desk at %d, want the body directly above", s.Matter.DeskBody)
	}
	w.exec(`INSERT INTO account (id, login, name, lang, official, active, n) VALUES (50, 'x', 'X', 'en', 0, 1, 1)`)
	w.exec(`INSERT INTO grant_duty (account, duty, body, valid_from, valid_to, n) VALUES (50, 'reviewer', 2, '2020-01-01', '', 2)`)
	r, _ = w.report()
	w.do("ina", r.Matter.ID, "screen", matter.Values{"severity": "high"})
	w.do("ina", r.Matter.ID, "verify", matter.Values{"lead": "2"})
	if s := w.do("ivo", r.Matter.ID, "conclude", conclude); s.Matter.DeskBody != national {
		t.Errorf("desk at %d, want the national office, where somebody reviews", s.Matter.DeskBody)
	}
}

// Somebody above who commands the very office that would handle a report about them does not get it, nor does that office.
func TestNobodyGetsAReportAboutTheirOwnChainOfCommand(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	w.exec(`UPDATE post SET body = 3 WHERE official = 103`) // vale now heads the regional office, above the town's
	s, err := w.file(ref.NewReceiptCode(), matter.Values{"body": "region", "story": "…", "official": matter.OfficialValue{ID: vale}})
	if err != nil {
		t.Fatal(err)
	}
	if s.Matter.Body != national {
		t.Errorf("it lies with body %d, want the national office", s.Matter.Body)
	}
}

// An answer given in a branch that is no longer taken asks nothing more, and what was answered behind it is not recorded.
func TestABranchThatIsNotTakenAsksNothing(t *testing.T) {
	p := variant(t, "再与对方联系。}\n      - id: manner\n", "再与对方联系。}\n      - id: manner\n        when: f.affected_agrees == 'agrees'\n")
	w := newTown(t, world.SQLite(t)).under(p)
	for relation, want := range map[string]any{"behalf": "anonymous", "witness": nil} {
		s, err := w.file(ref.NewReceiptCode(), matter.Values{"body": "police", "story": "zebra", "relation": relation, "affected_agrees": "agrees", "manner": "anonymous"})
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Matter.Values()
		if err != nil {
			t.Fatal(err)
		}
		if data["manner"] != want {
			t.Errorf("%s: manner is %v, want %v", relation, data["manner"], want)
		}
	}
}
