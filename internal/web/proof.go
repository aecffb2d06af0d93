package web

import (
	"context"
	"encoding/hex"
	"errors"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"rsc.io/qr"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// A receipt proves that an entry of the record exists, offline and to anybody. These pages hand it out: as a page to print, a
// file, and a picture for a phone. They are drawn anew each time, under the newest published checkpoint; asking for one
// changes nothing.

// proofPage shows a receipt.
type proofPage struct {
	view.Shell
	Heading     string
	Lede        string
	Facts       view.SummaryList
	Fingerprint []string // of the entry in the log, in groups
	Order       *view.Note
	Missed      []string
	Steps       []proofStep
	Complete    string // what the numbers of the steps say
	QR          template.HTML
	QRText      string
	Save        []proofSave
	Others      []view.Link // receipts of other entries
	Letter      string
}

// proofStep is an entry of the matter in plain words.
type proofStep struct {
	N        int64
	What     string
	At       time.Time // zero: not told
	Position uint64
	Told     bool
	Tag      *view.Tag
}

// proofSave is a button that saves the receipt as a file.
type proofSave struct {
	Text   string
	Button string
	Get    bool
	Action string
	Hidden []view.Hidden
	Quiet  bool // behind a fold: it is not what most people should take
}

// proofLater says that a receipt is not ready yet, and lets one ask again.
type proofLater struct {
	view.Shell
	Get    bool
	Action string
	Hidden []view.Hidden
}

var (
	proofView      = view.Page[proofPage]("public/proof")
	proofLaterView = view.Page[proofLater]("public/proof-later")
)

// proofWait is how long a reader waits for a receipt of something that was recorded a moment ago.
const proofWait = 2 * time.Second

// settled waits until the newest checkpoint covers an entry. That it did not come in time is no error here: what the
// receipt is about may be covered all the same.
func (s *Server) settled(ctx context.Context, stream string, n int64) error {
	if s.Ledger == nil {
		return ledger.ErrNone
	}
	err := s.Ledger.Wait(ctx, stream, n, proofWait)
	if notYet(err) {
		return nil
	}
	return err
}

// notYet tells of a receipt that will be there in a moment.
func notYet(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Kind == fault.Unavailable && f.Key == "ledger.notyet"
}

// steps are the further entries of a matter that a receipt proves: all that the checkpoint covers, but for the one it is
// about. Those that open says no to stand there as commitments alone: that something was recorded, and when in order.
func steps(history []matter.Event, but int64, size uint64, open func(matter.Event) bool) (out []ledger.Step) {
	for _, e := range history {
		if e.N != but && covered(e, size) {
			out = append(out, ledger.Step{Stream: e.Stream, N: e.N, As: verify.AsStep, Open: open(e)})
		}
	}
	return out
}

func covered(e matter.Event, size uint64) bool { return e.Index > 0 && uint64(e.Index) <= size }

// checkpointFacts are what a receipt rests on, in words.
func (s *Server) checkpointFacts(say *words.Speaker, c ledger.Checkpoint, r verify.Receipt) (rows []view.SummaryRow, fingerprint []string) {
	rows = []view.SummaryRow{
		{Key: say.T("proof.position"), Value: say.T("proof.position.of", "n", r.Proof.Index+1, "size", c.Size)},
		{Key: say.T("proof.checkpoint"), Value: say.T("proof.checkpoint.at", "time", say.Time(c.At, s.Office.Zone()))},
	}
	if origin, _, ok := strings.Cut(string(r.Proof.Checkpoint), "\n"); ok {
		rows = append(rows, view.SummaryRow{Key: say.T("proof.log"), Value: origin})
	}
	commitment := r.Commitment()
	return rows, inGroups(hex.EncodeToString(commitment[:]), 8)
}

// said opens for a receipt what an entry seals, compartment by compartment, and names those that stay closed: because the
// reader may not see them, or their keys do not open them. What an entry seals of a file stays closed always: with it goes
// the salt, which is given away on purpose or not at all.
func said(o *vault.Opener, e journal.Entry, may func(compartment string) bool) (open map[string]verify.Said, closed []string) {
	open = map[string]verify.Said{}
	for _, c := range slices.Sorted(maps.Keys(e.Sealed)) {
		if e.Action != matter.ActionAttach && may(c) {
			if salt, content, err := matter.Said(o, e, c); err == nil {
				open[c] = verify.Said{Salt: salt[:], Content: content}
				continue
			}
		}
		closed = append(closed, c)
	}
	return open, closed
}

// saying puts what may be opened into a receipt whose entry is open.
func saying(r *verify.Receipt, open map[string]verify.Said) {
	if r.Opening.Whole.Hash == nil && len(open) > 0 {
		r.Opening.Said = open
	}
}

func inGroups(s string, size int) (out []string) {
	for len(s) > size {
		out, s = append(out, s[:size]), s[size:]
	}
	return append(out, s)
}

// proofQR puts the entry of a receipt into the address of the page that checks it, behind the #: a browser keeps that to
// itself. Further steps and long signatures do not fit into a picture, and are left to the file.
func (s *Server) proofQR(r *http.Request, say *words.Speaker, receipt verify.Receipt) (template.HTML, string) {
	short, err := receipt.Short()
	if err != nil {
		return "", say.T("proof.qr.none")
	}
	text, err := short.Marshal()
	if err != nil {
		return "", say.T("proof.qr.none")
	}
	const most = 1900 // signs; more makes a picture that phones do not read off a printout
	address := s.origin(r) + "/verify#" + verify.Fragment(text)
	if len(address) > most {
		return "", say.T("proof.qr.long")
	}
	svg, err := drawQR(address, qr.L, 420)
	if err != nil {
		return "", say.T("proof.qr.long")
	}
	if len(receipt.Further) > 0 {
		return svg, say.T("proof.qr") + " " + say.T("proof.qr.steps")
	}
	return svg, say.T("proof.qr")
}

// sendProof sends a receipt as a file.
func sendProof(w http.ResponseWriter, name string, r verify.Receipt) error {
	text, err := r.Marshal()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Cache-Control", "no-store")
	return plainText(w, string(text)) // exactly these bytes: a mark or other line ends would break the proof
}

// orderNote says what came first, in words.
func orderNote(say *words.Speaker, f matter.Forward) *view.Note {
	p, lead := f.Order()
	args := []any{"told", f.Disclosure.Told.Place, "named", f.Disclosure.Named.Place, "lead", lead.Place, "upto", f.UpTo}
	n := &view.Note{Title: say.T("forward.title")}
	switch p {
	case matter.Before:
		n.Tone, n.Text = view.Success, say.T("forward.before", args...)
	case matter.After:
		n.Tone, n.Text = view.Waiting, say.T("forward.after", args...)
	case matter.Between:
		n.Tone, n.Text = view.Soon, say.T("forward.between", args...)
	case matter.NoLead:
		n.Tone, n.Text = view.Success, say.T("forward.none", args...)
	default:
		n.Text = say.T("forward.unknown")
	}
	return n
}

// forwardOf is what the record holds on an official who came forward by a matter; nil for every other matter.
func (s *Server) forwardOf(ctx context.Context, tx *store.Tx, st matter.State) (*matter.Forward, error) {
	f, ok, err := s.Engine.Forward(ctx, tx, st)
	if err != nil || !ok {
		return nil, err
	}
	return &f, nil
}
