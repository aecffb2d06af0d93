package web_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// sent is a report that a stranger filed, with what its page gave them.
type sent struct {
	v         *journey.Visitor
	reference string
	code      url.Values // what a form of the page carries
}

// filed sends a report of a kind about Mill Street, as its form would after the last question.
func filed(t *testing.T, o *journey.Office, kind string, fill ...string) sent {
	t.Helper()
	s := sent{v: o.Stranger()}
	action, values := s.v.Get("/report/" + kind).Is(http.StatusOK).Form()
	for name, value := range map[string]string{"_at": "check", "_to": "send", "body": "mill-street", "story": "He kept the money from the drawer."} {
		values.Set(name, value)
	}
	for i := 0; i+1 < len(fill); i += 2 {
		values.Set(fill[i], fill[i+1])
	}
	page := s.v.Post(action, values).Is(http.StatusOK).Sees("Your report is recorded", "Proof that it was recorded")
	s.reference = referenceRx.FindString(page.Text())
	_, code := page.Form()
	s.code = url.Values{"_code": {code.Get("_code")}}
	return s
}

func (s sent) opens(t *testing.T) *journey.Page {
	t.Helper()
	return s.v.Post("/follow", url.Values{"code": s.code["_code"]}).Is(http.StatusOK).Sees(s.reference)
}

// proven reads a receipt off a download and checks it as a stranger would.
func proven(t *testing.T, page *journey.Page, trust verify.Trust) verify.Proven {
	t.Helper()
	page.Is(http.StatusOK)
	if d := page.Header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") {
		t.Errorf("the receipt is shown and not saved: %q", d)
	}
	r, err := verify.ParseReceipt([]byte(page.Body))
	if err != nil {
		t.Fatalf("%v in\n%s", err, page.Body)
	}
	p, err := r.Check(trust)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// answers are what a receipt shows of what its entry sealed in a compartment, field by field.
func answers(t *testing.T, p verify.Proven, compartment string) map[string]string {
	t.Helper()
	out := map[string]string{}
	fields, err := verify.Fields(p.Entry.Said[compartment])
	if err != nil {
		t.Errorf("nothing is said in %s: %q (%v)", compartment, p.Entry.Said, err)
	}
	for _, f := range fields {
		var s string
		if json.Unmarshal(f.Value, &s) != nil {
			s = string(f.Value)
		}
		out[f.Name] = s
	}
	return out
}

func missed(p verify.Proven) (out []string) {
	for _, m := range p.Missed {
		out = append(out, m.Clock)
	}
	return out
}

func TestAReportHasItsProofInTwoSeconds(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)

		// Before there is a log the page says so, and asks again without scripts.
		early := filed(t, o, "report")
		early.v.Post("/receipt/proof", early.code).Is(http.StatusServiceUnavailable).Sees("The proof is not ready yet", "Try again")

		trust := o.StartLog()
		r := filed(t, o, "report")
		begun := time.Now()
		page := r.v.Post("/receipt/proof", r.code).Is(http.StatusOK).Sees(r.reference, "position", "Fingerprint", "Your report was recorded", "check a proof in the browser")
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the proof took %v", took)
		}
		if !strings.Contains(page.Body, `href="/verify"`) || !strings.Contains(page.Body, "<svg") {
			t.Error("no way to check it, or no picture")
		}
		page.SeesNot("He kept the money")

		before := o.Entries()
		p := proven(t, r.v.Post("/receipt/proof/file", r.code), trust)
		st := o.MatterOf(r.reference)
		if p.Origin != journey.Origin || p.Entry.Step.Stream != st.Matter.ID.Stream() || p.Entry.Step.N != 1 || p.Entry.Whole != nil || len(p.Further) != 0 {
			t.Errorf("proven is %+v", p)
		}
		if o.Entries() != before {
			t.Error("looking at a receipt changed something")
		}

		// With what was written, for whoever must prove that.
		with := url.Values{"_code": r.code["_code"], "words": {"yes"}}
		p = proven(t, r.v.Post("/receipt/proof/file", with), trust)
		if got := answers(t, p, access.File)["story"]; got != "He kept the money from the drawer." || len(p.Entry.Closed) != 0 {
			t.Errorf("the words were asked for, and are not there: %q, closed %q", p.Entry.Said, p.Entry.Closed)
		}
		if strings.Contains(string(p.Entry.Whole), "He kept the money") {
			t.Error("the entry itself holds the words in the clear")
		}

		// No code, no receipt; and no entry that is not one's own.
		r.v.Post("/receipt/proof", url.Values{"_code": {"AAAAAAA-AAAAAAA-AAAAAAA"}}).Is(http.StatusUnprocessableEntity)
		r.v.Post("/receipt/proof", url.Values{"_code": r.code["_code"], "n": {"99"}}).Is(http.StatusNotFound)
		o.Stranger().Get("/follow/proof").SeesNot(r.reference)
	})
}

func TestAMessageAndASilenceAreProven(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		trust := o.StartLog()
		r := filed(t, o, "report")
		r.opens(t)

		page := r.v.Fill("/follow/act/message", "message", "It was a Tuesday.").Is(http.StatusOK).Sees("It was a Tuesday.", "its proof stands beside it")
		if !slices.Contains(page.Links(), "/follow/proof?n=2") {
			t.Fatalf("the message has no proof among %v", page.Links())
		}
		r.v.Get("/follow/proof?n=2").Is(http.StatusOK).Sees("Proof that your message was recorded", "Proofs of what else you sent").SeesNot("Tuesday")
		p := proven(t, r.v.Get("/follow/proof/file?n=2"), trust)
		if with := proven(t, r.v.Get("/follow/proof/file?n=2&words=yes"), trust); answers(t, with, access.Reporter)["message"] != "It was a Tuesday." {
			t.Errorf("the message was asked for, and is not there: %q", with.Entry.Said)
		}
		if p.Entry.Step.N != 2 || p.Entry.Step.Action != "message" || p.Entry.Said != nil || len(p.Further) != 1 || p.Further[0].Step.N != 1 || len(p.Missed) != 0 {
			t.Errorf("proven is %+v", p)
		}

		// Nobody does anything. The receipt that is fetched later proves just that.
		o.Advance(9 * 24 * time.Hour)
		r.opens(t)
		r.v.Get("/follow/proof").Is(http.StatusOK).Sees("A time limit ran out: Screen", "Acknowledge", "none is missing")
		p = proven(t, r.v.Get("/follow/proof/file"), trust)
		if got := missed(p); !slices.Contains(got, "screening") || !slices.Contains(got, "acknowledge") || len(p.Gaps) != 0 {
			t.Errorf("missed %v, gaps %v", got, p.Gaps)
		}

		// What the office does within is its own; that something was recorded stands there all the same.
		intake := o.As("intake officer")
		intake.Fill(at(r.reference, "note"), "text", "Ask at the station.").Is(http.StatusOK)
		r.opens(t)
		r.v.Get("/follow/proof").Is(http.StatusOK).Sees("A step that is not shown here", "1 step is proven but not opened").SeesNot("Ask at the station")
		p = proven(t, r.v.Get("/follow/proof/file"), trust)
		closed := 0
		for _, f := range p.Further {
			if f.Step == nil {
				closed++
			}
		}
		if closed != 1 {
			t.Errorf("%d steps are closed in %+v", closed, p.Further)
		}

		r.v.In("zh-Hans").Get("/follow/proof").Is(http.StatusOK).Sees("您的举报已被记录的存证证明", "一项时限已逾期")
		if missing := o.Book.Missing(); len(missing) > 0 {
			t.Errorf("no words for %v", missing)
		}
	})
}

// The salt of a file is given away on purpose or not at all: no receipt holds it, also not with what was written.
func TestTheProofOfAFileKeepsItsSalt(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	trust := o.StartLog()
	r := filed(t, o, "report")
	r.opens(t)
	r.v.Attach("/follow/files", journey.File{Name: "gate.txt", Data: []byte("The gate was open.")}).Is(http.StatusOK)
	r.v.Get("/follow/proof?n=2").Is(http.StatusOK).Sees("Save the receipt of this file", "its salt stay closed")
	p := proven(t, r.v.Get("/follow/proof/file?n=2&words=yes"), trust)
	if p.Entry.Step.Action != "attach" || p.Entry.Said != nil || !slices.Equal(p.Entry.Closed, []string{access.File, access.Reporter}) {
		t.Errorf("the receipt of a file shows %q, closed %q, of %+v", p.Entry.Said, p.Entry.Closed, p.Entry.Step)
	}
	if whole := string(p.Entry.Whole); !strings.Contains(whole, `"commitment"`) || strings.Contains(whole, "gate.txt") {
		t.Errorf("the entry is %s", whole)
	}
}

func TestADecisionHasItsProof(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	trust := o.StartLog()
	intake := o.As("intake officer")
	reference := taken(t, intake, "name", "Ada Reporter")
	last := func() string { return strconv.FormatInt(o.MatterOf(reference).Matter.N, 10) }
	done := intake.Fill(at(reference, "act", "decline"), "reason_code", "no-conduct", "reasons", "It asks for another ruling.").Is(http.StatusOK)
	if !slices.Contains(done.Links(), at(reference, "proof", last())) {
		t.Errorf("no proof of the step among %v", done.Links())
	}
	reviewer := o.As("reviewer")
	reviewer.Fill(at(reference, "act", "uphold"), "answer", "A court can change it, we cannot.").Is(http.StatusOK)
	n := last()
	timeline := reviewer.Get(at(reference, "timeline")).Is(http.StatusOK)
	if !slices.Contains(timeline.Links(), at(reference, "proof", n)) {
		t.Errorf("no proof of the decision among %v", timeline.Links())
	}
	reviewer.Get(at(reference, "proof", n)).Is(http.StatusOK).Sees("Proof: Agree and close", reference, "Enclose this page", "Save it with the full entry").SeesNot("A court can change it")
	p := proven(t, reviewer.Get(at(reference, "proof", n, "file")), trust)
	if p.Entry.Step.Action != "uphold" || p.Entry.Whole != nil {
		t.Errorf("proven is %+v", p.Entry)
	}
	whole := func(n string) verify.Proven {
		t.Helper()
		return proven(t, reviewer.Get(at(reference, "proof", n, "file")+"?words=yes"), trust)
	}

	// Nobody hands on what they have not opened; then what they have, and never more.
	parts := func(p verify.Proven) []string { return slices.Sorted(maps.Keys(p.Entry.Said)) }
	if p := whole(n); p.Entry.Whole == nil || p.Entry.Said != nil || !slices.Equal(p.Entry.Closed, []string{access.Reporter}) {
		t.Errorf("nothing was opened, and the receipt shows %q, closed %q", p.Entry.Said, p.Entry.Closed)
	}
	reviewer.Get(at(reference, "proof", "1")).Is(http.StatusOK).Sees("stays closed: File and Identity of the reporter").SeesNot("Ada Reporter")
	reviewer.Post(at(reference, "open"), url.Values{"reason": {"work"}, "why": {"To answer a court."}}).Is(http.StatusOK)
	reviewer.Get(at(reference, "proof", n)).Is(http.StatusOK).SeesNot("stays closed", "A court can change it")
	if p := whole(n); !strings.Contains(answers(t, p, access.Reporter)["answer"], "A court can change it") || p.Entry.Closed != nil {
		t.Errorf("the reviewer has opened all of it, and it is not there: %q, closed %q", p.Entry.Said, p.Entry.Closed)
	}
	reviewer.Get(at(reference, "proof", "1")).Is(http.StatusOK).Sees("What you have not opened, or may not open, stays closed: Identity of the reporter.").SeesNot("Ada Reporter")
	if p := whole("1"); answers(t, p, access.File)["story"] == "" || slices.Contains(parts(p), access.Identity) || !slices.Contains(p.Entry.Closed, access.Identity) {
		t.Errorf("the first entry shows %q, closed %q", p.Entry.Said, p.Entry.Closed)
	}

	// Who may not see the matter gets nothing.
	proven(t, reviewer.Get(at(reference, "proof", "1", "file")), trust)
	o.As("officer of another town").Get(at(reference, "proof", n)).Is(http.StatusNotFound)
	o.Stranger().Get(at(reference, "proof", n, "file")).SeesNot("tlog-proof")
	reviewer.Get(at(reference, "proof", "99")).Is(http.StatusNotFound)
}

func TestWhoCameForwardFirstIsShownToThoseWhoMayKnow(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	trust := o.StartLog()
	vale := o.Vale.String()

	o.Stranger().Get("/report").Is(http.StatusOK).Sees("Are you an official", "Self-report")
	nameless := filed(t, o, "self-report")
	nameless.opens(t)
	nameless.v.Get("/follow/act/name-myself").Is(http.StatusOK).Sees("Who are you?", "Name yourself").SeesNot("Describe them")
	s := filed(t, o, "self-report", "official", vale)
	settle(t, o, s.reference)
	lead := filed(t, o, "report", "official", vale)
	settle(t, o, lead.reference)

	intake := o.As("intake officer")
	page := intake.Get(at(s.reference)).Is(http.StatusOK).Sees("Came forward before the first lead", "The first lead is "+lead.reference, "Nobody has made sure yet")
	if !strings.Contains(page.Text(), "told at position "+strconv.FormatInt(placeOf(t, o, s.reference), 10)+" of the log, first lead at position "+strconv.FormatInt(placeOf(t, o, lead.reference), 10)) {
		t.Errorf("the positions are not those of the log:\n%.1500s", page.Text())
	}

	// The official, or whoever wrote in their name, learns of no lead.
	s.opens(t)
	s.v.Get("/follow/proof").Is(http.StatusOK).Sees("neither that there is a lead nor that there is none").SeesNot(lead.reference)
	if p := proven(t, s.v.Get("/follow/proof/file"), trust); len(p.Further) != 0 {
		t.Errorf("the receipt tells of %+v", p.Further)
	}

	// The office makes sure who it is, and a notice is served: now both places are proven, and nothing of the lead opened.
	intake.Fill(at(s.reference, "act", "confirm-person"), "official", vale, "how", "He showed his pass.").Is(http.StatusOK)
	investigator, reviewer, supervisor, decider := o.As("investigator"), o.As("reviewer"), o.As("supervisor"), o.As("decider")
	intake.Fill(at(s.reference, "act", "give"), "severity", "high", "lead", o.Account["investigator"].String()).Is(http.StatusOK)
	investigator.Fill(at(s.reference, "act", "conclude"), "conclusion", "grounds", "reasons", "It is true.").Is(http.StatusOK)
	reviewer.Fill(at(s.reference, "act", "open-case"), "answer", "There will be a case.").Is(http.StatusOK)
	c := opened(t, o, s.reference)
	supervisor.Fill(at(c, "act", "assign"), "lead", o.Account["investigator"].String()).Is(http.StatusOK)
	investigator.Fill(at(c, "act", "find"), "findings.1", "sustained", "reasons", "It is true.").Is(http.StatusOK)
	reviewer.Fill(at(c, "act", "confirm")).Is(http.StatusOK)
	proceeding := opened(t, o, c)
	decider.Fill(at(proceeding, "act", "serve"), "notice", "You are found to have taken money.", "served_on-day", "9", "served_on-month", "3", "served_on-year", "2026").Is(http.StatusOK)
	settle(t, o, proceeding)

	s.opens(t)
	s.v.Get("/follow/proof").Is(http.StatusOK).Sees("Came forward before the first lead").SeesNot(lead.reference)
	p := proven(t, s.v.Get("/follow/proof/file"), trust)
	i := slices.IndexFunc(p.Further, func(e verify.Entry) bool { return e.As == verify.AsLead })
	if i < 0 || p.Further[i].Step != nil || int64(p.Further[i].Position) != placeOf(t, o, lead.reference) || p.Entry.Position >= p.Further[i].Position {
		t.Errorf("the lead is proven as %+v", p.Further)
	}
}

// settle waits until the newest entry of a matter is in a published checkpoint.
func settle(t *testing.T, o *journey.Office, reference string) {
	t.Helper()
	m := o.MatterOf(reference).Matter
	if err := o.Ledger.Wait(t.Context(), m.ID.Stream(), m.N, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) { // names are noted beside the log
		var behind int
		if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM entry WHERE idx > COALESCE((SELECT idx FROM follower WHERE name = 'named'), 0)`).Scan(&behind)
		}); err != nil {
			t.Fatal(err)
		}
		if behind == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the names are %d entries behind", behind)
		}
	}
}

// placeOf is the place of a matter's first entry in the record.
func placeOf(t *testing.T, o *journey.Office, reference string) (place int64) {
	t.Helper()
	if err := o.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
		place, err = o.Ledger.Position(context.Background(), tx, o.MatterOf(reference).Matter.ID.Stream(), 1)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return place
}

// opened is the reference of the matter that another one opened last.
func opened(t *testing.T, o *journey.Office, reference string) string {
	t.Helper()
	st := o.MatterOf(reference)
	for _, l := range slices.Backward(st.Links) {
		if l.Kind != "opens" {
			continue
		}
		var found string
		if err := o.DB.Read(t.Context(), func(tx *store.Tx) error {
			s, err := o.Engine.Load(t.Context(), tx, l.Other)
			found = string(s.Matter.Ref)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	t.Fatalf("%s opened nothing", reference)
	return ""
}
