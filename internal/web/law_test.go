package web_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

// Those who audit, administer or oversee read the law by which everything is decided; nobody else finds the page.
func TestTheLawIsReadByWhoAnswersForIt(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	for _, name := range []string{"administrator", "supervisor"} {
		v := o.As(name)
		v.Get("/staff/law").Is(http.StatusOK).Sees("Who may do what", "K1", "open who the reporter is", "the matter does not exist for them", "Head of unit", "2 years", "Custodian of identities")
		v.In("zh-Hans").Get("/staff/law").Is(http.StatusOK).Sees("权限规则", "调阅举报人身份", "回避", "部门负责人")
	}
	o.As("investigator").Get("/staff/law").Is(http.StatusNotFound)
	if missing := o.Book.Missing(); len(missing) > 0 {
		t.Errorf("texts that are missing: %v", missing)
	}
}

// Whoever declares a relative does not find the matter that names them, is not offered for it, and a forged form cannot give
// it to them; that they say it has ended does not open it to them the same day.
func TestADeclaredRelativeIsKeptAway(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, second := o.As("intake officer"), o.As("second intake officer")
	r := taken(t, intake, "official", o.Vale.String())
	intake.Fill(at(r, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, r), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
	second.Get(at(r)).Is(http.StatusOK)

	second.Get("/staff/account/ties").Is(http.StatusOK).Sees("Nothing declared")
	second.Get("/staff/account/ties?q=nobody+at+all").Sees("Nobody of this name")
	second.Get("/staff/account/ties?q=vale").Sees("Arden Vale", "Mill Street Station", "A relative", "An interest")
	second.Post("/staff/account/ties", url.Values{"q": {"vale"}, "other": {o.Vale.String()}}).Is(http.StatusUnprocessableEntity).Sees("Choose whether this is a relative or an interest")
	second.Post("/staff/account/ties", url.Values{"q": {"vale"}, "other": {o.Vale.String()}, "kind": {"relative"}}).Is(http.StatusOK).Sees("This has been declared", "Arden Vale", "It has ended")
	second.Post("/staff/account/ties", url.Values{"q": {"vale"}, "other": {o.Vale.String()}, "kind": {"relative"}}).Is(http.StatusUnprocessableEntity).Sees("This is declared already")

	second.Get(at(r)).Is(http.StatusNotFound)
	second.Get("/staff/queue?status=all").SeesNot(r)
	second.In("zh-Hans").Get("/staff/account/ties").Sees("亲属和利益关系", "Arden Vale")
	intake.Get("/staff/assign?matter=" + r).SeesNot("Second intake officer")
	before := o.Entries()
	intake.Post("/staff/assign", url.Values{"m": {r}, "n": {"99"}, "to": {o.Account["second intake officer"].String()}})
	if o.Entries() != before {
		t.Error("a forged form gave it to a relative")
	}
	page := second.In("en").Get("/staff/account/ties")
	end := regexp.MustCompile(`/staff/account/ties/\d+/end`).FindString(page.Body)
	second.Post(end, nil).Is(http.StatusOK).Sees("It keeps you away from matters that name this official until", "9 March 2028") // two years, as with former colleagues
	second.Get(at(r)).Is(http.StatusNotFound)
	second.Get("/staff/queue?status=all").SeesNot(r)
	if missing := o.Book.Missing(); len(missing) > 0 {
		t.Errorf("texts that are missing: %v", missing)
	}
}

// Exact figures count nothing that does not exist for the reader: otherwise a supervisor whom a report names, or their
// relative, would find in a number of one what the lists keep from them.
func TestFiguresCountNothingThatDoesNotExistForTheReader(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, near, far := o.As("intake officer"), o.As("supervisor"), o.As("regional supervisor")
		r := taken(t, intake, "official", o.Vale.String())
		intake.Fill(at(r, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, r), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
		taken(t, intake)
		near.Post("/staff/account/ties", url.Values{"q": {"vale"}, "other": {o.Vale.String()}, "kind": {"relative"}}).Is(http.StatusOK)
		must(t, journal.NewFollowers(o.DB, slog.New(slog.DiscardHandler), o.Ledger.Follower(), matter.Named{}, o.Figures).CatchUp(t.Context(), func(int64, int64) {}))

		total := func(v *journey.Visitor, measure, query string) int64 {
			t.Helper()
			var res struct {
				Total  int64
				Public bool
				Rows   []struct {
					Value *int64
				}
			}
			must(t, json.Unmarshal([]byte(v.Get("/figures/"+measure+"/table.json?"+query).Is(http.StatusOK).Body), &res))
			if res.Public {
				t.Fatalf("%s?%s is not exact", measure, query)
			}
			sum := int64(0)
			for _, row := range res.Rows {
				sum += *row.Value
			}
			if sum != res.Total {
				t.Errorf("%s?%s: rows of %d, a total of %d", measure, query, sum, res.Total)
			}
			return res.Total
		}
		for _, query := range []string{"body=town&by=year", "body=town&by=body", "body=town&by=month,kind", "body=town&by=state&source=no", "body=town&by=kind&from=2026-03-01&to=2026-03-31"} {
			if n := total(far, "matters", query); n != 2 {
				t.Errorf("matters?%s: whoever it does not concern reads %d", query, n)
			}
			if n := total(near, "matters", query); n != 1 {
				t.Errorf("matters?%s: a relative reads %d", query, n)
			}
		}
		if n := total(near, "allegations", "body=town&by=conduct"); n != 0 {
			t.Errorf("a relative reads of %d allegations", n)
		}
		const trace = "/figures/matters/matters?body=town&by=kind&key=report"
		far.Get(trace).Is(http.StatusOK).Sees(r, "2 matters of those counted")
		near.Get(trace).Is(http.StatusOK).SeesNot(r, "more are counted").Sees("1 matter of those counted")
	})
}
