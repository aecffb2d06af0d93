package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Reports that reach the office by telephone, letter, e-mail or visit are keyed in by staff. Whoever reported gets the same
// receipt as everybody else, with the code by which they can follow the report, and the office keeps the code as little.

// fieldChannel is the field that says by what way a report came. A pack that has none is asked here, and a note says it.
const fieldChannel = "channel"

// inOrderOfKeying puts what only staff are asked in front: how it came is known before what it says.
func inOrderOfKeying(fields []pack.Field) []pack.Field {
	out := slices.Clone(fields)
	slices.SortStableFunc(out, func(a, b pack.Field) int {
		switch {
		case a.Staff == b.Staff:
			return 0
		case a.Staff:
			return -1
		}
		return 1
	})
	return out
}

// keyedIn are the fields as staff answer them: what only they are asked counts like any other.
func keyedIn(fields []pack.Field) []pack.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].Staff = false
	}
	return out
}

// channels are the ways in which a report can come to staff, where the pack has no list of them.
func channels(say *words.Speaker) []view.Option {
	var out []view.Option
	for _, c := range []string{"hotline", "letter", "visit", "other"} {
		out = append(out, view.Option{Value: c, Text: say.T("staff.channel." + c)})
	}
	return out
}

// noteChannel notes how a report came in. Where it was routed to a desk the reader does not see into, it stays unsaid.
func (s *Server) noteChannel(r *http.Request, tx *store.Tx, st matter.State) error {
	say := words.From(r.Context())
	f, err := s.Engine.Facts(r.Context(), tx, st)
	if err != nil {
		return err
	}
	_, k, err := s.Engine.PackOf(st.Matter)
	if err != nil || k == nil || access.MayOpen(viewer(r), k, f, access.File) != nil {
		return err
	}
	_, err = s.Engine.Note(r.Context(), tx, viewer(r), keys(r), st.Matter.ID, say.T("staff.new.noted", "channel", say.T("staff.channel."+r.PostForm.Get("channel"))), journal.ViaWeb)
	return err
}

// ctlJoined says that an answer goes to the reporters of joined reports too.
const ctlJoined = "_joined"

// offerJoined offers, where a step answers the reporter of a report that others were joined to, to tell them as well.
func (s *Server) offerJoined(ctx context.Context, tx *store.Tx, d *dossier, a *pack.Action, m *formMaker, page *stepForm) error {
	if matter.AnswerOf(a) == nil {
		return nil
	}
	joined, err := s.Engine.Joined(ctx, tx, d.state)
	if err != nil || len(joined) == 0 {
		return err
	}
	in := view.Input{Kind: view.Checkboxes, Name: ctlJoined, Label: m.say.T("staff.joined"), Size: "s", Hint: m.say.T("staff.joined.hint"),
		Options: []view.Option{{Value: "yes", Text: m.say.N("staff.joined.send", int64(len(joined)))}}}
	if len(m.sent) == 0 || m.sent.Get(ctlJoined) != "" {
		in = in.Choose("yes")
	}
	page.Parts = append(page.Parts, m.input(in))
	return nil
}

// staffReceipt is the page with the code to hand over.
type staffReceipt struct {
	view.Shell
	Receipt view.Receipt
	Code    string
	Facts   view.SummaryList
	Next    []nextStep
}

var staffReceiptView = view.Page[staffReceipt]("staff/receipt")

// showReceipt shows the code to hand over. It answers the POST itself: the code is kept nowhere.
func (s *Server) showReceipt(w http.ResponseWriter, r *http.Request, st matter.State, code ref.ReceiptCode) error {
	say := words.From(r.Context())
	page := staffReceipt{Shell: view.Shell{Title: say.T("staff.receipt.title"), Staff: true, Crumbs: crumbs(say)}, Code: string(code)}
	rows := []view.SummaryRow{{Key: say.T("staff.reference"), Value: string(st.Matter.Ref)}, {Key: say.T("staff.received"), Value: say.Date(st.Matter.Received)}}
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		names, err := s.bodyNames(r.Context(), tx, say)
		if err != nil {
			return err
		}
		rows = append(rows, view.SummaryRow{Key: say.T("staff.with"), Value: say.T("staff.duty.at", "duty", s.duty(say, st.Matter.Desk), "body", names.name(st.Matter.DeskBody))})
		if _, _, err := s.visible(r.Context(), tx, viewer(r), string(st.Matter.Ref)); err == nil {
			rows[0] = view.SummaryRow{Key: say.T("staff.reference"), Link: view.Link{Text: string(st.Matter.Ref), Href: matterHref(st.Matter.Ref)}}
		} else if !fault.Is(err, fault.NotFound) {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	rows = append(rows, view.SummaryRow{Key: say.T("staff.receipt.keyed"), Value: say.T("staff.receipt.keyed.by", "name", viewer(r).Name, "time", say.Time(time.UnixMicro(st.Matter.Opened), s.Office.Zone()))})
	page.Facts = view.SummaryList{Rows: rows}
	address := s.origin(r) + "/follow"
	svg, err := qrCode(address)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	page.Receipt = view.Receipt{Title: say.T("staff.receipt.code"), Groups: code.Groups(), Hint: say.T("staff.receipt.hint"),
		QR: svg, QRText: say.T("public.receipt.qr", "address", address)}
	if page.Next, err = s.nextSteps(say, st); err != nil {
		return err
	}
	return staffReceiptView.Show(s.site, w, r, page)
}
