package matter

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
	"plumbline/verify"
)

// What an entry seals is decided in the clear and written as ciphertext: sealing is the last thing before an entry is
// recorded. Whoever takes a step that moves the matter hands its compartments on to the desk it goes to.

// seal replaces what stands in the clear in the entry, and gives the compartments to those who are to read them.
func (e *Engine) seal(ctx context.Context, tx *store.Tx, old State, d *Decision) error {
	m := &d.State.Matter
	moved := old.Matter.Desk != m.Desk || old.Matter.DeskBody != m.DeskBody || old.Matter.Body != m.Body
	fresh := old.Matter.N == 0
	switch {
	case fresh && len(m.Channel) > 0:
	case len(d.Entry.Sealed) > 0, moved && !fresh:
	default:
		return nil
	}
	var have []string
	var err error
	if !fresh {
		if have, err = e.vault.Compartments(ctx, tx, m.ID); err != nil {
			return err
		}
	}
	var founding *vault.Founding
	var wants []vault.Want
	if p := d.prepared; p != nil && p.place == placeOf(d.State) {
		wants, founding = p.wants, p.founding
	} else if wants, err = e.wants(ctx, tx, d, fresh, have); err != nil || len(wants) == 0 {
		return err
	}
	opener, err := e.vault.Hold(ctx, tx, d.Entry.By, d.keys, m.ID, wants, founding, moved && !fresh && d.Entry.By.Account != 0)
	if err != nil {
		return err
	}
	made := madeText(opener.Made())
	for _, compartment := range slices.Sorted(maps.Keys(d.Entry.Sealed)) {
		sealed, raw, err := sealPart(opener, compartment, entryContext(d.Entry.N), d.Entry.Sealed[compartment], made)
		made = "" // once is enough
		if err != nil {
			return fmt.Errorf("matter %d: seal %s: %w", m.ID, compartment, err)
		}
		d.Entry.Sealed[compartment] = raw
		if compartment != access.Reporter && compartment != access.Identity {
			if err := opener.Lend(ctx, tx, d.keys, compartment, entryContext(d.Entry.N), sealed); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealedPart is what stands for a compartment in an entry: the ciphertext, and a commitment to what it holds
// (verify.CommitSealed), so that whoever can open it can show others what was written without giving a key away.
type sealedPart struct {
	Box        string      `json:"box"` // base64
	Commitment verify.Hash `json:"commitment"`
	// Made tells the digests of the public keys of the compartments that were made with this entry, "file=… reporter=…": another key
	// that is put in the place of one, to read what is sealed to it, is found by plumbline verify.
	Made string `json:"made,omitempty"`
}

func madeText(made map[string]string) string {
	var out []string
	for _, c := range slices.Sorted(maps.Keys(made)) {
		out = append(out, c+"="+made[c])
	}
	return strings.Join(out, " ")
}

// madeIn reads what an entry tells of compartments that were made with it.
func madeIn(e journal.Entry) map[string]string {
	out := map[string]string{}
	for _, raw := range e.Sealed {
		var part sealedPart
		if json.Unmarshal(raw, &part) != nil {
			continue // of a form before this one, or changed: the log names it
		}
		for _, pair := range strings.Fields(part.Made) {
			if c, digest, ok := strings.Cut(pair, "="); ok {
				out[c] = digest
			}
		}
	}
	return out
}

func sealPart(o *vault.Opener, compartment, context string, content []byte, made string) (sealed []byte, raw rawMessage, err error) {
	plain := padded(content)
	if sealed, err = o.Seal(compartment, context, plain); err != nil {
		return nil, nil, err
	}
	salt, err := o.Salt(compartment, context, sealed)
	if err != nil {
		return nil, nil, err
	}
	raw, err = json.Marshal(sealedPart{base64.RawURLEncoding.EncodeToString(sealed), verify.CommitSealed(verify.Salt(salt), plain), made})
	return sealed, raw, err
}

// Said returns what an entry sealed in a compartment and the salt of its commitment: together they prove what was written.
func Said(o *vault.Opener, e journal.Entry, compartment string) (salt verify.Salt, content []byte, err error) {
	if content, err = Unseal(o, e, compartment); err != nil || content == nil {
		return salt, nil, err
	}
	sealed, err := Ciphertext(e.Sealed[compartment])
	if err != nil {
		return salt, nil, err
	}
	s, err := o.Salt(compartment, entryContext(e.N), sealed)
	return verify.Salt(s), content, err
}

func entryContext(n int64) string { return "entry/" + strconv.FormatInt(n, 10) }

// padded adds spaces, which mean nothing in JSON, so that the size of what was sealed says little about it: at least 256 bytes,
// then Padmé (Nikitin and others, Reducing metadata leakage from encrypted files, 2019), at most 12 % more.
func padded(content []byte) []byte {
	n := max(len(content), 256)
	e := bits.Len(uint(n)) - 1
	s := bits.Len(uint(e))
	last := 1<<(e-s) - 1
	out := make([]byte, (n+last)&^last)
	for i := copy(out, content); i < len(out); i++ {
		out[i] = ' '
	}
	return out
}

// wants are the compartments that the matter has to have after a step, and the desks that have to be able to open them.
func (e *Engine) wants(ctx context.Context, tx *store.Tx, d *Decision, fresh bool, have []string) ([]vault.Want, error) {
	s := d.State
	p, k, err := e.PackOf(s.Matter)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(have)
	if fresh && len(s.Matter.Channel) > 0 {
		names = append(names, access.Compartments(k)...)
	}
	for c := range d.Entry.Sealed {
		names = append(names, c)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	tree, err := e.trees.Tree(ctx, tx)
	if err != nil {
		return nil, err
	}
	f := factsOf(s, tree)
	later, err := e.unattended(ctx, tx, p, k, s)
	if err != nil {
		return nil, err
	}
	var out []vault.Want
	for _, c := range names {
		first, also := access.Keepers(p.Duties, k, f, c)
		if c != access.Identity {
			first = append(first, later...)
		}
		if len(first) == 0 { // it lies on no desk: whoever writes can read it again
			first = []access.Desk{{Duty: d.Entry.By.Duty, Body: d.Entry.By.Body}}
		}
		w := vault.Want{Compartment: c, Reporter: fresh && (c == access.Reporter || c == access.Identity)}
		for _, x := range first {
			if y := vault.Desk(x); !slices.Contains(w.Desks, y) {
				w.Desks = append(w.Desks, y)
			}
		}
		for _, x := range also {
			if y := vault.Desk(x); !slices.Contains(w.Desks, y) && !slices.Contains(w.Also, y) {
				w.Also = append(w.Also, y)
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// unattended are the desks that the matter can reach without a person at a desk handing it on: by steps of the reporter, of
// somebody outside or of the system. They have to be able to open it from the beginning.
func (e *Engine) unattended(ctx context.Context, tx *store.Tx, p *pack.Pack, k *pack.Kind, s State) ([]access.Desk, error) {
	if k == nil {
		return nil, nil
	}
	var states []*pack.State
	for i := range k.Actions {
		a := &k.Actions[i]
		st := k.State(a.To)
		if st == nil || st.Desk == "" || len(a.RecordedBy) > 0 || slices.ContainsFunc(a.By, func(id string) bool {
			duty := p.Duty(id)
			return duty == nil || duty.Actor == pack.ActorAccount || duty.Actor == ""
		}) {
			continue
		}
		if !slices.Contains(states, st) {
			states = append(states, st)
		}
	}
	if len(states) == 0 {
		return nil, nil
	}
	w := World{Now: e.Now()}
	var err error
	if w.Tree, err = e.trees.Tree(ctx, tx); err != nil {
		return nil, err
	}
	if named := s.Named(); len(named) > 0 {
		if w.Officials, err = withMerged(ctx, tx, named); err != nil {
			return nil, err
		}
		if err := e.away(ctx, tx, &w, named, p.Cal().Day(w.Now).String()); err != nil {
			return nil, err
		}
	}
	var out []access.Desk
	for _, st := range states {
		if err := e.holders(ctx, tx, &w, p, st); err != nil {
			return nil, err
		}
		duty, body := newDeciding(w, s, Step{Pack: p, Kind: k}).desk(st, s.Matter.Body)
		if x := (access.Desk{Duty: duty, Body: body}); duty != "" && body != 0 && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out, nil
}

// prepared is what Prepare found out and made.
type prepared struct {
	place    place
	wants    []vault.Want
	founding *vault.Founding
}

// place is all of a new matter that says who has to be able to open it.
type place struct {
	kind, pack, desk          string
	body, deskBody, concerned ref.BodyID
	subject                   ref.OfficialID
	allegations               int
}

func placeOf(s State) place {
	m := &s.Matter
	return place{m.Kind, m.Pack, m.Desk, m.Body, m.DeskBody, m.Concerned, m.Subject, len(s.Allegations)}
}

// Prepare makes the keys of a matter that a reporter is about to open: what takes most of the time, before the transaction
// that writes it. Open works without, and makes anew what no longer fits.
func (e *Engine) Prepare(ctx context.Context, cmd OpenCmd) (OpenCmd, error) {
	cmd.id = ref.MatterID(e.db.NewID())
	err := e.db.Read(ctx, func(tx *store.Tx) error {
		d, err := e.opening(ctx, tx, &cmd)
		if err != nil {
			return err
		}
		p := &prepared{place: placeOf(d.State)}
		if p.wants, err = e.wants(ctx, tx, &d, true, nil); err != nil {
			return err
		}
		p.founding, err = e.vault.Found(ctx, tx, cmd.keys(), cmd.id, p.wants)
		cmd.prepared = p
		return err
	})
	return cmd, err
}

// Opener is what keys open of a matter. Whether their holder may is package access's to say.
func (e *Engine) Opener(ctx context.Context, tx *store.Tx, keys *vault.Keys, id ref.MatterID) (*vault.Opener, error) {
	return e.vault.Opener(ctx, tx, keys, id)
}

// Content is what an entry sealed in a compartment, field by field; false if it sealed nothing there or the keys do not open it.
func Content(o *vault.Opener, e journal.Entry, compartment string) (map[string]any, bool) {
	plain, err := Unseal(o, e, compartment)
	if err != nil || plain == nil {
		return nil, false
	}
	var out map[string]any
	if json.Unmarshal(plain, &out) != nil {
		return nil, false
	}
	return out, true
}

// Unseal returns the JSON that an entry sealed in a compartment, nil if it sealed nothing there.
func Unseal(o *vault.Opener, e journal.Entry, compartment string) ([]byte, error) {
	raw, there := e.Sealed[compartment]
	if !there {
		return nil, nil
	}
	sealed, err := Ciphertext(raw)
	if err != nil {
		return nil, err
	}
	return o.Open(compartment, entryContext(e.N), sealed)
}

// Ciphertext reads the bytes that stand for a compartment in an entry.
func Ciphertext(raw json.RawMessage) ([]byte, error) {
	var part sealedPart
	if err := json.Unmarshal(raw, &part); err != nil {
		return nil, fmt.Errorf("matter: a sealed part has another form: %w", err)
	}
	return base64.RawURLEncoding.DecodeString(part.Box)
}

// A Reading is that somebody opened what is sealed in a matter.
type Reading struct {
	At           time.Time
	By           journal.Actor
	Compartments []string
	Reason       string // why: one of the reasons that the pages offer
	Why          string // in their own words, where they gave some and the keys open them
}

const (
	// ActionRead is the entry of a reading. It stands on a stream of its own beside the matter's: reading changes nothing, and makes no
	// form stale.
	ActionRead = "read"

	fieldCompartments = "compartments"
	fieldReason       = "reason"
	fieldWhy          = "why"
)

func readingStream(id ref.MatterID) string { return "reading/" + id.String() }

// RecordReading records that somebody opens compartments of a matter, and why, before they are shown. Those they may not
// open are refused.
func (e *Engine) RecordReading(ctx context.Context, tx *store.Tx, v access.Viewer, keys *vault.Keys, id ref.MatterID, compartments []string, reason, why string) error {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return err
	}
	f, err := e.Facts(ctx, tx, s)
	if err != nil {
		return err
	}
	if err := access.Look(v, f); err != nil {
		return err
	}
	_, k, err := e.PackOf(s.Matter)
	if err != nil {
		return err
	}
	if k == nil || len(compartments) == 0 {
		return fault.New(fault.Invalid, "reading.nothing", nil)
	}
	for _, c := range compartments {
		if err := access.MayOpen(v, k, f, c); err != nil {
			return err
		}
	}
	opener, err := e.vault.Opener(ctx, tx, keys, id)
	if err != nil {
		return err
	}
	n, err := journal.Last(ctx, tx, readingStream(id))
	if err != nil {
		return err
	}
	list := make([]any, len(compartments))
	for i, c := range compartments {
		list[i] = c
	}
	entry := journal.Entry{V: 1, Stream: readingStream(id), N: n + 1, At: e.Now(), Via: journal.ViaWeb, Pack: s.Matter.Pack, Action: ActionRead,
		By: journal.Actor{Account: v.Account, Duty: best(v, f).Duty, Body: best(v, f).Body}, Fields: map[string]any{fieldCompartments: list, fieldReason: reason}}
	if why != "" {
		plain, err := encodeJSON(map[string]string{fieldWhy: why})
		if err != nil {
			return err
		}
		_, raw, err := sealPart(opener, compartments[0], "reading/"+strconv.FormatInt(entry.N, 10), plain, "")
		if err != nil {
			return err
		}
		entry.Sealed = map[string]rawMessage{compartments[0]: raw}
	}
	if err := journal.Append(ctx, tx, entry); err != nil {
		return err
	}
	return opener.Settle(ctx, tx)
}

// Readings returns who opened what of a matter, oldest first. The reasons given in words are read with what keys open.
func (e *Engine) Readings(ctx context.Context, tx *store.Tx, o *vault.Opener, id ref.MatterID) ([]Reading, error) {
	entries, err := journal.Stream(ctx, tx, readingStream(id))
	if err != nil {
		return nil, err
	}
	var out []Reading
	for _, r := range entries {
		x := Reading{At: r.At, By: r.By}
		if list, ok := r.Fields[fieldCompartments].([]any); ok {
			for _, c := range list {
				if s, ok := c.(string); ok {
					x.Compartments = append(x.Compartments, s)
				}
			}
		}
		x.Reason, _ = r.Fields[fieldReason].(string)
		for c, raw := range r.Sealed {
			sealed, err := Ciphertext(raw)
			if err != nil {
				continue
			}
			plain, err := o.Open(c, "reading/"+strconv.FormatInt(r.N, 10), sealed)
			if err != nil {
				continue // not for this reader
			}
			var said map[string]string
			if json.Unmarshal(plain, &said) == nil {
				x.Why = said[fieldWhy]
			}
		}
		out = append(out, x)
	}
	return out, nil
}
