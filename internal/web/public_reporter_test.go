package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// A page that was changed on the way, comes from another kind of report, or lay open too long is not opened: nothing of it
// is recorded or shown, and the reader is told what to do.
func TestADraftThatCannotBeOpened(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	f := p.forms()["answers"]
	send := func(path, draft string) *person {
		values := url.Values{"_to": {"send"}, "_draft": {draft}}
		return w.person("en").post(path, values).is(422).reads("We could not go on with this page", "Nothing was recorded").readsNot("zebra", "Check your answers")
	}
	whole := f.values.Get("_draft")
	send("/report/report", whole[:len(whole)-8]+"AAAAAAAA").reads("lost or changed on the way")
	send("/report/retaliation", whole).reads("lost or changed on the way")
	send("/report/report", intake.NewDraft())
	w.advance(intake.DraftLives + time.Minute)
	send("/report/report", whole).reads("lay open for more than a day")
	w.person("zh-CN").post("/report/report", url.Values{"_draft": {whole}}).is(422).reads("这一页无法继续")
	if n := w.reports(); n != 0 {
		t.Errorf("%d reports were recorded", n)
	}
}

// What has been written stands on no page but the one that asks for it, and the size of a page tells little of it.
func TestThePageHoldsNothingReadable(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil).press("answers", "change:relation", nil).is(200)
	if strings.Contains(p.page, "zebra") {
		t.Error("a later page of the form holds what was written before")
	}
	if hidden := p.forms()["answers"].values; len(hidden.Get("_draft")) < 1000 {
		t.Errorf("the draft is %d characters", len(hidden.Get("_draft")))
	}
}

// The question how one wants to report decides what is asked after it.
func TestHowOneReports(t *testing.T) {
	w := publicSQLite(t)
	until := func(manner string) *person {
		p := w.person("en").visit("/report/report").next(nil).next(nil).next(map[string]string{"body": "city-police"}).next(nil).next(nil).next(nil)
		p.next(map[string]string{"story": secretStory}).next(nil).next(map[string]string{"relation": "behalf"}).reads("Whom did it happen to?")
		p.next(map[string]string{"affected": "My brother"}).reads("Do they know that you report it?").next(map[string]string{"affected_agrees": "agrees"})
		p.reads("How do you want to report?", "No court can make us say what we do not know", "A court can order us to open it", "may later guess it")
		return p.next(map[string]string{"manner": manner}).is(200)
	}
	until("anonymous").reads("Check your answers", "You are reporting anonymously", "They know, and agree").readsNot("Your name")
	until("confidential").reads("Your name", "Only the custodian of identities can open this").next(map[string]string{"name": secretName}).next(nil).reads("Check your answers", "You told us who you are")
	named := until("named").reads("Your name", "Those who handle your report will read it")
	named.next(nil).is(422).reads("Fill this in.")
	named.next(map[string]string{"known_name": secretName}).next(nil).reads("Check your answers", secretName)
	// Who thinks again is no longer asked for a name, and a name that was typed is not sent.
	named.press("answers", "change:manner", nil).next(map[string]string{"manner": "anonymous"}).reads("You are reporting anonymously").readsNot(secretName)
	named.press("answers", "send", nil).is(200)
	code, reference := named.receipt()
	if st := w.byReference(reference); len(st.Parties) != 1 || st.Parties[0].Anonymous != 1 {
		t.Errorf("the reporter stands as %+v", st.Parties)
	}
	// Later they say it, and take it back; doing it twice by a second press is one step.
	q := w.person("en").post("/follow", url.Values{"code": {code}}).is(200).reads("Say who you are").readsNot("Take your name back")
	q.visit("/follow/act/reveal").is(200).readsNot("Your name")
	q.next(map[string]string{"reveal_to": "custodian"}).is(200).reads("brings up more questions", "Your name")
	form := *q
	q.next(map[string]string{"name": secretName}).is(200).reads("Take your name back")
	form.next(map[string]string{"name": secretName}).is(200)
	q.visit("/follow/act/hide").reads("This cannot undo what has happened").next(nil).is(200).reads("Say who you are")
	if n := w.steps(reference); n != 3 {
		t.Errorf("%d entries, want 3: the report, the name, and its taking back", n)
	}
	w.holdsNowhere(q)
}

// byReference is a matter as it stands.
func (w *publicWorld) byReference(reference string) (st matter.State) {
	w.t.Helper()
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) (err error) {
		st, err = w.engine.ByRef(w.t.Context(), tx, ref.Reference(reference))
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

func (w *publicWorld) steps(reference string) int64 { return w.byReference(reference).Matter.N }

// A questionnaire asks what applies, one answer after the other, and its answers are between the reporter and the office.
func TestAQuestionnaireIsAnsweredWithoutScripts(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		p := w.person("en").write(nil).press("answers", "send", nil).is(200)
		code, reference := p.receipt()
		officer := w.as("intake", "city", "intake")
		w.act(officer, reference, "send-questions", map[string]any{"questionnaire": "custody", "message": "They help us to find the recordings."})
		q := w.person("zh-CN").post("/follow", url.Values{"code": {code}}).is(200).reads("回答我们的问题", "They help us to find the recordings.")
		q.visit("/follow/act/answer-questions").is(200).reads("羁押期间的情况", "有人受伤吗？").readsNot("伤情如何", "哪位医生")
		q.next(map[string]string{"hurt": "yes"}).is(200).reads("根据您的回答还有几个问题", "伤情如何", "有医生看过吗").readsNot("哪位医生")
		q.next(map[string]string{"injuries": "zebra arm", "doctor": "yes"}).is(200).reads("哪位医生")
		if got := q.forms()["answers"].values.Get("injuries"); got != "zebra arm" {
			t.Errorf("the answer before became %q", got)
		}
		q.next(map[string]string{"which_doctor": "zebra clinic"}).is(200).reads("我们已收到您的消息", "zebra arm", "zebra clinic").readsNot("回答我们的问题 ")
		w.holdsNowhere(p, q)
	})
}

// Whoever withdraws twice by a second press has withdrawn once, and the report is looked at by others.
func TestWithdrawingDeletesNothing(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil).press("answers", "send", nil).is(200)
	code, reference := p.receipt()
	q := w.person("en").post("/follow", url.Values{"code": {code}}).visit("/follow/act/withdraw").is(200).reads("Nothing is deleted")
	again := *q
	q.next(nil).is(200).reads("You have withdrawn your report")
	again.next(nil).is(200).reads("You have withdrawn your report")
	if n := w.steps(reference); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

// Retaliation goes to another body than the one that has the report, is tied to it on one side alone, and of the code that
// was shown nothing is kept.
func TestRetaliationThroughTheForm(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		p := w.person("en").write(nil).press("answers", "send", nil).is(200)
		code, reference := p.receipt()
		first := w.byReference(reference)
		q := w.person("en").visit("/report").reads("Retaliation", "goes to another body").visit("/report/retaliation").next(nil)
		q.next(map[string]string{"harm": "position"}).next(map[string]string{"danger": "no"}).next(map[string]string{"body": "city-police"}).next(nil).next(nil)
		q.next(map[string]string{"story": "zebra nights only"}).next(nil).reads("The receipt code of your report", "are not told of this one")
		q.next(map[string]string{"earlier": code[:len(code)-1] + "?"}).is(422).reads("One character is wrong or missing")
		q.next(map[string]string{"earlier": string(ref.NewReceiptCode())}).is(422).reads("We know no report with this receipt code")
		q.next(map[string]string{"earlier": strings.ToLower(code)}).is(200).next(map[string]string{"manner": "anonymous"}).reads("Check your answers").readsNot(code)
		q.press("answers", "send", nil).is(200)
		var second matter.State
		err := w.db.Read(t.Context(), func(tx *store.Tx) (err error) {
			second, err = w.engine.ByChannel(t.Context(), tx, ref.ReceiptCode(q.forms()["/follow"].values.Get("code")))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if second.Matter.Body == first.Matter.Body || second.Matter.Body == 0 {
			t.Errorf("it lies with %v, like the report it follows from", second.Matter.Body)
		}
		if len(second.Links) != 1 || second.Links[0].Other != first.Matter.ID || second.Links[0].Kind != matter.LinkArisesFrom {
			t.Errorf("it is tied by %+v", second.Links)
		}
		if now := w.byReference(reference); now.Matter.N != first.Matter.N || len(now.Links) != 0 {
			t.Errorf("the first report shows the second: %+v", now.Links)
		}
		w.keepsNothingOf(code)
	})
}

// keepsNothingOf looks for a receipt code in all tables and the log, in each way of writing it.
func (w *publicWorld) keepsNothingOf(code string) {
	w.t.Helper()
	written := []string{code, strings.ReplaceAll(code, "-", ""), strings.ToLower(code), code[:15]}
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		tables, err := allTables(w.t.Context(), w.db, tx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			for _, cell := range contents(w.t, tx, table) {
				for _, s := range written {
					if strings.Contains(cell, s) {
						w.t.Errorf("the table %s holds the code", table)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if slices.ContainsFunc(written, func(s string) bool { return strings.Contains(w.log.String(), s) }) {
		w.t.Error("the log holds the code")
	}
}

// No page of the reporter's channel says where the office is on the net: behind an onion service the name it is reached
// by elsewhere must not show. Only the receipt does, in text, with the name the reader came by.
func TestPagesHoldNoAbsoluteAddress(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(nil)
	check := p.page
	p.press("answers", "send", nil).is(200)
	code, _ := p.receipt()
	pages := map[string]string{"check": check, "receipt": p.page}
	q := w.person("en")
	for _, path := range publicPages {
		pages[path] = q.visit(path).page
	}
	q.post("/follow", url.Values{"code": {code}})
	for _, path := range []string{"/follow", "/follow/act/message", "/follow/act/withdraw"} {
		pages[path] = q.visit(path).page
	}
	host := strings.TrimPrefix(w.srv.URL, "http://")
	for path, page := range pages {
		for _, attribute := range []string{`href="http`, `src="http`, `action="http`, `href="//`, `src="//`, `rel="canonical"`} {
			for rest := page; ; {
				_, after, found := strings.Cut(rest, attribute)
				if !found {
					break
				}
				target, _, _ := strings.Cut(after, `"`)
				if strings.Contains(target, host) || attribute == `rel="canonical"` || strings.HasPrefix(attribute, "src") || strings.HasPrefix(attribute, "action") {
					t.Errorf("%s holds %s%s", path, attribute, target)
				}
				rest = after
			}
		}
		if path != "receipt" && strings.Contains(page, host) {
			t.Errorf("%s says the office's address", path)
		}
	}
	// Another name, as an onion service gives it: the receipt shows that one, and no other.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/report/report", strings.NewReader(url.Values{"_to": {"receipt"}, "_code": {code}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Host = "plumblineexample.onion"
	rec := httptest.NewRecorder()
	w.s.handler().ServeHTTP(rec, r)
	want, err := qrCode("http://plumblineexample.onion/follow")
	if err != nil {
		t.Fatal(err)
	}
	if page := rec.Body.String(); !strings.Contains(page, string(want)) || strings.Contains(page, host) {
		t.Errorf("reached by another name, the receipt's picture does not lead there (status %d)", rec.Code)
	}
}

// Whatever is posted to the form, it answers a page, and an answer it took stands on that page, in its draft, or in the report.
func FuzzReportForm(f *testing.F) {
	w := newPublicWorld(f, world.SQLite(f))
	start := w.person("en").visit("/report/report").forms()["answers"].values.Get("_draft")
	f.Add("next", start, "story", "what happened")
	f.Add("send", "", "story", "what happened")
	f.Add("stay", start, "happened_on-day", "31")
	f.Add("add:allegations", "1..", "official.described", "a \x00 name")
	f.Add("change:story", start, "_r.story", "999999999999999999999")
	f.Add("open:body:city", start, "body", "city-police")
	f.Add("receipt", start, "_code", "0000000-0000000-0000000")
	h := w.s.handler()
	f.Fuzz(func(t *testing.T, to, draft, name, value string) {
		values := url.Values{"_to": {to}, name: {value}, "body": {"city-police"}}
		if draft != "" {
			values.Set("_draft", draft)
		}
		values.Set("place", "zebraplace kept")
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/report/report", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if rec.Code >= 500 && rec.Code != http.StatusServiceUnavailable {
			t.Fatalf("status %d", rec.Code)
		}
		if rec.Code != http.StatusOK && rec.Code != http.StatusUnprocessableEntity || to == "receipt" {
			return
		}
		page := rec.Body.String()
		if strings.Contains(page, "zebraplace kept") || strings.Contains(page, "Your report is recorded") || strings.Contains(page, "We could not go on") {
			return
		}
		_, after, found := strings.Cut(page, `name="_draft" value="`)
		sealed, _, _ := strings.Cut(after, `"`)
		d, err := w.s.forms.Open("report", sealed)
		if !found || err != nil {
			t.Fatalf("the page carries no draft: %v", err)
		}
		if d.Answers.Get("place") != "zebraplace kept" && name != "place" {
			t.Fatalf("an answer is lost: to %q with %q", to, name)
		}
	})
}

// Two people report the same events. Both go on reading in their own channel how it stands, and what came of it.
func TestJoinedReportsKeepTheirChannels(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		file := func(story string) (code, reference string) {
			p := w.person("en").write(map[string]string{"story": story}).press("answers", "send", nil).is(200)
			return p.receipt()
		}
		codeA, a := file("zebra one of the two saw it")
		codeB, b := file("zebra the other of the two saw it")
		intake, investigator, reviewer := w.as("intake", "city", "intake"), w.as("investigator", "city", "investigator"), w.as("reviewer", "city", "reviewer")
		w.act(intake, b, "merge", map[string]any{"other": a, "reasons": "The same evening."})
		w.act(intake, a, "screen", map[string]any{"severity": "low"})
		w.act(intake, a, "verify", map[string]any{"lead": investigator.Account.String()})
		q := w.person("en").post("/follow", url.Values{"code": {codeB}}).is(200).reads("handle the two together", "The report it was joined to: Being verified")
		q.visit("/follow/act/message").next(map[string]string{"message": "zebra I know more"}).is(200).reads("zebra I know more")
		w.act(investigator, a, "conclude", map[string]any{"conclusion": "settled", "reasons": "It was put right."})
		main := w.byReference(a)
		err := w.db.Tx(t.Context(), func(tx *store.Tx) error {
			joined, err := w.engine.Joined(t.Context(), tx, main)
			if err != nil || len(joined) != 1 || string(joined[0].Matter.Ref) != b {
				t.Errorf("joined to it are %d reports, %v", len(joined), err)
			}
			_, err = w.engine.Act(t.Context(), tx, matter.ActCmd{Matter: main.Matter.ID, Action: "confirm", Viewer: reviewer, Joined: true, Via: journal.ViaWeb,
				Fields: matter.Values{"answer": "It was put right, and will be watched."}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		q.visit("/follow").reads("It was put right, and will be watched.", "Reviewer, City Office", "The report it was joined to: Closed")
		w.person("en").post("/follow", url.Values{"code": {codeA}}).reads("It was put right, and will be watched.").readsNot("zebra I know more", b)
	})
}

// Whoever changes an answer on the page that shows all of them is asked what the new answer brings up, and then sees them all again.
func TestAChangedAnswerAsksWhatItBringsUp(t *testing.T) {
	w := publicSQLite(t)
	p := w.person("en").write(map[string]string{"manner": "anonymous"}).reads("Check your answers").readsNot("Your name")
	p.press("answers", "change:manner", nil).is(200).reads("How do you want to report?")
	p.press("answers", "next", map[string]string{"manner": "confidential"}).is(200).reads("Your name").readsNot("Check your answers")
	p.press("answers", "next", map[string]string{"name": "Zebra Doe"}).is(200).reads("How can we reach you?")
	p.press("answers", "skip", nil).is(200).reads("Check your answers", "Zebra Doe")
	// What has been asked is not asked again.
	p.press("answers", "change:place", nil).press("answers", "next", map[string]string{"place": "Harbour"}).is(200).reads("Check your answers", "Harbour")
}

// A question behind an answer that is no longer asked for is not asked either, whatever was answered there before.
func TestABranchThatIsNotTakenAsksNothing(t *testing.T) {
	w := publicSQLite(t)
	files := fstest.MapFS{}
	for name, text := range w.pack.Files {
		files[name] = &fstest.MapFile{Data: []byte(strings.Replace(string(text), "when: f.hurt && f.doctor", "when: f.doctor", 1))}
	}
	p, err := pack.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	for hurt, want := range map[string]bool{"yes": true, "no": false} {
		a := &asker{p: p, sent: url.Values{"hurt": {hurt}, "doctor": {"yes"}, "which_doctor": {"zebra clinic"}}}
		due, err := a.due(p.Kind("report"), matter.State{Matter: matter.Row{Kind: "report"}}, p.Questionnaire("custody").Fields, w.time())
		if err != nil {
			t.Fatal(err)
		}
		if got := indexOf(due, "which_doctor") >= 0; got != want {
			t.Errorf("hurt %s: asked which doctor: %v, want %v", hurt, got, want)
		}
	}
}
