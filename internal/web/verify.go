package web

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"

	"plumbline/internal/ledger"
	"plumbline/internal/pack"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// verifyPage checks receipts in the reader's browser. The server sends the same page to everybody, and nothing of a receipt
// ever comes back to it: the page may not open connections, and has no form.
type verifyPage struct {
	view.Shell
	Keys    string // of this office's log, those that browsers can check
	Older   string // those that were replaced
	Origins string // names of this office's log, for whose receipts Names holds
	Zone    string
	Words   []verifyWord
	Names   []verifyWord
}

// verifyWord is a text that the page's script shows, finished but for values in braces.
type verifyWord struct{ Key, Text string }

var verifyView = view.Page[verifyPage]("public/verify")

// verifyWords are the texts the script asks for, apart from those of flaws; a test compares them with it.
var verifyWords = []string{
	"holds", "holds.text", "fails", "fails.text", "fails.where", "fails.what", "fails.name", "fails.do", "where.line", "where.entry", "where.further",
	"proves", "proves.log", "proves.place", "proves.entry", "proves.witness",
	"steps", "step", "step.this", "step.lead", "step.closed", "step.clock", "missed", "missed.text", "missed.line", "said", "said.text", "written", "written.text",
	"not", "not.closed", "not.sealed", "not.gap", "not.gaps", "not.later", "not.true", "not.split", "not.time", "not.witness",
	"problem", "unable", "unable.old", "nothing", "key.none", "key.form", "key.id", "key.skipped",
}

// verifyValues are what the script puts in: each text of verifyWords may name any of them.
var verifyValues = []any{
	"origin", "{origin}", "size", "{size}", "key", "{key}", "position", "{position}", "n", "{n}", "stream", "{stream}", "action", "{action}",
	"time", "{time}", "name", "{name}", "clock", "{clock}", "from", "{from}", "to", "{to}", "line", "{line}", "last", "{last}",
}

func (s *Server) verifyReceipt(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	page := verifyPage{Shell: view.Shell{Title: say.T("verify.title"), Exit: true}, Zone: s.Office.Zone().String()}
	var events []ledger.KeyEvent
	if err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { events, err = s.Ledger.KeyEvents(r.Context(), tx); return err }); err != nil {
		return err
	}
	page.Keys, page.Older, page.Origins = keysForBrowsers(events)
	for _, key := range verifyWords {
		page.Words = append(page.Words, verifyWord{key, say.T("verify.say."+key, verifyValues...)})
	}
	for _, code := range verify.FlawCodes() {
		page.Words = append(page.Words, verifyWord{"flaw." + code, say.T("verify.flaw." + code)}, verifyWord{"do." + code, say.T("verify.do." + code)})
	}
	for _, c := range sealedParts {
		page.Names = append(page.Names, verifyWord{"part:" + c, compartmentName(say, c)})
	}
	if p := s.Office.Active(); p != nil {
		page.Names = append(page.Names, stepNames(say, p)...)
	}
	// No connection at all may leave this page, not even to this office.
	w.Header().Set("Content-Security-Policy", w.Header().Get("Content-Security-Policy")+"; connect-src 'none'")
	return verifyView.Show(s.site, w, r, page)
}

// keysForBrowsers splits the keys of the log into those that sign now and older ones, as lines, without those that no
// browser can check, and lists the names the log has had.
func keysForBrowsers(events []ledger.KeyEvent) (now, older, origins string) {
	_, inForce := ledger.InForce(events)
	var before, names []string
	for _, e := range events {
		if !slices.Contains(names, e.Origin) && e.Origin != "" {
			names = append(names, e.Origin)
		}
		for _, k := range slices.Concat(e.Keys, e.Old) {
			if !slices.Contains(inForce, k) && !slices.Contains(before, k) {
				before = append(before, k)
			}
		}
	}
	lines := func(keys []string) string {
		return strings.Join(slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !browsersCheck(k) }), "\n")
	}
	return lines(inForce), lines(before), strings.Join(names, "\n")
}

// browsersCheck reports whether a key is an Ed25519 one, which browsers know.
func browsersCheck(vkey string) bool {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) < 3 {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	return err == nil && len(key) == 33
}

// stepNames are what this office calls its steps, its time limits and what its forms ask. A receipt names them by their names in the procedure; one
// that two kinds of matters use for different things has no words of its own.
func stepNames(say *words.Speaker, p *pack.Pack) (out []verifyWord) {
	texts := map[string]string{}
	var order []string
	add := func(key, text string) {
		if had, there := texts[key]; !there {
			order = append(order, key)
			texts[key] = text
		} else if had != text {
			texts[key] = ""
		}
	}
	for i := range p.Kinds {
		for _, a := range p.Kinds[i].Actions {
			add("action:"+a.ID, say.Text(a.Label))
			for _, f := range a.Fields {
				add("field:"+f.ID, say.Text(f.Label))
			}
		}
		for _, f := range p.Kinds[i].Fields {
			add("field:"+f.ID, say.Text(f.Label))
		}
		for _, c := range p.Kinds[i].Clocks {
			add("clock:"+c.ID, say.Text(c.Label))
		}
	}
	for i := range p.Questionnaires {
		for _, f := range p.Questionnaires[i].Fields {
			add("field:"+f.ID, say.Text(f.Label))
		}
	}
	add("field:text", say.T("staff.note"))
	for _, own := range []string{"open", "import", "note", "attach", "link", "assign", "clock.missed", "clock.over"} {
		add("action:"+own, say.T("verify.action."+own))
	}
	for _, key := range order {
		if texts[key] != "" {
			out = append(out, verifyWord{key, texts[key]})
		}
	}
	return out
}
