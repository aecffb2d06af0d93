package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
	"plumbline/verify"
)

// The log as programs read it (C2SP tlog-tiles), below /log/. It is for everybody, so it is served without cookies,
// sessions or languages, and any page of anybody may fetch it.

// logFiles are the patterns of what programs read; the page for people, /log, stands in routes.go.
func (s *Server) logFiles() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /log/checkpoint":     s.logCheckpoint,
		"GET /log/keys":           s.logKeys,
		"GET /log/tile/{rest...}": s.logTile,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cross-Origin-Resource-Policy", "cross-origin")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			if err := handle(w, r); err != nil {
				s.logError(w, r, err)
			}
		})
	}
	return mux
}

// logError answers programs: in plain words, and never to be kept.
func (s *Server) logError(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case fault.Is(err, fault.NotFound):
		status = http.StatusNotFound
	case fault.Is(err, fault.Unavailable):
		status = http.StatusServiceUnavailable
	case r.Context().Err() == nil:
		s.Log.Error("the log cannot be served", "error", err)
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(status), status)
}

// Of what never changes, copies may be kept for ever; of what does, for a moment.
const (
	forGood  = "public, max-age=31536000, immutable"
	aMoment  = "public, max-age=1"
	aMinute  = "public, max-age=60"
	textKind = "text/plain; charset=utf-8"
)

func sendLog(w http.ResponseWriter, kind, cache string, content []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", cache)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the reader has gone; nobody is left to tell
	return nil
}

func (s *Server) logCheckpoint(w http.ResponseWriter, r *http.Request) error {
	latest, err := s.latestCheckpoint(r.Context())
	if errors.Is(err, ledger.ErrNone) {
		return fault.Wrap(err, fault.NotFound, "fault.notfound", nil) // for C2SP clients there is no log yet
	}
	if err != nil {
		return err
	}
	return sendLog(w, textKind, aMoment, latest.Note)
}

func (s *Server) latestCheckpoint(ctx context.Context) (c ledger.Checkpoint, err error) {
	err = s.DB.Read(ctx, func(tx *store.Tx) error { c, err = s.Ledger.Latest(ctx, tx); return err })
	return c, err
}

func (s *Server) logTile(w http.ResponseWriter, r *http.Request) error {
	// The path as it was sent: another spelling of the same is another address.
	t, err := verify.ParseTilePath(strings.TrimPrefix(r.URL.EscapedPath(), "/log/"))
	if err != nil || r.URL.RawQuery != "" {
		return ledger.ErrNoTile
	}
	var content []byte
	err = s.DB.Read(r.Context(), func(tx *store.Tx) error {
		latest, err := s.Ledger.Latest(r.Context(), tx)
		if errors.Is(err, ledger.ErrNone) {
			return ledger.ErrNoTile
		}
		if err != nil {
			return err
		}
		content, err = s.Ledger.Tile(r.Context(), tx, latest.Size, t)
		return err
	})
	if err != nil {
		return err
	}
	return sendLog(w, "application/octet-stream", forGood, content)
}

func (s *Server) logKeys(w http.ResponseWriter, r *http.Request) error {
	var keys verify.Keys
	err := s.DB.Read(r.Context(), func(tx *store.Tx) (err error) { keys, err = s.Ledger.Keys(r.Context(), tx); return err })
	if errors.Is(err, ledger.ErrNone) {
		return fault.Wrap(err, fault.NotFound, "fault.notfound", nil)
	}
	if err != nil {
		return err
	}
	text, err := keys.Marshal()
	if err != nil {
		return fmt.Errorf("web: keys: %w", err)
	}
	return sendLog(w, textKind, aMinute, text)
}

// logPage is the log as people read it.
type logPage struct {
	view.Shell
	Published bool
	Head      view.SummaryList
	Note      string
	Key       string   // the one that people copy
	More      []string // longer ones, and those before that still sign
	Witnesses []string
	Address   string // of the log, as one would write it
}

var logView = view.Page[logPage]("public/log")

func (s *Server) showLog(w http.ResponseWriter, r *http.Request) error {
	say := words.From(r.Context())
	page := logPage{Shell: view.Shell{Title: say.T("log.title")}, Address: say.T("log.somewhere")}
	var latest ledger.Checkpoint
	var origin string
	var keys []string
	err := s.DB.Read(r.Context(), func(tx *store.Tx) error {
		events, err := s.Ledger.KeyEvents(r.Context(), tx)
		if err != nil {
			return err
		}
		origin, keys = ledger.InForce(events)
		latest, err = s.Ledger.Latest(r.Context(), tx)
		if errors.Is(err, ledger.ErrNone) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		page.Key, page.More = keys[0], keys[1:]
	}
	if latest.Size > 0 {
		head, signers, err := ledger.ReadCheckpoint(latest.Note)
		if err != nil {
			return fmt.Errorf("web: the published checkpoint: %w", err)
		}
		page.Published, page.Note = true, shortNote(latest.Note)
		page.Head = view.SummaryList{Rows: []view.SummaryRow{
			{Key: say.T("log.origin"), Value: head.Origin},
			{Key: say.T("log.size"), Value: say.Number(int64(head.Size))},
			{Key: say.T("log.at"), Value: say.Time(latest.At, s.Office.Zone())},
			{Key: say.T("log.root"), Value: head.Root.String()},
		}}
		for _, name := range signers {
			if name != origin {
				page.Witnesses = append(page.Witnesses, name)
			}
		}
	}
	return logView.Show(s.site, w, r, page)
}

// shortNote cuts the long signatures of a checkpoint for the eye; the file is whole.
func shortNote(note []byte) string {
	lines := strings.Split(strings.TrimRight(string(note), "\n"), "\n")
	for i, line := range lines {
		if len(line) > 160 {
			lines[i] = line[:120] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
