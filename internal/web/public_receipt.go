package web

import (
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"rsc.io/qr"

	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// receiptPage is the one page on which the office says the receipt code. It is an answer to a POST and cannot be asked
// for again later: the office keeps only the code's hash.
type receiptPage struct {
	view.Shell
	Reference string
	Received  string
	Receipt   view.Receipt
	Code      string
	Next      []nextStep
	Action    string
}

// nextStep is what happens by when.
type nextStep struct{ When, What string }

var receiptView = view.Page[receiptPage]("public/receipt")

func (s *Server) reportReceipt(w http.ResponseWriter, r *http.Request, st matter.State, code ref.ReceiptCode) error {
	say := words.From(r.Context())
	page := receiptPage{
		// Another language means the same page again, with the code in what is posted: a link would lose it.
		Shell:     view.Shell{Title: say.T("public.receipt.title"), Exit: true, Keep: view.Keep{Form: "receipt", Name: ctlTo, Stay: "receipt"}},
		Reference: string(st.Matter.Ref), Received: say.Time(time.UnixMicro(st.Matter.Opened), s.Office.Zone()), Code: string(code),
		Action: "/report/" + st.Matter.Kind,
	}
	// The address stands in the picture alone: words that can be searched for in a saved page would say by which way it
	// was reached.
	svg, err := qrCode(s.origin(r) + "/follow")
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	page.Receipt = view.Receipt{Title: say.T("public.receipt.code"), Groups: code.Groups(), Hint: say.T("public.receipt.write"),
		QR: svg, QRText: say.T("public.receipt.picture")}
	if page.Next, err = s.nextSteps(say, st); err != nil {
		return err
	}
	return receiptView.Show(s.site, w, r, page)
}

// receiptAgain shows a receipt to somebody who holds it: after a change of language on the page itself.
func (s *Server) receiptAgain(w http.ResponseWriter, r *http.Request) error {
	st, code, err := s.byPostedCode(r)
	if err != nil {
		return err
	}
	return s.reportReceipt(w, r, st, code)
}

// byPostedCode finds the report whose code was posted.
func (s *Server) byPostedCode(r *http.Request) (st matter.State, code ref.ReceiptCode, err error) {
	code, err = ref.ParseReceiptCode(r.PostForm.Get(ctlCode))
	if err == nil {
		err = s.brake.Try(code)
	}
	if err == nil {
		err = s.DB.Read(r.Context(), func(tx *store.Tx) (e error) { st, e = s.Engine.ByChannel(r.Context(), tx, code); return e })
		s.tried(code, err)
		if err == nil {
			return st, code, nil
		}
	}
	return st, "", s.wrongCode(r.PostForm.Get(ctlCode), err)
}

// nextSteps says what the office owes the reporter and by when, from the clocks that run.
func (s *Server) nextSteps(say *words.Speaker, st matter.State) ([]nextStep, error) {
	_, k, err := s.Engine.PackOf(st.Matter)
	if err != nil || k == nil {
		return nil, err
	}
	clocks := slices.Clone(st.Clocks)
	slices.SortStableFunc(clocks, func(a, b matter.Clock) int { return int(a.Due/1e6 - b.Due/1e6) })
	var out []nextStep
	for _, c := range clocks {
		pc := k.Clock(c.ID)
		if pc == nil || c.State != matter.ClockRunning {
			continue
		}
		out = append(out, nextStep{When: say.Weekday(time.UnixMicro(c.Due), s.Office.Zone()), What: owed(say, pc)})
	}
	return out, nil
}

// owed is what a time limit means for the reporter.
func owed(say *words.Speaker, c *pack.Clock) string {
	switch {
	case slices.Contains(c.Until, pack.EffAcknowledge):
		return say.T("public.owed.acknowledge")
	case slices.Contains(c.Until, pack.EffFeedback):
		return say.T("public.owed.feedback")
	}
	return say.T("public.owed.step", "step", say.Text(c.Label))
}

// receiptFile is the receipt as a text file. The code is posted: it stands in no address.
func (s *Server) receiptFile(w http.ResponseWriter, r *http.Request) error {
	if err := form(r); err != nil {
		return err
	}
	st, code, err := s.byPostedCode(r)
	if err != nil {
		return err
	}
	say := words.From(r.Context())
	next, err := s.nextSteps(say, st)
	if err != nil {
		return err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s", s.Office.Name(say.Lang()))
	line("%s", say.T("public.receipt.title"))
	line("")
	line("%s: %s", say.T("public.reference"), st.Matter.Ref)
	line("%s: %s", say.T("public.received"), say.Time(time.UnixMicro(st.Matter.Opened), s.Office.Zone()))
	line("%s:", say.T("public.receipt.code"))
	line("")
	line("    %s", strings.Join(code.Groups(), "  "))
	line("")
	line("%s", say.T("public.receipt.lost"))
	line("")
	line("%s", say.T("public.receipt.next"))
	for _, n := range next {
		line("- %s: %s", n.When, n.What)
	}
	line("")
	line("%s", say.T("public.receipt.come"))
	w.Header().Set("Content-Disposition", `attachment; filename="receipt.txt"`)
	return plainText(w, "\ufeff"+b.String()) // the mark makes old editors read Chinese as it is
}

// qrCode draws the address of the page where one comes back. The secret is not in it: what reads such a picture may keep
// it, send it on or open it at once, and a photograph of the receipt's address gives nothing away.
func qrCode(address string) (template.HTML, error) {
	if last := lastQR.Load(); last != nil && last.address == address {
		return last.drawn, nil
	}
	drawn, err := drawQR(address, qr.M, 132)
	if err == nil {
		lastQR.Store(&addressQR{address, drawn})
	}
	return drawn, err
}

// lastQR is the picture drawn last: an office is reached by one address, or two.
var lastQR atomic.Pointer[addressQR]

type addressQR struct {
	address string
	drawn   template.HTML
}

func drawQR(text string, level qr.Level, pixels int) (template.HTML, error) {
	code, err := qr.Encode(text, level)
	if err != nil {
		return "", err
	}
	const quiet = 4 // modules of white around, as the standard asks
	size := code.Size + 2*quiet
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" shape-rendering="crispEdges" aria-hidden="true" focusable="false"><rect width="%d" height="%d" fill="#fff"/><path fill="#14263b" d="`,
		size, size, pixels, pixels, size, size)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			run := 0
			for code.Black(x+run, y) {
				run++
			}
			if run > 0 {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return template.HTML(b.String()), nil //nolint:gosec // nothing in it but numbers
}
