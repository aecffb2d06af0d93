package web

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// evidencePage is the tab of a matter that lists its files, and takes more.
type evidencePage struct {
	view.Shell
	Identity *view.IdentityBar
	Tabs     []view.Link
	Actions  *view.ActionList
	Files    []evidence
	Sealed   *view.SealedPart // names and content are not open to this reader, or not yet
	Locked   bool             // the reader's key is
	Form     *fileForm        // nil: the reader may not add any
	None     view.Empty
}

// evidence is one file of a matter, as far as the reader may know it.
type evidence struct {
	Name, Type, Size  string // empty while they are sealed
	Class             string // what stands in the clear of the size
	By, At            string
	Entry, Proof      string
	SHA256, Salt      string
	Original, Drawing string // addresses
}

var evidenceView = view.Page[evidencePage]("staff/files")

// isAttach reports whether an entry attached a file, and which.
func isAttach(e journal.Entry) (id exhibit.ID, ok bool) {
	if e.Action != matter.ActionAttach {
		return 0, false
	}
	text, _ := e.Fields[matter.FieldFile].(string)
	id, err := exhibit.ParseID(text)
	return id, err == nil
}

func fileCount(d *dossier) (n int) {
	for _, e := range d.history {
		if _, ok := isAttach(e.Entry); ok {
			n++
		}
	}
	return n
}

// staffInbox is where files go that somebody adds to a matter they work on.
func (s *Server) staffInbox(ctx context.Context, r *http.Request, tx *store.Tx, d *dossier) (inbox, error) {
	v, id := d.v, d.state.Matter.ID
	by, err := s.Engine.MayAttach(ctx, tx, v, id)
	if err != nil {
		return inbox{}, err
	}
	keys := keys(r)
	return inbox{
		place: exhibit.Place{Matter: id, Compartment: access.File}, home: d.at("files"), over: "files.say.over.staff",
		seal: s.Engine.SealFile(by, keys, id), secret: keys.Derive("upload"),
		attach: func(ctx context.Context, tx *store.Tx, f exhibit.File) (int64, error) {
			return s.Engine.Attach(ctx, tx, v, keys, id, f, journal.ViaWeb)
		},
	}, nil
}

// staffFiles shows the tab.
func (s *Server) staffFiles(w http.ResponseWriter, r *http.Request) error {
	return s.showEvidence(w, r, nil)
}

func (s *Server) showEvidence(w http.ResponseWriter, r *http.Request, came []fileArrival) error {
	ctx, say := r.Context(), words.From(r.Context())
	var page evidencePage
	var in inbox
	var refused error
	err := s.DB.Read(ctx, func(tx *store.Tx) error {
		d, err := s.dossier(ctx, tx, viewer(r), say, r.PathValue("ref"))
		if err != nil {
			return err
		}
		d.here = d.at("files")
		page = evidencePage{Shell: d.sheet("files").Shell, Identity: d.identity(), Tabs: d.tabs("files"), Actions: d.actions(),
			None: view.Empty{Title: say.T("staff.files.none"), Text: say.T("staff.files.none.text")}}
		if in, refused = s.staffInbox(ctx, r, tx, d); refused != nil && fault.KindOf(refused) == fault.Internal {
			return refused
		}
		copies, err := s.files.Copies(ctx, tx, d.state.Matter.ID)
		if err != nil {
			return err
		}
		d.evidence(&page, copies)
		return nil
	})
	if err != nil {
		return err
	}
	if refused == nil {
		form, err := s.fileForm(ctx, say, in)
		if err != nil {
			return err
		}
		form.sort(came)
		page.Form, page.Locked, page.Errors = &form, in.secret == nil, form.summary(say)
	}
	status := http.StatusOK
	if len(page.Errors.Items) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return evidenceView.ShowStatus(s.site, w, r, status, page)
}

// evidence fills in the files, newest first.
func (d *dossier) evidence(page *evidencePage, copies map[exhibit.ID]string) {
	for i := len(d.history) - 1; i >= 0; i-- {
		e := d.history[i]
		id, ok := isAttach(e.Entry)
		if !ok {
			continue
		}
		class, _ := e.Fields[matter.FieldSize].(string)
		file := evidence{Class: d.sizeClass(class), By: d.s.actorName(d.say, d.people, e.By), At: d.say.Time(e.At, d.s.Office.Zone()), Proof: d.proofHref(e.N)}
		if e.Index != 0 {
			file.Entry = d.say.T("staff.files.entry", "n", e.Index)
		}
		if a, ok := d.attached(e.Entry); ok {
			file.Name, file.Type, file.Size, file.SHA256, file.Salt = a.Name, a.Type, d.say.Bytes(a.Size), a.SHA256, a.Salt
			file.Original = d.at("files", id.String(), "original")
			if copies[id] != "" {
				file.Drawing = d.at("files", id.String(), "copy")
			}
		} else if page.Sealed == nil {
			part := d.locked(d.say.T("staff.files.sealed"), access.File)
			page.Sealed = &part
		}
		page.Files = append(page.Files, file)
	}
}

func (d *dossier) sizeClass(class string) string {
	if below, ok := strings.CutPrefix(class, "<"); ok {
		for _, unit := range []string{"kB", "MB", "GB"} {
			below = strings.Replace(below, unit, "\u00a0"+unit, 1)
		}
		return d.say.T("staff.files.below", "size", below)
	}
	return d.say.T("staff.files.above")
}

// attached is what an entry says of its file, if the reader may read that and has opened it.
func (d *dossier) attached(e journal.Entry) (matter.Attached, bool) {
	if !d.mayOpen(access.File) {
		return matter.Attached{}, false
	}
	return matter.AttachedOf(d.sealedIn(e, access.File))
}

// addStaffFiles takes the files of the form.
func (s *Server) addStaffFiles(w http.ResponseWriter, r *http.Request) error {
	in, err := s.staffInboxOf(r)
	if err != nil {
		return err
	}
	came, err := s.receiveForm(w, r, in)
	if err != nil {
		return err
	}
	if !s.allArrived(w, came) {
		return s.showEvidence(w, r, orNone(came, words.From(r.Context())))
	}
	return view.Redirect(w, r, in.home)
}

func (s *Server) staffInboxOf(r *http.Request) (in inbox, err error) {
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		d, err := s.dossier(r.Context(), tx, viewer(r), words.From(r.Context()), r.PathValue("ref"))
		if err == nil {
			in, err = s.staffInbox(r.Context(), r, tx, d)
		}
		return err
	})
	return in, err
}

// staffPieces answers the script of the tab.
func (s *Server) staffPieces(handle func(http.ResponseWriter, *http.Request, inbox) error) view.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		in, err := s.staffInboxOf(r)
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

// fileOf finds a file of a matter that the reader may read, with what its entry says of it and what opens it.
func (s *Server) fileOf(r *http.Request) (k exhibit.Kept, a matter.Attached, o exhibit.Opener, err error) {
	id, err := exhibit.ParseID(r.PathValue("id"))
	if err != nil {
		return k, a, nil, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		d, err := s.dossier(r.Context(), tx, viewer(r), words.From(r.Context()), r.PathValue("ref"))
		if err != nil {
			return err
		}
		if k, err = s.files.Find(r.Context(), tx, d.state.Matter.ID, id); err != nil {
			return err
		}
		for _, e := range d.history {
			if other, ok := isAttach(e.Entry); !ok || other != id || e.N != k.N {
				continue
			}
			if !d.mayOpen(access.File) {
				return fault.New(fault.Forbidden, "files.shut", nil)
			}
			var ok bool
			if a, ok = d.attached(e.Entry); !ok {
				return fmt.Errorf("matter %s, entry %d: what is said of its file cannot be read", d.state.Matter.Ref, e.N)
			}
			o = d.opener
			return nil
		}
		return fault.New(fault.NotFound, "fault.notfound", nil)
	})
	return k, a, o, err
}

// staffOriginal sends an original, to be saved.
func (s *Server) staffOriginal(w http.ResponseWriter, r *http.Request) error {
	k, a, o, err := s.fileOf(r)
	if err != nil {
		return err
	}
	src, err := s.files.Read(r.Context(), k, o)
	if err != nil {
		return err
	}
	return sendOriginal(w, r, a.Name, a.Size, src)
}

// staffCopy shows a working copy. It is the only thing that is ever shown: this program drew it itself.
func (s *Server) staffCopy(w http.ResponseWriter, r *http.Request) error {
	k, _, o, err := s.fileOf(r)
	if err != nil {
		return err
	}
	src, err := s.files.ReadCopy(r.Context(), k, o)
	if err != nil {
		return err
	}
	h := w.Header()
	ending := ".png"
	switch k.Copy {
	case "image/jpeg":
		ending = ".jpg"
	case "image/png":
	default:
		return fault.New(fault.NotFound, "fault.notfound", nil)
	}
	h.Set("Content-Type", k.Copy)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; img-src 'self'; frame-ancestors 'none'")
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": "copy" + ending}))
	return stream(w, r, src)
}
