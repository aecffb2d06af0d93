package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// closedReports are a number of reports that intake took, proposed to end, and the reviewer closed.
func closedReports(t *testing.T, o *journey.Office, n int) {
	t.Helper()
	intake, reviewer := o.As("intake officer"), o.As("reviewer")
	for range n {
		ref := taken(t, intake)
		intake.Fill(at(ref, "act", "decline"), "reason_code", "no-conduct", "reasons", "She wants the judgment changed.").Is(http.StatusOK)
		reviewer.Fill(at(ref, "act", "uphold"), "answer", "We cannot change a judgment.").Is(http.StatusOK)
	}
}

// until asks for a page until it shows a text: what the log has to publish first takes a moment.
func until(t *testing.T, v *journey.Visitor, path, text string) *journey.Page {
	t.Helper()
	var page *journey.Page
	for range 100 {
		if page = v.Get(path); page.Status == http.StatusOK && strings.Contains(page.Text(), text) {
			return page
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s never shows %q:\n%s", path, text, page.Text())
	return nil
}

const throws = "3 1 4 1 5 9 2 6 5 3 5 8 9 7 9 3 2 3 8 4"

// drawn is an office that has closed five reports and drawn two of them.
func drawn(t *testing.T, o *journey.Office) {
	t.Helper()
	supervisor := o.As("supervisor")
	closedReports(t, o, 5)
	until(t, supervisor, "/staff/inspections/new?body=town&share=20&sure=60", "5 closed matters fit")
	form := supervisor.Get("/staff/inspections/new?body=town&what=report&share=20&sure=60&size=2")
	form.Is(http.StatusOK).Sees("5 closed matters fit", "If 20% of these were wrong (1 of 5), 2 drawn find at least one of them with a probability of 40%")
	supervisor.Send(lastForm(form), "chance", "dice", "plan", "Twenty throws of a ten-sided die in the hall, everybody may come").
		Is(http.StatusOK).Sees("The draw is fixed", "Draw 1", "Reports", "Digest of the list")
	page := until(t, supervisor, "/staff/inspections/1", "Draw with this value")
	supervisor.Send(page, "seed", throws, "observers", "").Is(http.StatusUnprocessableEntity).Sees("at least one person who saw it")
	supervisor.Send(page, "seed", throws, "observers", "Ana Kim, bar association\nJo Berg").
		Is(http.StatusOK).Sees("2 drawn", "None of the 2 drawn has been inspected", "Ana Kim, bar association", throws)
}

// lastForm leaves the last form of a page alone: the one that records.
func lastForm(p *journey.Page) *journey.Page {
	out := *p
	out.Body = p.Body[strings.LastIndex(p.Body, "<form"):]
	if i := strings.LastIndex(p.Body, `id="define"`); i >= 0 {
		out.Body = p.Body[strings.LastIndex(p.Body[:i], "<form"):]
	}
	return &out
}

func TestADrawFromTheDefinitionToTheResult(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		trust := o.StartLog()
		stranger := o.Stranger()
		stranger.Get("/inspections").Is(http.StatusOK).Sees("Random inspection", "No draw yet")
		o.As("intake officer").Get("/staff/inspections").Is(http.StatusNotFound)
		drawn(t, o)

		// The public sees what was fixed, how chance was asked, and can repeat it; no matter is named.
		stranger.Get("/inspections").Is(http.StatusOK).Sees("Draw 1", "Reports")
		page := until(t, stranger, "/inspections/1", "Download the file of this draw")
		page.Sees("Ana Kim, bar association", throws, "Positions drawn").SeesNot("R-")
		f, err := verify.ParseSample([]byte(stranger.Get("/inspections/1/draw-1.json").Body))
		if err != nil {
			t.Fatal(err)
		}
		if p, err := f.Check(trust); err != nil || p.Recorded == 0 || len(f.Drawn) != 2 {
			t.Fatalf("%+v, %v", p, err)
		}
		stranger.Get("/inspections/1/draw-2.json").Is(http.StatusNotFound)
		stranger.Get("/inspections/2").Is(http.StatusNotFound)
		stranger.In("zh-Hans").Get("/inspections/1").Is(http.StatusOK).Sees("第 1 次抽查", "骰子", "见证人")

		// The inspector finds it among their work, and takes it through with somebody else.
		inspector, supervisor := o.As("inspector"), o.As("supervisor")
		inspector.Get("/staff").Sees("Inspection", "Record the inspection")
		matter := inspector.Get("/staff/inspections/1").Is(http.StatusOK)
		var inspections []string
		for _, l := range matter.Links() {
			if strings.HasPrefix(l, "/staff/matters/I-") {
				inspections = append(inspections, strings.TrimPrefix(l, "/staff/matters/"))
			}
		}
		if len(inspections) != 2 {
			t.Fatalf("%d inspections", len(inspections))
		}
		ref := inspections[0]
		inspector.Get(at(ref, "related")).Sees("Inspects", "R-")
		var sheet []string
		for _, point := range []string{"in-time", "heard", "evidence", "reasons", "apart", "answered", "protected"} {
			sheet = append(sheet, "sheet."+point, "yes")
		}
		inspector.Fill(at(ref, "act", "inspect"), append(sheet, "sheet.answered", "no", "result", "corrected", "remarks", "The answer was hard to read.",
			"correction", "A plainer answer was sent.", "reasons", "The answer could not be understood.")...).Is(http.StatusOK).Sees("Done: Record the inspection")
		inspector.Get(at(ref, "act", "confirm")).Is(http.StatusForbidden)
		supervisor.Fill(at(ref, "act", "confirm")).Is(http.StatusOK).Sees("Done: Confirm")
		stranger.In("en").Get("/inspections/1").Sees("1 of 2 drawn have been inspected; in 1 of them there was an error", "Town Oversight Office", "Few drawn: this says little")
		if missing := o.Book.Missing(); len(missing) > 0 {
			t.Errorf("texts that are not there: %v", missing)
		}
	})
}

// What a draw would come to is counted without the matters that do not exist for whoever asks.
func TestAPreviewOfADrawCountsNothingThatDoesNotExistForTheReader(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		o.StartLog()
		near, far := o.As("supervisor"), o.As("regional supervisor")
		closedReports(t, o, 2)
		intake, reviewer := o.As("intake officer"), o.As("reviewer")
		r := taken(t, intake)
		intake.Fill(at(r, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, r), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
		intake.Fill(at(r, "act", "decline"), "reason_code", "no-conduct", "reasons", "She wants the judgment changed.").Is(http.StatusOK)
		reviewer.Fill(at(r, "act", "uphold"), "answer", "We cannot change a judgment.").Is(http.StatusOK)
		near.Post("/staff/account/ties", url.Values{"q": {"vale"}, "other": {o.Vale.String()}, "kind": {"relative"}}).Is(http.StatusOK)
		const preview = "/staff/inspections/new?body=town&what=report&share=20&sure=60"
		until(t, far, preview, "3 closed matters fit")
		near.Get(preview).Is(http.StatusOK).Sees("2 closed matters fit")
	})
}

// The pages of draws on a phone and at a desk, in both languages, for the public and for those who draw.
func TestPagesOfDrawsInABrowser(t *testing.T) {
	b := browser.Start(t)
	o := journey.Open(t, world.SQLite(t))
	o.StartLog()
	drawn(t, o)
	until(t, o.Stranger(), "/inspections/1", "Download the file of this draw")
	for _, one := range []struct {
		screen browser.Screen
		lang   string
		public string
		staff  string
	}{
		{browser.Phone, "zh-Hans", "/inspections/1", "/staff/inspections/new?body=town&by=body&share=20&sure=60"},
		{browser.Desk, "en", "/inspections", "/staff/inspections/1"},
	} {
		tab := b.Open(t, one.screen, true)
		signIn(tab, o, "supervisor", one.lang)
		for _, path := range []string{one.public, one.staff} {
			look(t, tab, o.URL, path, one.lang, one.screen)
		}
	}
}
