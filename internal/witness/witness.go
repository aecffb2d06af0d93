package witness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/store"
	"plumbline/verify"
)

// A Witness serves C2SP tlog-witness over a database. Several may serve one database with one key.
type Witness struct {
	db  *store.DB
	key *Key
	log *slog.Logger
}

// New returns a witness over a database that has been migrated with Migrations.
func New(db *store.DB, key *Key, log *slog.Logger) *Witness {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Witness{db: db, key: key, log: log}
}

// refusal is a checkpoint that is not cosigned, as the protocol says it.
type refusal struct {
	code int
	why  string
	size uint64 // for 409: what the witness has
}

func (r *refusal) Error() string { return r.why }

func refuse(code int, format string, args ...any) error {
	return &refusal{code: code, why: fmt.Sprintf(format, args...)}
}

// AddCheckpoint cosigns a checkpoint that continues what the witness has seen of its log, and returns the cosignatures as
// lines of a note. They are durable when it returns.
func (w *Witness) AddCheckpoint(ctx context.Context, body []byte) (cosignatures []byte, err error) {
	r, err := ParseRequest(body)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	text, err := noteText(r.Checkpoint)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	head, err := verify.ParseCheckpoint(text)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	log, err := find(ctx, w.db, head.Origin)
	if errors.Is(err, ErrNoLog) {
		return nil, refuse(http.StatusNotFound, "this witness does not watch a log of that name")
	} else if err != nil {
		return nil, err
	}
	signed, err := openBy(r.Checkpoint, log.Keys)
	if err != nil {
		return nil, err
	}
	answer, err := w.cosign(ctx, r, head, log, signed)
	var no *refusal
	switch {
	case err == nil:
		w.log.Debug("cosigned", "log", log.Origin, "size", head.Size)
	case errors.As(err, &no) && no.code == http.StatusUnprocessableEntity:
		// Signed by the log and not what it signed before: this may be the proof of a lie, and is worth keeping.
		w.log.Warn("a log shows a head that does not continue what was cosigned", "log", log.Origin, "has", log.Size, "shown", head.Size,
			"why", no.why, "head", string(r.Checkpoint), "cosigned head", string(log.Note))
	}
	return answer, err
}

// cosign decides about a head that its log has signed.
func (w *Witness) cosign(ctx context.Context, r Request, head verify.Checkpoint, log Log, signed *note.Note) ([]byte, error) {
	if r.Old > head.Size {
		return nil, refuse(http.StatusBadRequest, "the old size is larger than the checkpoint")
	}
	if r.Old != log.Size {
		return nil, &refusal{code: http.StatusConflict, size: log.Size}
	}
	if err := continues(log, head, r.Proof); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%v", err)
	}
	// The time in the cosignature says that nothing larger had been seen by then. It is taken before the row is moved: had
	// somebody cosigned a larger head by then, the row could not be moved any more.
	at := time.Now()
	cosignatures, err := w.key.Cosign(head)
	if err != nil {
		return nil, err
	}
	kept := signed.Text + "\n"
	for _, s := range signed.Sigs {
		kept += line(s)
	}
	moved, err := advance(ctx, w.db, log, head, append([]byte(kept), cosignatures...), at)
	if err != nil {
		return nil, err // perhaps it took effect; then the client learns of it by asking again
	}
	if !moved {
		now, err := find(ctx, w.db, log.Origin)
		if err != nil {
			return nil, err
		}
		return nil, &refusal{code: http.StatusConflict, size: now.Size}
	}
	return cosignatures, nil
}

// openBy checks that a head is signed by a key of its log.
func openBy(signed []byte, vkeys []string) (*note.Note, error) {
	var keys []note.Verifier
	for _, v := range vkeys {
		k, err := ParseLogKey(v)
		if err != nil {
			return nil, fmt.Errorf("witness: a key in the database: %w", err)
		}
		keys = append(keys, k)
	}
	n, err := note.Open(signed, note.VerifierList(keys...))
	switch {
	case err == nil:
		return n, nil
	case errors.As(err, new(*note.UnverifiedNoteError)):
		return nil, refuse(http.StatusForbidden, "the checkpoint is not signed by a key that this witness knows for its log")
	case errors.As(err, new(*note.InvalidSignatureError)):
		return nil, refuse(http.StatusForbidden, "a signature of the checkpoint is false")
	}
	return nil, refuse(http.StatusBadRequest, "the checkpoint is not a signed note")
}

// continues tells whether a head continues what was cosigned.
func continues(log Log, head verify.Checkpoint, proof []verify.Hash) error {
	switch {
	case head.Size == 0 && head.Root != verify.EmptyRoot():
		return errors.New("the root of a log without entries is not the one of the empty tree")
	case log.Size == 0 && len(proof) > 0:
		return errors.New("the proof from size zero is not empty")
	case log.Size == 0:
		return nil
	}
	return verify.Consistency(log.Root, log.Size, head.Root, head.Size, proof)
}

// Cosign signs a head with each of the keys, and returns the lines of the signatures.
func (k *Key) Cosign(head verify.Checkpoint) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: head.Text()}, k.signers...)
	if err != nil {
		return nil, fmt.Errorf("witness: sign: %w", err)
	}
	return signed[len(head.Text())+1:], nil
}

// Handler serves the protocol, and what people ask of a witness: which keys it has (/) and which logs it watches (/log).
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", w.addCheckpoint)
	mux.HandleFunc("GET /{hash}/checkpoint", w.checkpoint)
	mux.HandleFunc("GET /log", w.logs)
	mux.HandleFunc("GET /healthz", w.healthz)
	mux.HandleFunc("GET /{$}", w.about)
	return mux
}

func plain(rw http.ResponseWriter, code int, text string) {
	h := rw.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	rw.WriteHeader(code)
	_, _ = io.WriteString(rw, text) // whoever asked has gone away
}

// fail answers an error of ours, which is logged; the caller learns only that it was not theirs.
func (w *Witness) fail(rw http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		w.log.Error("a request failed", "route", r.Pattern, "error", err)
	}
	plain(rw, http.StatusServiceUnavailable, "The witness cannot answer now. Ask again later.\n")
}

func (w *Witness) addCheckpoint(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			plain(rw, http.StatusRequestEntityTooLarge, fmt.Sprintf("The request is longer than %d bytes.\n", maxRequest))
			return
		}
		plain(rw, http.StatusBadRequest, "The request did not arrive whole.\n")
		return
	}
	cosignatures, err := w.AddCheckpoint(r.Context(), body)
	var no *refusal
	switch {
	case err == nil:
		plain(rw, http.StatusOK, string(cosignatures))
	case errors.As(err, &no) && no.code == http.StatusConflict:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(no.code)
		_, _ = fmt.Fprintf(rw, "%d\n", no.size) // whoever asked has gone away
	case errors.As(err, &no):
		plain(rw, no.code, no.why+"\n")
	default:
		w.fail(rw, r, err)
	}
}

// checkpoint serves the newest head of a log with our cosignatures (the monitoring side of the protocol).
func (w *Witness) checkpoint(rw http.ResponseWriter, r *http.Request) {
	all, err := Logs(r.Context(), w.db)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	for _, l := range all {
		if l.Note != nil && originHash(l.Origin) == r.PathValue("hash") {
			plain(rw, http.StatusOK, string(l.Note))
			return
		}
	}
	plain(rw, http.StatusNotFound, "This witness has cosigned nothing of a log whose name has that hash.\n")
}

// originHash is how the protocol names a log in an address.
func originHash(origin string) string {
	sum := sha256.Sum256([]byte(origin))
	return hex.EncodeToString(sum[:])
}

func (w *Witness) logs(rw http.ResponseWriter, r *http.Request) {
	all, err := Logs(r.Context(), w.db)
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	var b strings.Builder
	for _, l := range all {
		at := "never"
		if !l.Cosigned.IsZero() {
			at = l.Cosigned.Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%s\t%d\t%s\t%s\n", l.Origin, l.Size, at, originHash(l.Origin))
	}
	plain(rw, http.StatusOK, b.String())
}

func (w *Witness) about(rw http.ResponseWriter, _ *http.Request) {
	plain(rw, http.StatusOK, fmt.Sprintf("This is the witness %s (C2SP tlog-witness). Its keys:\n\n%s\n\nThe logs it watches: /log\n",
		w.key.Name(), strings.Join(w.key.vkeys, "\n")))
}

func (w *Witness) healthz(rw http.ResponseWriter, r *http.Request) {
	err := w.db.Read(r.Context(), func(tx *store.Tx) error {
		var n int64
		return tx.QueryRow(r.Context(), `SELECT count(*) FROM witness_log`).Scan(&n)
	})
	if err != nil {
		w.fail(rw, r, err)
		return
	}
	plain(rw, http.StatusOK, "ok\n")
}

// Serve answers on a listener until ctx ends, and then finishes the requests that have begun.
func (w *Witness) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler:           w.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		// What net/http complains about names the caller's network address, which is not kept.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("witness: serve: %w", err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := s.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("some requests were cut off: %w", err), s.Close())
	}
	return nil
}
