package matter_test

import (
	"context"
	"testing"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// reporterDoes takes a step of the reporter.
func (w *town) reporterDoes(code ref.ReceiptCode, action string, v matter.Values) (s matter.State, err error) {
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		s, err = w.engine.ReporterAct(ctx, tx, code, 0, action, v, journal.ViaWeb)
		return nil
	})
	return s, err
}

// A name that was taken back is not opened, even under a pack whose procedure would let it be; said again, it is.
func TestANameTakenBackIsNotOpened(t *testing.T) {
	w := newTown(t, world.SQLite(t)).under(variant(t,
		"        when: '!matter.anonymous'\n        else: {en: The reporter has not said who they are., zh-Hans: 举报人没有说明身份。}\n", ""))
	s, code := w.report()
	must := func(action string, v matter.Values) {
		t.Helper()
		if _, err := w.reporterDoes(code, action, v); err != nil {
			t.Fatalf("%s: %v", action, err)
		}
	}
	reasons := matter.Values{"reasons": "A court asked."}
	reveal := matter.Values{"reveal_to": "custodian", "name": "Kim Doe"}
	w.now = w.now.Add(time.Minute)
	if w.load(s.Matter.ID).Parties[0].Anonymous != 0 {
		must("reveal", reveal)
	}
	must("hide", nil)
	if w.load(s.Matter.ID).Parties[0].Anonymous == 0 {
		t.Error("the reporter is not anonymous again")
	}
	custodian := person(77, 0, "custodian", office)
	custodian.Grants[0].Sees = access.SeesSubtree
	people["cleo"] = custodian
	defer delete(people, "cleo")
	_, err := w.try("cleo", s.Matter.ID, 0, "identify", reasons)
	if f := wantFault(t, err, fault.Conflict, "fair.F13"); f.Args["rule"] != "F13" {
		t.Errorf("the refusal cites %v", f.Args["rule"])
	}
	must("reveal", reveal)
	w.do("cleo", s.Matter.ID, "identify", reasons)
	w.verify()
}

// Time limits of a report that is keyed in count from the day it arrived, however late that is done.
func TestTimeLimitsCountFromTheDayOfReceipt(t *testing.T) {
	w := newTown(t, world.SQLite(t))
	var s matter.State
	w.tx(func(ctx context.Context, tx *store.Tx) (err error) {
		s, err = w.engine.Open(ctx, tx, matter.OpenCmd{Kind: "report", Viewer: people["ina"], Via: journal.ViaWeb, Fields: matter.Values{
			"body": "police", "story": "By letter.", "channel": "letter", "consent": "unasked",
			matter.FieldReceived: w.pack.Cal().Day(w.now).AddDays(-3).String()}})
		return err
	})
	c, there := s.ClockOf("acknowledge")
	if want := w.pack.Cal().End(w.pack.Cal().Day(w.now).AddDays(4)); !there || !time.UnixMicro(c.Due).Equal(want) {
		t.Errorf("to be acknowledged by %v, want %v", time.UnixMicro(c.Due).UTC(), want.UTC())
	}
	w.verify()
}

// AnswerOf is what joined reports are told: a step that only asks, or only notes, gives no answer.
func TestWhichStepsAnswerTheReporter(t *testing.T) {
	p, err := generic()
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{"confirm": true, "uphold": true, "interim": true, "stand-by": true, "ask": false, "screen": false,
		"conclude": false, "message": false} {
		if got := matter.AnswerOf(p.Kind("report").Action(action)) != nil; got != want {
			t.Errorf("%s gives an answer: %v", action, got)
		}
	}
	if matter.AnswerOf(nil) != nil || matter.AnswerOf(&pack.Action{}) != nil {
		t.Error("nothing gives an answer")
	}
}
