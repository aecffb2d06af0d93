// Package notify tells people outside the system that there is something new in it, and nothing else.
//
// A mail holds no reference, no name, no office, no content: only that there is something new, and for staff where to
// sign in. Staff get one when something comes to their desk or a time limit nears its end, at most one an hour
// until they sign in. Reporters get one if they left an address for that; it is sealed under a key that is not in the
// database, shown to nobody, and goes with the report.
//
// What happened and what is sent are apart: a follower of the record notes who should be told, and Run sends when it
// can. A mail server that is away delays mails and nothing else. Where there is none, nobody is asked for an address, so
// there is nobody to tell.
package notify

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/mail"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/words"
)

// A Kind is a kind of person who is told.
type Kind string

const (
	Staff    Kind = "staff"    // known by their account
	Reporter Kind = "reporter" // known by their matter
)

// How often people are told.
const (
	Quiet = time.Hour // at least between two mails to one person, unless they came meanwhile
	// Reporters are told at some moment within this time, so that whoever watches a mailbox cannot tell by the clock what the
	// office did.
	Scatter = time.Hour
	// Soon gathers what comes together into one mail.
	Soon = time.Minute
)

// Options are what Notices are made of.
type Options struct {
	DB     *store.DB
	Key    []byte // seals addresses; it is not in the database
	Book   *words.Book
	Desks  Desks
	Mailer *Mailer // nil: nobody is told
	Base   string  // the address of this office, "https://…": named in mails to staff
	Now    func() time.Time
	Log    *slog.Logger
}

// Notices keep the addresses and the mails that wait. They are safe for use by many goroutines.
type Notices struct {
	Options
	aead cipher.AEAD
}

// New returns the notices of an office.
func New(o Options) *Notices {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	sum := sha256.Sum256(append([]byte("plumbline notice\x00"), o.Key...))
	block, err := aes.NewCipher(sum[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the standard nonce size
	}
	return &Notices{Options: o, aead: aead}
}

// On reports whether mails are sent at all. Where they are not, nobody is asked for an address.
func (n *Notices) On() bool { return n != nil && n.Mailer != nil }

const (
	putAddress   = `INSERT INTO notice_address (kind, who, sealed, lang, sent) VALUES ($1, $2, $3, $4, 0) ON CONFLICT (kind, who) DO UPDATE SET sealed = $3, lang = $4, sent = 0`
	getAddress   = `SELECT sealed, lang, sent FROM notice_address WHERE kind = $1 AND who = $2`
	dropAddress  = `DELETE FROM notice_address WHERE kind = $1 AND who = $2`
	wasTold      = `UPDATE notice_address SET sent = $3 WHERE kind = $1 AND who = $2`
	putMail      = `INSERT INTO outbox (kind, who, since, due, tries) VALUES ($1, $2, $3, $4, 0) ON CONFLICT (kind, who) DO NOTHING`
	dropMail     = `DELETE FROM outbox WHERE kind = $1 AND who = $2`
	dueMails     = `SELECT kind, who, due, tries FROM outbox WHERE due <= $1 ORDER BY due LIMIT 20`
	claimMail    = `UPDATE outbox SET due = $4, tries = tries + 1 WHERE kind = $1 AND who = $2 AND due = $3`
	postponeMail = `UPDATE outbox SET due = $3 WHERE kind = $1 AND who = $2`
	dropWarnings = `DELETE FROM notice_clock WHERE matter = $1`
)

// SetAddress keeps where somebody is to be told, sealed; an empty address takes it away.
func (n *Notices) SetAddress(ctx context.Context, tx *store.Tx, kind Kind, who int64, address, lang string) error {
	address = strings.TrimSpace(address)
	if address == "" {
		if _, err := tx.Exec(ctx, dropMail, kind, who); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, dropAddress, kind, who)
		return err
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address || len(address) > longest || strings.ContainsAny(address, "\r\n\x00") {
		return fault.InvalidFields([]fault.Field{{Name: "address", Key: "notice.wrong"}})
	}
	sealed, err := n.seal(kind, who, address)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, putAddress, kind, who, sealed, lang)
	return err
}

// Address is where somebody is told, for their own eyes; "" if they left none.
func (n *Notices) Address(ctx context.Context, tx *store.Tx, kind Kind, who int64) (string, error) {
	address, _, _, err := n.address(ctx, tx, kind, who)
	return address, err
}

// Left reports whether somebody left an address.
func (n *Notices) Left(ctx context.Context, tx *store.Tx, kind Kind, who int64) (bool, error) {
	var sealed []byte
	var lang string
	var sent int64
	err := tx.QueryRow(ctx, getAddress, kind, who).Scan(&sealed, &lang, &sent)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (n *Notices) address(ctx context.Context, tx *store.Tx, kind Kind, who int64) (address, lang string, sent int64, err error) {
	var sealed []byte
	err = tx.QueryRow(ctx, getAddress, kind, who).Scan(&sealed, &lang, &sent)
	if errors.Is(err, store.ErrNotFound) {
		return "", "", 0, nil
	}
	if err != nil {
		return "", "", 0, err
	}
	address, err = n.open(kind, who, sealed)
	return address, lang, sent, err
}

// Came says that somebody has come and seen what is new: nothing waits to be told any more, and the next thing may be
// told at once.
func (n *Notices) Came(ctx context.Context, tx *store.Tx, kind Kind, who int64) error {
	if _, err := tx.Exec(ctx, dropMail, kind, who); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, wasTold, kind, who, int64(0))
	return err
}

// Forget takes away what is kept of the reporter of a matter; it goes with the report.
func (n *Notices) Forget(ctx context.Context, tx *store.Tx, id ref.MatterID) error {
	if _, err := tx.Exec(ctx, dropWarnings, id); err != nil {
		return err
	}
	return n.SetAddress(ctx, tx, Reporter, int64(id), "", "")
}

// longest is the longest address there can be; every address is sealed at this length, so that its size says nothing.
const longest = 254

func about(kind Kind, who int64) []byte {
	return []byte(string(kind) + "/" + strconv.FormatInt(who, 10))
}

func (n *Notices) seal(kind Kind, who int64, address string) ([]byte, error) {
	nonce := make([]byte, n.aead.NonceSize(), 320)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	plain := make([]byte, longest+1)
	plain[0] = byte(copy(plain[1:], address))
	return n.aead.Seal(nonce, nonce, plain, about(kind, who)), nil
}

func (n *Notices) open(kind Kind, who int64, sealed []byte) (string, error) {
	size := n.aead.NonceSize()
	if len(sealed) < size {
		return "", errNotOurs
	}
	plain, err := n.aead.Open(nil, sealed[:size], sealed[size:], about(kind, who))
	if err != nil || len(plain) != longest+1 || int(plain[0]) > longest {
		return "", errNotOurs
	}
	return string(plain[1 : 1+plain[0]]), nil
}

var errNotOurs = errors.New("notify: an address is sealed under another key")

// tell notes that somebody is to be told. Who left no address, or waits to be told already, is not noted again.
func (n *Notices) tell(ctx context.Context, tx *store.Tx, kind Kind, who int64) error {
	var sealed []byte
	var lang string
	var sent int64
	err := tx.QueryRow(ctx, getAddress, kind, who).Scan(&sealed, &lang, &sent)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	now := n.Now()
	due := now.Add(Soon)
	if kind == Reporter {
		due = now.Add(mathrand.N(Scatter))
	}
	if again := time.UnixMicro(sent).Add(Quiet); sent != 0 && again.After(due) {
		due = again
	}
	_, err = tx.Exec(ctx, putMail, kind, who, now.UnixMicro(), due.UnixMicro())
	return err
}

// mostTries is how often a mail is tried: with pauses that double up to six hours, for about two days.
const mostTries = 14

func pauseAfter(tries int64) time.Duration {
	return min(6*time.Hour, time.Minute<<min(tries, 10))
}

// waiting is a mail in the outbox.
type waiting struct {
	kind  Kind
	who   int64
	due   int64
	tries int64
}

// Send sends the mails whose time has come. A mail that could not be sent waits for its next try, which is no error; an
// error means that the database failed. Two instances never send one mail at the same time, and one
// that stops in between leaves the mail to be sent again later.
func (n *Notices) Send(ctx context.Context) (sent, failed int, err error) {
	if !n.On() {
		return 0, 0, nil
	}
	var due []waiting
	err = n.DB.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, dueMails, n.Now().UnixMicro())
		if err != nil {
			return err
		}
		due, err = store.Collect(rows, func(r *store.Rows) (w waiting, err error) {
			return w, r.Scan((*string)(&w.kind), &w.who, &w.due, &w.tries)
		})
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("notices: %w", err)
	}
	for _, w := range due {
		told, err := n.sendOne(ctx, w)
		switch {
		case err != nil:
			return sent, failed, fmt.Errorf("notices: %w", err)
		case told:
			sent++
		default:
			failed++
		}
	}
	return sent, failed, nil
}

func (n *Notices) sendOne(ctx context.Context, w waiting) (told bool, err error) {
	var address, lang string
	mine := false
	err = n.DB.Tx(ctx, func(tx *store.Tx) error {
		mine = false
		changed, err := tx.Affected(ctx, claimMail, w.kind, w.who, w.due, n.Now().Add(pauseAfter(w.tries+1)).UnixMicro())
		if err != nil || changed == 0 {
			return err
		}
		mine = true
		if address, lang, _, err = n.address(ctx, tx, w.kind, w.who); errors.Is(err, errNotOurs) {
			address, err = "", nil // sealed under a key that was lost: there is nowhere to send it
		}
		if err == nil && address == "" {
			_, err = tx.Exec(ctx, dropMail, w.kind, w.who)
		}
		return err
	})
	if err != nil || !mine || address == "" {
		return false, err
	}
	subject, text := n.message(w.kind, lang)
	failure := n.Mailer.send(ctx, address, subject, text)
	if failure == nil {
		return true, n.DB.Tx(ctx, func(tx *store.Tx) error {
			if _, err := tx.Exec(ctx, dropMail, w.kind, w.who); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, wasTold, w.kind, w.who, n.Now().UnixMicro())
			return err
		})
	}
	// What the mail server says may name the address: only the kind of failure is kept.
	n.Log.WarnContext(ctx, "a notice was not delivered", "kind", string(w.kind), "try", w.tries+1, "why", failure.why, "for good", failure.forGood || w.tries+1 >= mostTries)
	if failure.forGood || w.tries+1 >= mostTries {
		return false, n.DB.Tx(ctx, func(tx *store.Tx) error { _, err := tx.Exec(ctx, dropMail, w.kind, w.who); return err })
	}
	return false, nil // its next try is set
}

// message is the whole mail. It has no arguments but the address of the sign-in page.
func (n *Notices) message(kind Kind, lang string) (subject, text string) {
	say := n.Book.Choose(lang)
	if kind == Reporter {
		return say.T("notice.subject"), say.T("notice.reporter")
	}
	if n.Base == "" {
		return say.T("notice.subject"), say.T("notice.staff")
	}
	return say.T("notice.subject"), say.T("notice.staff.at", "address", strings.TrimSuffix(n.Base, "/")+"/staff/sign-in")
}

// How often Run looks around.
const (
	sendEvery   = 10 * time.Second
	clocksEvery = 10 * time.Minute
)

// Run sends mails and watches time limits until ctx ends.
func (n *Notices) Run(ctx context.Context) error {
	var clocks time.Time
	for {
		if time.Since(clocks) >= clocksEvery {
			clocks = time.Now()
			if _, err := n.Clocks(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		if _, _, err := n.Send(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sendEvery):
		}
	}
}
