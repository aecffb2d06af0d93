package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// Files are sent in two ways, by reporters and by staff alike. A plain form carries several at once and needs no
// scripts. Where scripts run, each file comes in pieces, and after a lost connection goes on where it was. Either way
// it is sealed while it arrives, and counts once it is whole.

// carriesFiles tells the requests whose body is a file: they have limits of their own.
func carriesFiles(r *http.Request) bool {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return false
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 2 && parts[0] == "follow" && parts[1] == "files":
		parts = parts[2:]
	case len(parts) >= 4 && parts[0] == "staff" && parts[1] == "matters" && parts[3] == "files":
		parts = parts[4:]
	default:
		return false
	}
	return r.Method == http.MethodPost && len(parts) == 0 || r.Method == http.MethodPatch && len(parts) == 1
}

// An inbox is where somebody's files go: to which matter, how its keys are sealed, and the step that makes a file count.
type inbox struct {
	place  exhibit.Place
	seal   exhibit.Seal
	secret []byte // of the sender, to go on in a later request; nil: nobody here has one
	attach func(ctx context.Context, tx *store.Tx, f exhibit.File) (n int64, err error)
	home   string // address of the page of files
	over   string // key of what is said when nobody is there any more
}

// fileArrival is what became of one file of a form.
type fileArrival struct {
	Name string
	Size string
	Why  string // it did not arrive; "" if it did
}

const (
	// A sender may pause for filePause and has fileGrace to begin with; from then on fileRate bytes a second are asked on
	// the whole. A slow telephone may take hours, and nobody holds a place by sending nothing.
	filePause = time.Minute
	fileGrace = 2 * time.Minute
	fileRate  = 2 << 10

	filesPerForm = 100
	formSlack    = 4 << 20 // of a form around its files
)

// paced reads a body as it comes, and moves the time limits of the connection along with it.
type paced struct {
	body  io.Reader
	rc    *http.ResponseController
	begun time.Time
	got   int64
	most  int64
}

func newPaced(w http.ResponseWriter, r *http.Request, most int64) *paced {
	return &paced{body: r.Body, rc: http.NewResponseController(w), begun: time.Now(), most: most}
}

func (p *paced) Read(b []byte) (int, error) {
	if p.got >= p.most {
		return 0, fault.New(fault.Invalid, "files.form.large", nil)
	}
	now := time.Now()
	end := p.begun.Add(fileGrace + time.Duration(p.got/fileRate)*time.Second)
	if soon := now.Add(filePause); soon.Before(end) {
		end = soon
	}
	// Where a connection has no time limits to set, there are none to move.
	if err := errors.Join(p.rc.SetReadDeadline(end), p.rc.SetWriteDeadline(now.Add(5*time.Minute))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("time limit of a connection: %w", err)
	}
	n, err := p.body.Read(b[:min(len(b), 64<<10)])
	p.got += int64(n)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fault.Wrap(err, fault.Invalid, "files.slow", nil)
	}
	return n, err
}

// most is how much one request may carry.
func (s *Server) mostOfForm() int64 {
	l := s.files.Limits()
	most := l.Matter
	if most == 0 {
		most = 1 << 40
	}
	return most + formSlack
}

// receiveForm takes the files of a form, one after the other. One that cannot be taken does not keep the others out.
func (s *Server) receiveForm(w http.ResponseWriter, r *http.Request, in inbox) ([]fileArrival, error) {
	say := words.From(r.Context())
	body := newPaced(w, r, s.mostOfForm())
	r.Body = io.NopCloser(body)
	form, err := r.MultipartReader()
	if err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "fault.form", nil)
	}
	var out []fileArrival
	var stop error // why nothing more is taken
	for range filesPerForm + 20 {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			if stop == nil {
				out = append(out, fileArrival{Name: say.T("files.rest"), Why: say.Fault(cutOff(err)).Message})
			}
			return out, nil
		}
		if part.FormName() != "file" || part.FileName() == "" {
			continue
		}
		a := fileArrival{Name: exhibit.CleanName(fileName(part))}
		if stop == nil && len(out) >= filesPerForm {
			stop = fault.New(fault.Invalid, "files.form.many", fault.Args{"n": filesPerForm})
		}
		err = stop
		if err == nil {
			var file exhibit.File
			if file, err = s.receiveOne(r.Context(), in, a.Name, part); err == nil {
				a.Size = say.Bytes(file.Size)
			}
		}
		if err != nil {
			if fault.KindOf(err) == fault.Internal && r.Context().Err() == nil {
				return nil, err
			}
			if fault.Is(err, fault.Unavailable) {
				s.Log.WarnContext(r.Context(), "a file could not be taken", "cause", err.Error())
				stop = err // and the rest of the form is read past, so that the browser shows the answer
			}
			a.Why = say.Fault(err).Message
		}
		out = append(out, a)
	}
	return append(out, fileArrival{Name: say.T("files.rest"), Why: say.T("files.form.many", "n", filesPerForm)}), nil
}

// fileName is what the sender calls the file. mime/multipart keeps what follows the last stroke alone, as it should.
func fileName(part *multipart.Part) string { return part.FileName() }

func cutOff(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Invalid, "files.cut", nil)
}

func (s *Server) receiveOne(ctx context.Context, in inbox, name string, src io.Reader) (f exhibit.File, err error) {
	up, err := s.files.Begin(ctx, exhibit.Begin{Place: in.place, Name: name, Size: -1, Seal: in.seal})
	if err != nil {
		return f, err
	}
	defer func() {
		if e := up.Close(ctx); e != nil {
			s.Log.WarnContext(ctx, "a half file stays until it expires", "cause", e.Error())
		}
	}()
	if err := up.Receive(ctx, src); err != nil {
		return f, err
	}
	return s.finishFile(ctx, up, in)
}

// finishFile makes a whole file count, and then its working copy.
func (s *Server) finishFile(ctx context.Context, up *exhibit.Upload, in inbox) (exhibit.File, error) {
	f, err := up.Finish(ctx, in.attach)
	for tries := 0; tries < 5 && isStale(err); tries++ { // another step was recorded in the same instant: this one follows it
		f, err = up.Finish(ctx, in.attach)
	}
	if err != nil {
		return f, err
	}
	if err := up.Copy(ctx); err != nil {
		// The file is there; what could not be drawn anew is to be had as the original.
		s.Log.DebugContext(ctx, "no working copy", "cause", err.Error())
	}
	return f, nil
}

func isStale(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && f.Key == "matter.stale"
}

// told is what a script is told of a file.
type told struct {
	exhibit.Progress
	Chunk int64  `json:"chunk,omitempty"` // what is sent at once should be a multiple of this
	Done  bool   `json:"done,omitempty"`
	Error string `json:"error,omitempty"`
	Over  bool   `json:"over,omitempty"`  // nobody is there any more: enter the code, or sign in, again
	Again bool   `json:"again,omitempty"` // it may go better in a moment
}

func sayJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the reader has gone; there is nobody left to tell
	return nil
}

// inJSON answers a script with what went wrong, in the reader's language. What broke inside is left to the error page,
// which logs it.
func inJSON(w http.ResponseWriter, r *http.Request, err error) error {
	if err == nil || fault.KindOf(err) == fault.Internal {
		return err
	}
	say := words.From(r.Context())
	return sayJSON(w, view.Status(err), told{Error: say.Fault(err).Message, Again: fault.Is(err, fault.Unavailable)})
}

// beginFile begins a file that comes in pieces.
func (s *Server) beginFile(w http.ResponseWriter, r *http.Request, in inbox) error {
	size, err := strconv.ParseInt(r.PostForm.Get("size"), 10, 64)
	if err != nil || size < 0 || in.secret == nil {
		return inJSON(w, r, fault.New(fault.Invalid, "fault.form", nil))
	}
	up, err := s.files.Begin(r.Context(), exhibit.Begin{Place: in.place, Name: r.PostForm.Get("name"), Size: size, Secret: in.secret, Seal: in.seal})
	if err != nil {
		return inJSON(w, r, err)
	}
	defer s.closeUpload(r.Context(), up)
	return sayJSON(w, http.StatusCreated, told{Progress: up.Progress(), Chunk: exhibit.Chunk})
}

func (s *Server) closeUpload(ctx context.Context, up *exhibit.Upload) {
	if err := up.Close(ctx); err != nil {
		s.Log.WarnContext(ctx, "a half file stays until it expires", "cause", err.Error())
	}
}

func (s *Server) resumeFile(r *http.Request, in inbox) (*exhibit.Upload, error) {
	id, err := exhibit.ParseID(r.PathValue("id"))
	if err != nil || in.secret == nil {
		return nil, fault.New(fault.NotFound, "files.gone", nil)
	}
	return s.files.Resume(r.Context(), in.place, id, in.secret)
}

// notArriving answers for a file that cannot be gone on with: it may be there already, and only the answer that said so
// was lost.
func (s *Server) notArriving(w http.ResponseWriter, r *http.Request, in inbox, why error) error {
	id, err := exhibit.ParseID(r.PathValue("id"))
	if err != nil || !fault.Is(why, fault.NotFound) {
		return inJSON(w, r, why)
	}
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error { _, err := s.files.Find(r.Context(), tx, in.place.Matter, id); return err })
	switch {
	case err == nil:
		return sayJSON(w, http.StatusOK, told{Progress: exhibit.Progress{ID: id}, Done: true})
	case fault.Is(err, fault.NotFound):
		return inJSON(w, r, why)
	}
	return err
}

// fileProgress tells how far a file got.
func (s *Server) fileProgress(w http.ResponseWriter, r *http.Request, in inbox) error {
	up, err := s.resumeFile(r, in)
	if err != nil {
		return s.notArriving(w, r, in, err)
	}
	defer s.closeUpload(r.Context(), up)
	return sayJSON(w, http.StatusOK, told{Progress: up.Progress(), Chunk: exhibit.Chunk})
}

// addToFile takes a piece of a file, which begins where the header Upload-Offset says.
func (s *Server) addToFile(w http.ResponseWriter, r *http.Request, in inbox) error {
	up, err := s.resumeFile(r, in)
	if err != nil {
		return s.notArriving(w, r, in, err)
	}
	defer s.closeUpload(r.Context(), up)
	p := up.Progress()
	if at, err := strconv.ParseInt(r.Header.Get("Upload-Offset"), 10, 64); err != nil || at != p.Got {
		return sayJSON(w, http.StatusConflict, told{Progress: p, Chunk: exhibit.Chunk, Again: true, Error: words.From(r.Context()).T("files.offset")})
	}
	if r.ContentLength > p.Size-p.Got {
		return inJSON(w, r, fault.New(fault.Invalid, "files.longer", nil))
	}
	if err := up.Receive(r.Context(), newPaced(w, r, p.Size-p.Got+1)); err != nil {
		return inJSON(w, r, err)
	}
	out := told{Progress: up.Progress(), Chunk: exhibit.Chunk}
	if up.Whole() {
		if _, err := s.finishFile(r.Context(), up, in); err != nil {
			return inJSON(w, r, err)
		}
		out.Done = true
	}
	return sayJSON(w, http.StatusOK, out)
}

// dropFile forgets an unfinished file.
func (s *Server) dropFile(w http.ResponseWriter, r *http.Request, in inbox) error {
	up, err := s.resumeFile(r, in)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err == nil {
		if err := up.Drop(r.Context()); err != nil {
			return err
		}
	}
	s.site.Flash(w, view.Success, "flash.files.dropped", nil)
	return view.Redirect(w, r, in.home)
}

// fileForm is the form on a page of files.
type fileForm struct {
	Action     string
	Errors     []fileArrival // what did not arrive
	Arrived    []fileArrival // what did, where something else did not
	Hint       string
	Scripts    bool // it can come in pieces
	Unfinished []halfFile
	Words      []verifyWord
}

type halfFile struct {
	ID, Name, Size, Got string
	Percent             int
	Bytes               int64
	Drop                string
}

func (s *Server) fileForm(ctx context.Context, say *words.Speaker, in inbox) (fileForm, error) {
	l := s.files.Limits()
	out := fileForm{Action: in.home, Scripts: in.secret != nil}
	each, all := exhibit.Amount(l.File).String(), exhibit.Amount(l.Matter).String()
	switch {
	case l.File > 0 && l.Matter > 0:
		out.Hint = say.T("files.hint.both", "max", each, "all", all)
	case l.File > 0:
		out.Hint = say.T("files.hint", "max", each)
	case l.Matter > 0:
		out.Hint = say.T("files.hint.all", "all", all)
	default:
		out.Hint = say.T("files.hint.any")
	}
	if in.secret == nil {
		return out, nil
	}
	half, err := s.files.Unfinished(ctx, in.place, in.secret)
	if err != nil {
		return out, err
	}
	for _, p := range half {
		out.Unfinished = append(out.Unfinished, halfFile{ID: p.ID.String(), Name: p.Name, Size: say.Bytes(p.Size), Got: say.Bytes(p.Got), Bytes: p.Size,
			Percent: int(100 * p.Got / p.Size), Drop: in.home + "/" + p.ID.String() + "/drop"})
	}
	for _, key := range []string{"waiting", "sending", "paused", "done", "failed", "again", "pause", "resume", "remove", "lost", "busy", "part", "all"} {
		out.Words = append(out.Words, verifyWord{key, say.T("files.say." + key)})
	}
	out.Words = append(out.Words, verifyWord{"over", say.T(in.over)})
	return out, nil
}

// sendOriginal sends a file as it came: to be saved, never to be shown.
func sendOriginal(w http.ResponseWriter, r *http.Request, name string, size int64, src io.Reader) error {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", attachment(name))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	return stream(w, r, src)
}

// stream sends what is read. The status is out by then: what goes wrong later breaks the transfer off, and the browser says
// so.
func stream(w http.ResponseWriter, r *http.Request, src io.Reader) error {
	rc := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if err := rc.SetWriteDeadline(time.Now().Add(filePause)); err != nil && !errors.Is(err, http.ErrNotSupported) {
				panic(http.ErrAbortHandler)
			}
			if _, err := w.Write(buf[:n]); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
}

// attachment is a Content-Disposition after RFC 6266: a name in plain ASCII for old programs, and the real one beside it.
func attachment(name string) string {
	name = exhibit.CleanName(name)
	plain := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' || r == '%' || r == ';' {
			return '_'
		}
		return r
	}, name)
	var coded strings.Builder
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			coded.WriteByte(c)
		} else {
			fmt.Fprintf(&coded, "%%%02X", c)
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain, coded.String())
}
