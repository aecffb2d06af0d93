package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/journey"
	"plumbline/internal/testing/world"
)

var referenceRx = regexp.MustCompile(`\b[A-Z]-[0-9A-Z]{5}-[0-9A-Z]{5}\b`)

// taken is a report that intake took over the telephone, about Mill Street.
func taken(t *testing.T, by *journey.Visitor, fill ...string) (reference string) {
	t.Helper()
	page := by.Fill("/staff/new/report", append([]string{"channel", "phone", "consent", "given", "conduct", "", "body", "mill-street",
		"story", "He tore up the note I had handed in.", "relation", "affected"}, fill...)...)
	page.Is(http.StatusOK).Sees("Recorded. Hand over this code")
	reference = referenceRx.FindString(page.Text())
	if reference == "" {
		t.Fatalf("no reference on the receipt:\n%s", page.Text())
	}
	return reference
}

func at(reference string, parts ...string) string {
	return strings.Join(append([]string{"/staff/matters/" + reference}, parts...), "/")
}

func TestFromTheTelephoneToTheAnswer(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, investigator, reviewer := o.As("intake officer"), o.As("investigator"), o.As("reviewer")
		ref := taken(t, intake)

		intake.Get("/staff").Sees(ref, "Screen", "Acknowledge")
		investigator.Get(at(ref)).Is(http.StatusNotFound) // it lies with intake: nobody else's business yet

		intake.Get(at(ref)).Is(http.StatusOK).Sees("Received", "Sealed").SeesNot("He tore up the note")
		before := o.Entries()
		intake.Post(at(ref, "open"), url.Values{"reason": {"work"}}).Is(http.StatusOK).Sees("He tore up the note")
		if o.Entries() != before+1 {
			t.Errorf("opening what is sealed left %d entries", o.Entries()-before)
		}
		intake.Fill(at(ref, "act", "screen"), "severity", "medium", "allegations.0.conduct", conduct(t, intake, ref),
			"allegations.0.official", o.Vale.String(), "allegations.0.time-month", "3", "allegations.0.time-year", "2026").
			Is(http.StatusOK).Sees("Done: Screen", "Screened", "Intake, Town Oversight Office")
		intake.Fill(at(ref, "act", "verify"), "lead", o.Account["investigator"].String()).Is(http.StatusOK).Sees("Done: Start verification", "Investigator")

		investigator.Get("/staff").Sees(ref, "Conclude verification", "Intake officer (Intake)")
		investigator.Get(at(ref, "people")).Sees("Arden Vale", "March 2026", "No finding yet")
		investigator.Fill(at(ref, "act", "conclude"), "conclusion", "no-grounds", "sheet.persons-heard", "yes", "sheet.official-version", "yes",
			"sheet.recordings", "na", "sheet.documents", "yes", "sheet.exculpatory", "yes", "reasons", "The note is in the file, whole.").
			Is(http.StatusOK).Sees("Done: Conclude verification", "Reviewer")

		// Whoever concluded cannot confirm, is told why, and who can.
		investigator.Get(at(ref)).Sees("What you cannot do", "This takes the duty Reviewer", "Reviewer: Reviewer")
		investigator.Get(at(ref, "act", "confirm")).Is(http.StatusForbidden).Sees("This takes the duty Reviewer")
		seen := strconv.FormatInt(o.MatterOf(ref).Matter.N, 10)
		investigator.Post(at(ref, "act", "confirm"), url.Values{"seen": {seen}, "answer": {"All is well."}}).Is(http.StatusForbidden)

		reviewer.Get("/staff").Sees(ref, "Confirm and close")
		reviewer.Fill(at(ref, "act", "confirm"), "answer", "Your note was found whole.").Is(http.StatusOK).Sees("Done: Confirm and close", "Closed")
		reviewer.Get(at(ref, "timeline")).Sees("Report opened by Intake officer (Intake)", "Screen by Intake officer", "Start verification",
			"Given to: Investigator", "Conclude verification by Investigator (Investigator)", "Confirm and close by Reviewer (Reviewer)",
			"Everybody who was there has been asked: Yes")
		intake.Get(at(ref, "messages")).Sees("Your note was found whole.")
		intake.Get("/staff/queue?status=closed").Sees(ref)
		intake.Get("/staff/queue").SeesNot(ref)
		if st := o.MatterOf(ref); st.Matter.Final != 1 || st.Matter.Ended != "confirm" {
			t.Errorf("the record has %+v", st.Matter)
		}
	})
}

// conduct is an entry of the catalogue, as the screening form offers it.
func conduct(t *testing.T, v *journey.Visitor, ref string) string {
	t.Helper()
	page := v.Get(at(ref, "act", "screen"))
	m := regexp.MustCompile(`(?s)<select[^>]*name="allegations.0.conduct".*?<option value="([a-z][^"]*)"`).FindStringSubmatch(page.Body)
	if m == nil {
		t.Fatalf("the form offers no conduct:\n%s", page.Text())
	}
	return m[1]
}

func TestAStaleFormKeepsWhatWasTyped(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	first, second := o.As("intake officer"), o.As("second intake officer")
	ref := taken(t, first)
	form := first.Get(at(ref, "act", "decline"))
	second.Fill(at(ref, "note"), "text", "I have spoken to the caller.").Is(http.StatusOK)
	before := o.Entries()
	page := first.Send(form, "reason_code", "no-conduct", "reasons", "He wants the judgment changed; <b>nothing</b> else.")
	page.Is(http.StatusConflict).Sees("Somebody else acted meanwhile", "Note, by Second intake officer (Intake)")
	if _, v := page.Form(); v.Get("reasons") != "He wants the judgment changed; <b>nothing</b> else." || v.Get("reason_code") != "no-conduct" {
		t.Errorf("what was typed is gone: %v", v)
	}
	if o.Entries() != before {
		t.Error("something was recorded all the same")
	}
	first.Send(page).Is(http.StatusOK).Sees("Done: Propose to end early")
	// Past the step altogether, the words are still there to copy.
	late := first.Send(form, "reason_code", "handled", "reasons", "We know this one.")
	late.Is(http.StatusConflict).Sees("Somebody else acted meanwhile")
	if _, v := late.Form(); v.Get("reasons") != "We know this one." {
		t.Errorf("what was typed is gone: %v", v)
	}
}

func TestAMatterDoesNotExistForWhomItNames(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, named := o.As("intake officer"), o.As("named officer")
		ref := taken(t, intake)
		named.Get(at(ref)).Is(http.StatusOK) // nobody is named yet
		stale := named.Get(at(ref, "act", "screen"))
		intake.Fill(at(ref, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, ref), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
		for _, path := range []string{"", "/people", "/messages", "/timeline", "/related", "/note", "/link", "/act/verify", "/done/2"} {
			named.Get(at(ref)+path).Is(http.StatusNotFound).SeesNot("Vale", "tore up", "Screened")
		}
		named.Send(stale, "severity", "low").Is(http.StatusNotFound)
		named.Post(at(ref, "note"), url.Values{"text": {"x"}}).Is(http.StatusNotFound)
		named.Get("/staff").SeesNot(ref)
		named.Get("/staff/queue?status=all").SeesNot(ref)
		named.Get("/staff/queue?status=all&text=Vale").SeesNot(ref)
		named.Get("/staff/queue?status=all&text=" + ref).Is(http.StatusOK).Sees("No matter fits") // as for a reference that was never given
		named.Get("/staff/officials/" + o.Vale.String()).Is(http.StatusOK).SeesNot(ref)
		named.Get("/staff/assign?m=" + ref).Is(http.StatusNotFound)
		intake.Get("/staff/officials/" + o.Vale.String()).Sees(ref)
		// Nor is it given to them.
		intake.Get("/staff/assign?m=" + ref).Sees("Second intake officer").SeesNot("Named officer")
		// A link from another matter shows no trace of it.
		other := taken(t, intake)
		intake.Fill(at(other, "link"), "kind", "follows-from", "other", ref).Is(http.StatusOK).Sees(ref)
		named.Get(at(other, "related")).Is(http.StatusOK).SeesNot(ref)
		named.Get(at(other, "timeline")).Is(http.StatusOK).SeesNot(ref)
	})
}

func TestTheDoor(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	stranger := o.Stranger()
	page := stranger.Get("/staff/queue?who=mine")
	if page.Path() != "/staff/sign-in" {
		t.Fatalf("a stranger got to %s", page.Path())
	}
	if back := stranger.Send(page, "login", "reviewer", "password", journey.Password); back.URL.RequestURI() != "/staff/queue?who=mine" {
		t.Errorf("after signing in one is at %s, not where one wanted to go", back.URL.RequestURI())
	}
	for _, evil := range []string{"https://example.org/", "//example.org/", "/\\example.org", "javascript:alert(1)", "/%5cexample.org\r\nX: y", "staff"} {
		got := o.Stranger().Post("/staff/sign-in", url.Values{"login": {"reviewer"}, "password": {journey.Password}, "return": {evil}})
		if got.URL.Host != page.URL.Host || got.Path() != "/staff" && !strings.HasPrefix(got.Path(), "/%5c") && got.Status != http.StatusNotFound {
			t.Errorf("return address %q led to %s", evil, got.URL)
		}
	}
	wrong := o.Stranger().Post("/staff/sign-in", url.Values{"login": {"reviewer"}, "password": {"not it"}})
	nobody := o.Stranger().Post("/staff/sign-in", url.Values{"login": {"nobody"}, "password": {"not it"}})
	wrong.Is(http.StatusUnprocessableEntity).Sees("The login or the password is not right").SeesNot("not it")
	padding := regexp.MustCompile(`(?s)<!--.*?-->`)
	if padding.ReplaceAllString(strings.ReplaceAll(wrong.Body, "reviewer", "nobody"), "") != padding.ReplaceAllString(nobody.Body, "") {
		t.Error("the answer tells whether the account exists")
	}
	if got := o.Stranger().Post("/staff/assign", url.Values{"m": {"x"}}); got.Path() != "/staff/sign-in" {
		t.Errorf("a stranger's form got to %s", got.Path())
	}

	in := o.As("reviewer")
	before := o.Entries()
	for name, header := range map[string]http.Header{
		"another site": {"Sec-Fetch-Site": {"cross-site"}}, "a neighbour": {"Sec-Fetch-Site": {"same-site"}}, "an old browser": {"Origin": {"https://example.org"}},
	} {
		if got := in.PostFrom("/staff/sign-out", url.Values{}, header); got.Status != http.StatusForbidden {
			t.Errorf("a form on %s was taken: %d", name, got.Status)
		}
	}
	if o.Entries() != before || in.Get("/staff").Path() != "/staff" {
		t.Error("a forged form had an effect")
	}
	in.Post("/staff/sign-out", url.Values{}).Sees("You are signed out")
	if got := in.Get("/staff"); got.Path() != "/staff/sign-in" {
		t.Errorf("signed out, and still at %s", got.Path())
	}
}

func TestDutiesAreReadWithEveryRequest(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, admin := o.As("intake officer"), o.As("town administrator")
		ref := taken(t, intake)
		account := "/admin/accounts/" + o.Account["intake officer"].String()
		intake.Get("/admin").Is(http.StatusNotFound)
		intake.Get(account).Is(http.StatusNotFound)

		page := admin.Get(account).Sees("Intake", "Town Oversight Office", "Duty given")
		i := slices.IndexFunc(page.Links(), func(s string) bool { return strings.Contains(s, "/revoke?") })
		if i < 0 {
			t.Fatal("no way to take the duty away")
		}
		admin.Fill(page.Links()[i]).Is(http.StatusOK).Sees("The duty is taken away from Intake officer", "Revoked")
		intake.Get(at(ref)).Is(http.StatusNotFound)
		admin.Fill(account+"/grant", "duty", "investigator", "body", "town").Is(http.StatusOK).Sees("as soon as a second person has agreed")
		agreed(t, o.As("administrator"), "Intake officer")
		intake.Get(at(ref)).Is(http.StatusOK) // acted on it, and works here again

		admin.Fill(account+"/grant", "duty", "reviewer", "body", "town").Is(http.StatusUnprocessableEntity).Sees("Reviewer and Investigator exclude each other")
		admin.Fill(account+"/grant", "duty", "", "body", "", "from-day", "40", "from-month", "1", "from-year", "2026").
			Is(http.StatusUnprocessableEntity).Sees("Choose a duty.", "Choose a body.", "Enter a date with day, month and year.")
		admin.Fill(account + "/active").Sees("is shut out")
		if got := intake.Get("/staff"); got.Path() != "/staff/sign-in" {
			t.Errorf("shut out, and still at %s", got.Path())
		}
	})
}

func TestNobodyAdministersAboveOrThemselves(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	town := o.As("town administrator")
	own, above := "/admin/accounts/"+o.Account["town administrator"].String(), "/admin/accounts/"+o.Account["regional supervisor"].String()
	town.Get(own).Sees("You cannot do this to your own account")
	town.Get(own + "/grant").Is(http.StatusForbidden)
	town.Get(above).Sees("This takes a duty of administration over Regional Oversight Office")
	for _, path := range []string{"/password", "/active"} {
		town.Post(above+path, url.Values{"now": {"x"}}).Is(http.StatusForbidden).Sees("over Regional Oversight Office")
	}
	town.Post(above+"/change", url.Values{"name": {"Me"}, "lang": {"en"}}).Is(http.StatusForbidden)
	town.Get("/admin/settings").Sees("Only an administrator of the topmost body")
	town.Post("/admin/settings", url.Values{"name.en": {"Mine"}}).Is(http.StatusForbidden)
	if o.Office.Name("en") == "Mine" {
		t.Error("the office was renamed all the same")
	}
}

// agreed opens what waits for the visitor's answer and says yes.
func agreed(t *testing.T, by *journey.Visitor, person string) {
	t.Helper()
	page := by.Get("/staff/duties").Is(http.StatusOK).Sees(person, "You can decide")
	for _, link := range page.Links() {
		if strings.HasPrefix(link, "/staff/duties/answer?") {
			by.Fill(link, "answer", "agree").Is(http.StatusOK).Sees("now holds the duty")
			return
		}
	}
	t.Fatal("nothing to agree to")
}

func TestAPasswordGivenByTheOperatorHasToBeChanged(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	const password = "handed over in person"
	if err := o.Accounts.SetPassword(t.Context(), account.System(journal.ViaCLI), o.Account["newcomer"], password, true); err != nil {
		t.Fatal(err)
	}
	wen := o.Stranger()
	wen.Post("/staff/sign-in", url.Values{"login": {"newcomer"}, "password": {password}}).Is(http.StatusOK).Sees("Choose one that only you know")
	for _, path := range []string{"/staff", "/staff/queue", "/staff/account", "/staff/account/ways"} {
		if got := wen.Get(path); got.Path() != "/staff/account/password" {
			t.Errorf("got to %s before the password was changed", got.Path())
		}
	}
	wen.Fill("/staff/account/password", "old", password, "password", "short", "again", "short").Is(http.StatusUnprocessableEntity).Sees("Use at least 12 characters")
	wen.Fill("/staff/account/password", "old", password, "password", "a heron on one leg", "again", "a heron on two legs").Is(http.StatusUnprocessableEntity).Sees("are not the same")
	wen.Fill("/staff/account/password", "old", password, "password", "a heron on one leg", "again", "a heron on one leg").Is(http.StatusOK).Sees("Your password is changed", "My work")
	wen.Get("/staff/account").Sees("You hold no duty")
}

func TestFormsWorkWithoutScripts(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	ref := taken(t, intake)
	before := o.Entries()

	page := intake.Fill(at(ref, "act", "screen"), "do", "submit")
	page.Is(http.StatusUnprocessableEntity).Sees("There is a problem", "Choose one of the answers.")
	if !strings.Contains(page.Body, `href="#severity"`) || !strings.Contains(page.Body, `id="severity"`) {
		t.Error("the summary does not lead to the question")
	}
	page = intake.Send(page, "severity", "high", "do", "add:allegations", "allegations.0.place", "on the stairs")
	_, v := page.Is(http.StatusOK).Form()
	if v.Get("allegations.rows") != "2" || v.Get("severity") != "high" || v.Get("allegations.0.place") != "on the stairs" {
		t.Fatalf("after adding a row the form holds %v", v)
	}
	page = intake.Send(page, "allegations.1.official.q", "vale", "do", "find:allegations.1.official").Sees("Arden Vale", "Constable, Mill Street Station")
	page = intake.Send(page, "allegations.1.official", o.Vale.String(), "do", "add:allegations").Sees("Arden Vale (Constable, Mill Street Station)")
	page = intake.Send(page, "do", "clear:allegations.1.official")
	if _, v := page.Form(); v.Get("allegations.1.official") != "" {
		t.Errorf("the choice was not taken back: %v", v)
	}
	page = intake.Send(page, "allegations.1.official", o.Vale.String(), "allegations.1.conduct", conduct(t, intake, ref), "do", "remove:allegations.0")
	_, v = page.Form()
	if v.Get("allegations.rows") != "2" || v.Get("allegations.0.official") != o.Vale.String() || v.Get("allegations.0.place") != "" {
		t.Errorf("after taking the first row out the form holds %v", v)
	}
	if o.Entries() != before {
		t.Error("looking somebody up was recorded")
	}
	intake.Send(page, "allegations.0.time-day", "31", "allegations.0.time-month", "2", "allegations.0.time-year", "2026").
		Is(http.StatusUnprocessableEntity).Sees("Enter a date like")
	intake.Send(page, "allegations.0.time-year", "2026").Is(http.StatusOK).Sees("Done: Screen")
	if st := o.MatterOf(ref); len(st.Allegations) != 1 || st.Allegations[0].Official != o.Vale || st.Allegations[0].Time != "2026" {
		t.Errorf("recorded: %+v", st.Allegations)
	}
	intake.Fill(at(ref, "note"), "text", "").Is(http.StatusUnprocessableEntity).Sees("Fill this in.")
	intake.Fill(at(ref, "link"), "kind", "", "other", "R-00000-00000").Is(http.StatusUnprocessableEntity).Sees("Choose one of the answers.", "There is no matter with this reference")
}

func TestAReportSentTwiceIsRecordedOnce(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	form := intake.Get("/staff/new/report")
	fill := []string{"channel", "letter", "consent", "unasked", "body", "town-police", "story", "See the letter."}
	one, two := intake.Send(form, fill...), intake.Send(form, fill...)
	if a, b := referenceRx.FindString(one.Text()), referenceRx.FindString(two.Text()); a == "" || a != b {
		t.Errorf("two reports: %s and %s", a, b)
	}
	intake.Send(form, "channel", "", "body", "town-police", "story", "").Is(http.StatusUnprocessableEntity).Sees("Choose one of the answers.", "Fill this in.")
	o.As("investigator").Get("/staff/new/report").Is(http.StatusForbidden).Sees("takes the duty Intake")
}

func TestGivingSeveralAtOnce(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake := o.As("intake officer")
		a, b := taken(t, intake), taken(t, intake)
		page := intake.Get("/staff/assign?m="+a+"&m="+b).Sees("2 matters will be given", a, b, "Second intake officer")
		intake.Send(page).Is(http.StatusUnprocessableEntity).Sees("Choose one of the answers.")
		intake.Fill(at(b, "note"), "text", "Meanwhile.").Is(http.StatusOK)
		to := o.Account["second intake officer"].String()
		intake.Send(page, "to", to).Is(http.StatusConflict).Sees("Nothing was given away")
		if len(o.MatterOf(a).Assigned) != 0 {
			t.Error("half of it was given away")
		}
		intake.Fill("/staff/assign?m="+a+"&m="+b, "to", to).Is(http.StatusOK).Sees("Given to Second intake officer")
		o.As("second intake officer").Get("/staff/queue?who=mine").Sees(a, b)
		intake.Get("/staff/assign").Sees("You have not selected anything")
		// Whoever did the work does not choose who judges it.
		intake.Fill(at(a, "act", "decline"), "reason_code", "handled", "reasons", "Known.").Is(http.StatusOK)
		intake.Get("/staff/assign?m=" + a).Sees("cannot be given away by you")
	})
}

func TestSealedPartsStayShut(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, custodian, supervisor := o.As("intake officer"), o.As("custodian"), o.As("supervisor")
	ref := taken(t, intake, "name", "Quill Aldermere", "contact", "quill at the mill")
	for _, v := range []*journey.Visitor{intake, supervisor, custodian} {
		for _, path := range []string{"", "/people", "/messages", "/timeline"} {
			v.Get(at(ref)+path).Is(http.StatusOK).SeesNot("Aldermere", "quill at")
		}
	}
	intake.Get(at(ref)).Sees("Sealed: Identity of the reporter", "the custodian of identities")
	custodian.Get(at(ref)).SeesNot("He tore up the note")
	custodian.Fill(at(ref, "act", "identify"), "reasons", "A threat was made.").Is(http.StatusOK).Sees("Done: Open the reporter's identity")
	custodian.Get(at(ref, "people")).Sees("Quill Aldermere", "quill at the mill")
	intake.Get(at(ref, "people")).SeesNot("Aldermere")
	intake.Get(at(ref, "timeline")).Sees("Open the reporter's identity by Custodian")
}

func TestOverdueShowsOneLevelUp(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake, above, beside := o.As("intake officer"), o.As("regional supervisor"), o.As("officer of another town")
	ref := taken(t, intake)
	intake.Get("/staff").Sees("Nothing is overdue")
	o.Advance(8 * 24 * time.Hour)
	intake.Get("/staff").Sees("Overdue", ref, "over")
	above.Get("/staff").Sees("Overdue one level down", ref)
	above.Get("/staff/queue?overdue=yes").Sees(ref, "Overdue only")
	beside.Get("/staff/queue?status=all").SeesNot(ref)
	beside.Get(at(ref)).Is(http.StatusNotFound)
}

func TestQueueFiltersSortsAndPages(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	intake := o.As("intake officer")
	a := taken(t, intake, "body", "mill-street")
	b := taken(t, intake, "body", "town-police")
	for _, tt := range []struct {
		query     string
		has, lack []string
	}{
		{"about=mill-street", []string{a}, []string{b}},
		{"about=town-police", []string{a, b}, nil},
		{"state=screened", nil, []string{a, b}},
		{"state=received&kind=report", []string{a, b}, nil},
		{"status=closed", nil, []string{a, b}},
		{"who=mine", nil, []string{a, b}},
		{"who=free", []string{a, b}, nil},
		{"imported=yes", nil, []string{a, b}},
		{"text=Mill+Street", []string{a}, []string{b}},
		{"sort=received&desc=yes", []string{a, b}, nil},
		{"after=nonsense", nil, nil},
	} {
		page := intake.Get("/staff/queue?" + tt.query)
		if tt.query == "after=nonsense" {
			page.Is(http.StatusUnprocessableEntity)
			continue
		}
		page.Is(http.StatusOK).Sees(tt.has...).SeesNot(tt.lack...)
	}
	if got := intake.Get("/staff/queue?text=" + url.QueryEscape(strings.ToLower(strings.ReplaceAll(a, "-", " ")))); got.Path() != at(a) {
		t.Errorf("typing a reference leads to %s", got.Path())
	}
	intake.Get("/staff/queue?text=" + string(ref.NewReference("ZQV"))).Is(http.StatusOK).Sees("No matter fits") // words may look like a reference
	intake.Get("/staff/queue?state=screened").Sees("No matter fits", "Clear filters", "State: Screened")
}

// TestEveryPageInBothLanguages follows every link that each person can reach, and holds each page to what every page
// has to be. Looking changes nothing.
func TestEveryPageInBothLanguages(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	o.StartLog() // or each proof would wait for it in vain
	intake := o.As("intake officer")
	ref := taken(t, intake)
	for range 3 {
		taken(t, intake)
	}
	intake.Fill(at(ref, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, ref), "allegations.0.official", o.Vale.String()).Is(http.StatusOK)
	intake.Fill(at(ref, "act", "verify"), "lead", o.Account["investigator"].String()).Is(http.StatusOK)
	o.As("investigator").Fill(at(ref, "act", "conclude"), "conclusion", "grounds", "reasons", "There is something to it.").Is(http.StatusOK)
	o.As("reviewer").Fill(at(ref, "act", "open-case"), "answer", "A case is opened.").Is(http.StatusOK)
	o.Advance(9 * 24 * time.Hour)
	for name := range journey.People {
		o.As(name) // the first sign-in makes a key, which is recorded
	}
	before := o.Entries()
	for name := range journey.People {
		if name == "second intake officer" || name == "second investigator" {
			continue
		}
		for _, lang := range []string{"en", "zh-Hans"} {
			n := crawl(t, o.As(name).In(lang), lang)
			if n < 8 {
				t.Errorf("%s (%s) reached only %d pages", name, lang, n)
			}
		}
	}
	if missing := o.Book.Missing(); len(missing) > 0 {
		t.Errorf("texts that are in no catalogue:\n%s", strings.Join(missing, "\n"))
	}
	if o.Entries() != before {
		t.Error("looking at pages was recorded as if something had happened")
	}
}

func crawl(t *testing.T, v *journey.Visitor, lang string) int {
	t.Helper()
	seen, shapes := map[string]bool{}, map[string]int{}
	todo := []string{"/staff", "/staff/account", "/staff/new", "/staff/queue?status=all"}
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		shape := regexp.MustCompile(`\d{6,}|[A-Z]-[0-9A-Z]{5}-[0-9A-Z]{5}|proof/\d+`).ReplaceAllString(path, "*")
		if seen[path] || shapes[shape] >= 4 || strings.Contains(path, "lang=") || !strings.HasPrefix(path, "/staff") && !strings.HasPrefix(path, "/admin") {
			continue
		}
		seen[path] = true
		shapes[shape]++
		page := v.Get(path)
		if page.Status != http.StatusOK {
			t.Errorf("%s: %d\n%.300s", path, page.Status, page.Text())
		}
		check(t, path, lang, page)
		todo = append(todo, page.Links()...)
	}
	return len(seen)
}

var (
	idRx      = regexp.MustCompile(`\bid="([^"]*)"`)
	h1Rx      = regexp.MustCompile(`<h1\b`)
	controlRx = regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	forRx     = regexp.MustCompile(`<label\b[^>]*\bfor="([^"]*)"`)
)

// check holds a page to what a browser or a screen reader needs of it.
func check(t *testing.T, path, lang string, p *journey.Page) {
	t.Helper()
	if !strings.Contains(p.Body, `<html lang="`+lang+`"`) && !strings.Contains(p.Body, ` lang="`+lang+`"`) {
		t.Errorf("%s: the page does not say it is in %s", path, lang)
	}
	if n := len(h1Rx.FindAllString(p.Body, -1)); n != 1 {
		t.Errorf("%s: %d headings of the first level", path, n)
	}
	ids := map[string]bool{}
	for _, m := range idRx.FindAllStringSubmatch(p.Body, -1) {
		if ids[m[1]] {
			t.Errorf("%s: the id %q stands twice", path, m[1])
		}
		ids[m[1]] = true
	}
	labelled := map[string]bool{}
	for _, m := range forRx.FindAllStringSubmatch(p.Body, -1) {
		labelled[m[1]] = true
	}
	for _, tag := range controlRx.FindAllString(p.Body, -1) {
		id := idRx.FindStringSubmatch(tag)
		if !strings.Contains(tag, `type="hidden"`) && (id == nil || !labelled[id[1]]) {
			t.Errorf("%s: a control without a label: %s", path, tag)
		}
	}
	for _, bad := range []string{"<no value>", "ZgotmplZ", "%!", `style="`, "onclick="} {
		if strings.Contains(p.Body, bad) {
			t.Errorf("%s: the page holds %q", path, bad)
		}
	}
	if csp := p.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'self'") {
		t.Errorf("%s: content security policy %q", path, csp)
	}
}

func TestPagesOfErrorsAreInBothLanguages(t *testing.T) {
	o := journey.Open(t, world.SQLite(t))
	for lang, want := range map[string]string{"en": "Page not found", "zh-Hans": "找不到"} {
		in := o.As("intake officer").In(lang)
		for _, path := range []string{"/staff/nowhere", "/staff/matters/R-00000-00000", "/staff/matters/x", "/staff/bodies/0", "/staff/bodies/99", "/staff/officials/abc", "/admin"} {
			in.Get(path).Is(http.StatusNotFound).Sees(want)
		}
		in.Post("/staff/sign-in", url.Values{"login": {strings.Repeat("x", 2<<20)}}).Is(http.StatusUnprocessableEntity)
	}
	if missing := o.Book.Missing(); len(missing) > 0 {
		t.Error(missing)
	}
}

// A description of somebody unknown is content: it shows where the file was opened, and a case that follows says where it stands.
func TestADescriptionShowsOnlyWhereTheFileIsOpen(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := journey.Open(t, db)
		intake, investigator := o.As("intake officer"), o.As("investigator")
		report := taken(t, intake)
		intake.Fill(at(report, "act", "screen"), "severity", "low", "allegations.0.conduct", conduct(t, intake, report), "allegations.0.official.described", "a tall one with a limp").Is(http.StatusOK)
		intake.Get(at(report, "people")).Is(http.StatusOK).Sees("Described, sealed with the file").SeesNot("limp")
		intake.Get(at(report, "act", "verify")).SeesNot("limp")
		intake.Post(at(report, "open"), url.Values{"reason": {"work"}}).Is(http.StatusOK)
		intake.Get(at(report, "people")).Is(http.StatusOK).Sees("a tall one with a limp")
		intake.Get(at(report, "timeline")).Is(http.StatusOK).Sees("a tall one with a limp")
		intake.Fill(at(report, "act", "verify"), "lead", o.Account["investigator"].String()).Is(http.StatusOK)

		investigator.Get(at(report, "people")).Is(http.StatusOK).SeesNot("limp")
		form := investigator.Get(at(report, "act", "conclude")).Is(http.StatusOK)
		form.Sees("So far: Described, sealed with the file").SeesNot("limp")
		investigator.Post(at(report, "open"), url.Values{"reason": {"work"}}).Is(http.StatusOK)
		investigator.Get(at(report, "act", "conclude")).Sees("So far: a tall one with a limp")
		investigator.Send(form, "conclusion", "grounds", "reasons", "There is something to it.").Is(http.StatusOK) // what is left empty stays
		investigator.Get(at(report, "people")).Sees("a tall one with a limp")

		reviewer := o.As("reviewer")
		reviewer.Fill(at(report, "act", "open-case"), "answer", "We look into it.").Is(http.StatusOK)
		other := regexp.MustCompile(`C-[0-9A-Z]{5}-[0-9A-Z]{5}`).FindString(reviewer.Get(at(report, "related")).Text())
		reviewer.Get(at(other, "people")).Is(http.StatusOK).Sees("Described in " + report).SeesNot("limp")
	})
}
