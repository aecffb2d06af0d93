package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/intake"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// filesPage shows a reporter what they sent, and takes more.
type filesPage struct {
	view.Shell
	Form    *fileForm // nil: nothing more is taken
	Closed  string    // why
	Sent    []sentFile
	Details string // address of the file of fingerprints
}

// sentFile is a file as its sender knows it, with what proves it later.
type sentFile struct {
	Name, Size, Type, At string
	SHA256, Salt         string
	Proof                string
	N                    int64
}

var filesView = view.Page[filesPage]("public/files")

// reporterInbox is where files of the report go that is open in this browser.
func (s *Server) reporterInbox(r *http.Request) (inbox, ref.ReceiptCode, error) {
	code, err := s.visited(r)
	if err != nil {
		return inbox{}, "", err
	}
	var st matter.State
	var by journal.Actor
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		st, by, err = s.Engine.MayReporterAttach(r.Context(), tx, code)
		return err
	})
	if err != nil {
		return inbox{}, code, err
	}
	keys := vault.ReporterKeys(code)
	return inbox{
		place: exhibit.Place{Matter: st.Matter.ID, Compartment: access.File}, home: "/follow/files", over: "files.say.over",
		seal: s.Engine.SealFile(by, keys, st.Matter.ID), secret: keys.Derive("upload"),
		attach: func(ctx context.Context, tx *store.Tx, f exhibit.File) (int64, error) {
			return s.Engine.ReporterAttach(ctx, tx, code, f, journal.ViaWeb)
		},
	}, code, nil
}

// reporterFiles shows the page.
func (s *Server) reporterFiles(w http.ResponseWriter, r *http.Request) error {
	return s.showReporterFiles(w, r, nil)
}

func (s *Server) showReporterFiles(w http.ResponseWriter, r *http.Request, came []fileArrival) error {
	in, code, closed := s.reporterInbox(r)
	if closed != nil && code == "" {
		return s.visitOver(w, r, closed)
	}
	if closed != nil && !fault.Is(closed, fault.Conflict) {
		return closed
	}
	ctx, say := r.Context(), words.From(r.Context())
	page := filesPage{
		Shell:   view.Shell{Title: say.T("files.title"), Exit: true, Crumbs: []view.Link{{Text: say.T("public.status.title"), Href: "/follow"}}},
		Details: "/follow/files/details",
	}
	err := s.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page.Sent, err = s.sentFiles(ctx, tx, say, code)
		return err
	})
	if err != nil {
		return err
	}
	if closed != nil {
		page.Closed = say.Fault(closed).Message
	} else {
		form, err := s.fileForm(ctx, say, in)
		if err != nil {
			return err
		}
		form.sort(came)
		page.Form = &form
		page.Errors = form.summary(say)
	}
	status := http.StatusOK
	if len(page.Errors.Items) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return filesView.ShowStatus(s.site, w, r, status, page)
}

// sort tells what arrived from what did not.
func (f *fileForm) sort(came []fileArrival) {
	for _, a := range came {
		if a.Why == "" {
			f.Arrived = append(f.Arrived, a)
		} else {
			f.Errors = append(f.Errors, a)
		}
	}
}

func (f *fileForm) summary(say *words.Speaker) (sum view.ErrorSummary) {
	for _, a := range f.Errors {
		sum.Items = append(sum.Items, view.Link{Text: say.T("files.not", "name", a.Name, "why", a.Why), Href: "#file"})
	}
	return sum
}

// sentFiles are the files that the reporter sent, newest first.
func (s *Server) sentFiles(ctx context.Context, tx *store.Tx, say *words.Speaker, code ref.ReceiptCode) (out []sentFile, err error) {
	v, err := s.reporterView(ctx, tx, say, code)
	if err != nil {
		return nil, err
	}
	for _, e := range v.history {
		if e.Action != matter.ActionAttach || !v.byReporter(e.Entry) {
			continue
		}
		values, _ := matter.Content(v.opener, e.Entry, access.Reporter)
		a, ok := matter.AttachedOf(values)
		if !ok {
			continue
		}
		out = append(out, sentFile{Name: a.Name, Size: say.Bytes(a.Size), Type: a.Type, At: say.Time(e.At, s.Office.Zone()), SHA256: a.SHA256, Salt: a.Salt, N: e.N,
			Proof: visitDoor.file + "?words=yes&n=" + strconv.FormatInt(e.N, 10)})
	}
	slices.Reverse(out)
	return out, nil
}

// fileCount is how many files the reporter sent.
func (v *reporterView) fileCount() (n int) {
	for _, e := range v.history {
		if e.Action == matter.ActionAttach && v.byReporter(e.Entry) {
			n++
		}
	}
	return n
}

// addReporterFiles takes the files of the form.
func (s *Server) addReporterFiles(w http.ResponseWriter, r *http.Request) error {
	in, code, err := s.reporterInbox(r)
	if err != nil && code == "" {
		return s.visitOver(w, r, err)
	}
	if err != nil {
		return err
	}
	came, err := s.receiveForm(w, r, in)
	if err != nil {
		return err
	}
	if !s.allArrived(w, came) {
		return s.showReporterFiles(w, r, orNone(came, words.From(r.Context())))
	}
	return view.Redirect(w, r, in.home)
}

// allArrived says so on the next page.
func (s *Server) allArrived(w http.ResponseWriter, came []fileArrival) bool {
	if len(came) == 0 || slices.ContainsFunc(came, func(a fileArrival) bool { return a.Why != "" }) {
		return false
	}
	s.site.Flash(w, view.Success, "flash.files.added", map[string]any{"n": len(came)})
	return true
}

func orNone(came []fileArrival, say *words.Speaker) []fileArrival {
	if len(came) == 0 {
		return []fileArrival{{Name: say.T("files.choose"), Why: say.T("files.none")}}
	}
	return came
}

// reporterPieces answers the script of a reporter's page.
func (s *Server) reporterPieces(handle func(http.ResponseWriter, *http.Request, inbox) error) view.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, _, err := s.reporterInbox(r)
		if errors.Is(err, intake.ErrOver) {
			return sayJSON(w, http.StatusUnauthorized, told{Over: true, Error: words.From(r.Context()).T("files.say.over")})
		}
		if err != nil {
			return inJSON(w, r, err)
		}
		if r.Method == http.MethodPost {
			if err := form(r); err != nil {
				return inJSON(w, r, err)
			}
		}
		return handle(w, r, in)
	}
}

// reporterFileDetails is what proves the files later, as a text file to keep.
func (s *Server) reporterFileDetails(w http.ResponseWriter, r *http.Request) error {
	code, err := s.visited(r)
	if err != nil {
		return s.visitOver(w, r, err)
	}
	say := words.From(r.Context())
	var sent []sentFile
	var st matter.State
	err = s.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		if st, err = s.Engine.ByChannel(r.Context(), tx, code); err != nil {
			return err
		}
		sent, err = s.sentFiles(r.Context(), tx, say, code)
		return err
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("%s", s.Office.Name(say.Lang()))
	line("%s: %s", say.T("public.reference"), st.Matter.Ref)
	line("")
	line("%s", say.T("files.details.text"))
	for _, f := range sent {
		line("")
		line("%s: %s", say.T("files.name"), f.Name)
		line("%s: %s", say.T("files.size"), f.Size)
		line("%s: %s", say.T("files.at"), f.At)
		line("SHA-256: %s", f.SHA256)
		line("%s: %s", say.T("files.salt"), f.Salt)
	}
	line("")
	line("%s", say.T("files.details.check"))
	line("plumbline receipt verify proof.txt --key @office.keys --file %s --salt %s", say.T("files.details.file"), say.T("files.details.salt"))
	w.Header().Set("Content-Disposition", `attachment; filename="files.txt"`)
	return plainText(w, "\ufeff"+b.String())
}
