package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha3"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/likeness"
	"plumbline/internal/matter"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// What guards the way in: honest reports go before a flood (package intake), reports that say the same are found
// (package likeness), and what a network shows of a visit (sizes, addresses) says as little as can be.

// guards is the part of the Server that does it.
type guards struct {
	gate  *intake.Gate
	walks *intake.Walks
	like  *likeness.Index
}

func newGuards(d Deps) guards {
	key := d.Engine.Vault().OfficeKey().Derive
	return guards{gate: intake.NewGate(d.Flood, time.Now), walks: intake.NewWalks(key("walk"), d.Now), like: likeness.New(key("likeness"))}
}

// Inputs of the guards in the report form.
const (
	ctlWalk = "_walk"        // the note of the walk: see intake.Walks
	ctlTask = "_task"        // the small puzzle, for browsers that run scripts
	ctlWork = "_work"        // its solution
	ctlTrap = "your.website" // the field that no person can see; ids of fields hold no dots
)

// approach is what a request shows of how a report is being written.
type approach struct {
	walk, work string
	trapped    bool
}

func approachOf(form url.Values) approach {
	return approach{walk: form.Get(ctlWalk), work: form.Get(ctlWork), trapped: strings.TrimSpace(form.Get(ctlTrap)) != ""}
}

// hidden is what the next page carries along of it.
func (a approach) hidden(s *Server, secret string) []view.Hidden {
	work := a.work
	if !intake.Works(intake.Task(secret), work) {
		work = ""
	}
	return []view.Hidden{{Name: ctlWalk, Value: s.walks.Step(secret, a.walk, a.trapped)}, {Name: ctlTask, Value: intake.Task(secret)}, {Name: ctlWork, Value: work}}
}

// admitted files a report when its turn has come. Nothing that was sent is dropped: what looks like the work of a machine
// is filed too, and marked for staff; what cannot be taken now is answered with intake.ErrBusy, and the page that says
// so keeps everything.
func (s *Server) admitted(r *http.Request, d *draft, code ref.ReceiptCode, cmd matter.OpenCmd) (matter.State, error) {
	rank, marks := s.walks.Judge(d.secret, code, d.approach.walk, d.approach.work, d.approach.trapped)
	leave, err := s.gate.Enter(r.Context(), rank, r.RemoteAddr)
	if err != nil {
		return matter.State{}, err
	}
	defer leave()
	st, err := s.file(r.Context(), code, cmd, s.noting(d.p, cmd), marked(marks))
	if err == nil {
		s.walks.Sent(d.secret, code)
	}
	return st, err
}

// crowded reports whether a report that did not come through the form has to be sent again later, before anything is done
// for it: the pages of honest people must not wait for what is turned away.
func (s *Server) crowded(r *http.Request, d *draft) bool {
	return s.gate.Spent(r.RemoteAddr) && !s.walks.Walked(d.secret, d.approach.walk, d.approach.trapped)
}

// busyPage holds a report that could not be taken yet, and the button that sends it.
type busyPage struct {
	view.Shell
	Action string
	Hidden []view.Hidden
}

var busyView = view.Page[busyPage]("public/busy")

func (s *Server) comeBack(w http.ResponseWriter, r *http.Request, d *draft) error {
	hidden, err := d.hidden("check")
	if err != nil {
		return err
	}
	busy(w, intake.ErrBusy)
	say := words.From(r.Context())
	page := busyPage{Shell: view.Shell{Title: say.T("guard.busy.title"), Exit: true, Keep: view.Keep{Form: answersForm, Name: ctlTo, Stay: "stay"}}, Action: d.action(), Hidden: hidden}
	return busyView.ShowStatus(s.site, w, r, http.StatusServiceUnavailable, page)
}

// guardPrivacy says what the guards look at, for the privacy page.
func (s *Server) guardPrivacy(say *words.Speaker) []string {
	out := []string{say.T("guard.privacy.side"), say.T("guard.privacy.walk"), say.T("guard.privacy.alike"), say.T("guard.privacy.size")}
	if s.Notices.On() {
		out = append(out, say.T("notice.reporter.kept"))
	}
	return out
}

// filed is something that is written with a report, in the same transaction.
type filed func(ctx context.Context, tx *store.Tx, id ref.MatterID) error

// noting keeps how alike a report is to others. The sketch is made here and now, before the database is waited for.
func (s *Server) noting(p *pack.Pack, cmd matter.OpenCmd) filed {
	sketch := s.like.Sketch(tellingTexts(p, cmd))
	return func(ctx context.Context, tx *store.Tx, id ref.MatterID) error {
		return s.like.Note(ctx, tx, id, sketch)
	}
}

// tellingTexts are the answers that tell what happened: long texts, in the order of the form. Who the reporter is never
// is among them.
func tellingTexts(p *pack.Pack, cmd matter.OpenCmd) (out []string) {
	k := p.Kind(cmd.Kind)
	if k == nil {
		return nil
	}
	for i := range k.Fields {
		f := &k.Fields[i]
		if f.Sealed == "identity" || f.Type != pack.TypeLong && f.Type != pack.TypeText && f.Type != pack.TypeReasons {
			continue
		}
		if text, ok := cmd.Fields[f.ID].(string); ok {
			out = append(out, text)
		}
	}
	return out
}

// marked keeps what is unusual about how a report came in.
func marked(marks []string) filed {
	return func(ctx context.Context, tx *store.Tx, id ref.MatterID) error {
		if len(marks) == 0 {
			return nil
		}
		now, err := tx.Now(ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO filing (matter, at, marks) VALUES ($1, $2, $3)`, id, now.UnixMicro(), strings.Join(marks, " "))
		return err
	}
}

// forgetGuard takes away what the guards keep of a matter; it goes with the report.
func forgetGuard(ctx context.Context, tx *store.Tx, like *likeness.Index, id ref.MatterID) error {
	if _, err := tx.Exec(ctx, `DELETE FROM filing WHERE matter = $1`, id); err != nil {
		return err
	}
	return like.Forget(ctx, tx, id)
}

// tried notes that a code was looked up: see intake.Brake.
func (s *Server) tried(code ref.ReceiptCode, err error) {
	if fault.Is(err, fault.NotFound) {
		s.brake.WrongCode(code)
	}
}

// busy tells a browser when to try again, if that is what went wrong.
func busy(w http.ResponseWriter, err error) bool {
	if !errors.Is(err, intake.ErrBusy) {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(intake.RetryAfter.Seconds())))
	return true
}

// Pages are padded to few sizes, so that whoever watches the network cannot tell by the size of an answer which page it
// was, whether a code was right, or whether a sign-in worked. Everything up to smallestPage looks the same; above, sizes
// double. The padding is random text, which no compression on the way makes smaller again. How many answers there were, and
// when, is not hidden.
const smallestPage = 32 << 10

// padded pads the pages and redirections that next answers with. Files, which may be large, pass through as they are.
func padded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &padder{ResponseWriter: w}
		next.ServeHTTP(p, r)
		p.finish()
	})
}

type padder struct {
	http.ResponseWriter
	status int
	held   bool // the answer is a page: it is held back until it is whole
	body   bytes.Buffer
}

func (p *padder) WriteHeader(status int) {
	if p.status != 0 {
		return
	}
	if status < 200 { // an interim answer
		p.ResponseWriter.WriteHeader(status)
		return
	}
	p.status = status
	redirected := status == http.StatusSeeOther || status == http.StatusFound || status == http.StatusMovedPermanently
	if p.held = redirected || strings.HasPrefix(p.Header().Get("Content-Type"), "text/html"); !p.held {
		p.ResponseWriter.WriteHeader(status)
	}
}

func (p *padder) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.WriteHeader(http.StatusOK)
	}
	if p.held {
		return p.body.Write(b)
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (p *padder) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *padder) finish() {
	if !p.held {
		return
	}
	h := p.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	const comment = len("<!---->")
	size := smallestPage
	head := len(http.StatusText(p.status)) + headerSize(h)
	for size < head+p.body.Len()+comment {
		size *= 2
	}
	p.body.WriteString("<!--")
	p.body.Write(noise(size - head - p.body.Len() - len("-->")))
	p.body.WriteString("-->")
	h.Set("Content-Length", strconv.Itoa(p.body.Len()))
	p.ResponseWriter.WriteHeader(p.status)
	_, _ = p.body.WriteTo(p.ResponseWriter) // the reader has gone; there is nobody left to tell
}

// headerSize is how much room the header takes that differs between answers.
func headerSize(h http.Header) (n int) {
	for name, values := range h {
		if name == "Content-Length" {
			continue
		}
		for _, v := range values {
			n += len(name) + len(": ") + len(v) + len("\r\n")
		}
	}
	return n
}

// noise is n random letters and digits.
func noise(n int) []byte {
	raw := make([]byte, base64.RawStdEncoding.DecodedLen(n)+1)
	_, _ = rand.Read(raw) // never fails
	return base64.RawStdEncoding.AppendEncode(nil, raw)[:n]
}

// onion tells Tor Browser that the public pages are to be had without leaving Tor.
func (s *Server) onion(next http.Handler) http.Handler {
	if s.Onion == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		if reads && !isOnion(r.Host) && !strings.HasPrefix(r.URL.Path, "/staff") && !strings.HasPrefix(r.URL.Path, "/admin") {
			w.Header().Set("Onion-Location", "http://"+s.Onion+r.URL.EscapedPath())
		}
		next.ServeHTTP(w, r)
	})
}

func isOnion(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return strings.HasSuffix(strings.ToLower(name), ".onion")
}

// OnionAddress reads the address of an onion service (version 3) as people write it, and checks the sum that every such
// address carries: a wrong letter would lead reporters to nowhere, or to somebody else.
func OnionAddress(s string) (string, error) {
	wrong := fault.New(fault.Invalid, "guard.onion", nil)
	name := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "http://"), "/"))
	label, ok := strings.CutSuffix(name, ".onion")
	if i := strings.LastIndexByte(label, '.'); i >= 0 { // names before the key are the service's own
		label = label[i+1:]
	}
	raw, err := base32.StdEncoding.DecodeString(strings.ToUpper(label))
	if !ok || err != nil || len(raw) != 35 || raw[34] != 3 || strings.ContainsAny(name, "/:@ ") {
		return "", wrong
	}
	sum := sha3.Sum256(append(append([]byte(".onion checksum"), raw[:32]...), 3))
	if sum[0] != raw[32] || sum[1] != raw[33] {
		return "", wrong
	}
	return name, nil
}
