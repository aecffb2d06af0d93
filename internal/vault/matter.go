package vault

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"filippo.io/age"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

const (
	selectCompartments = `SELECT compartment, recipient FROM vault_compartment WHERE matter = $1 ORDER BY compartment`
	putCompartment     = `INSERT INTO vault_compartment (matter, compartment, recipient) VALUES ($1, $2, $3)`
	selectWraps        = `SELECT desk, parts, sealed FROM vault_wrap WHERE matter = $1 ORDER BY desk, parts`
	putWrap            = `INSERT INTO vault_wrap (matter, desk, parts, sealed) VALUES ($1, $2, $3, $4)
		ON CONFLICT (matter, desk, parts) DO UPDATE SET sealed = excluded.sealed`
	// A wrap that is gone meanwhile, because it was handed over or destroyed, is not written again.
	quickenWrap = `UPDATE vault_wrap SET sealed = $4 WHERE matter = $1 AND desk = $2 AND parts = $3`
	toReporter  = 0 // in the place of a desk
)

// A Want is a compartment that a matter has to have, and who has to be able to open it.
type Want struct {
	Compartment string
	Desks       []Desk // made where they have no key yet
	Also        []Desk // only those that have a key
	Reporter    bool   // the reporter as well, whose keys are given
}

// wrapKey is the symmetric key of a desk for what it has opened once.
func wrapKey(s secret) []byte { return s.key("wrap") }

func wrapAbout(m ref.MatterID, desk int64, parts string) string {
	return fmt.Sprintf("plumbline wrap %d %d %s", m, desk, parts)
}

// openWrap opens what is wrapped to a desk: an age file, as anybody can make it, or a box, which is what the desk itself puts in
// its place, because it opens a hundred times faster.
func openWrap(fast []byte, id *age.HybridIdentity, m ref.MatterID, desk int64, parts string, sealed []byte) ([]byte, error) {
	if !bytes.HasPrefix(sealed, ageMagic) {
		return unbox(fast, wrapAbout(m, desk, parts), sealed)
	}
	return unwrap(id, sealed)
}

// An Opener is what some keys open of one matter.
type Opener struct {
	v          *Vault
	matter     ref.MatterID
	recipients map[string]string // by compartment, as in the table
	secrets    map[string]secret // of those that were opened
	entries    map[string][]byte // keys of single things: "file entry/1"
	slow       []wrap            // opened the slow way: Settle makes them fast
	held       map[int64][]string
	made       []string // compartments that were made now
	proved     []string // compartments whose secret is known to be theirs
}

// KeyDigest is what the record keeps of a compartment's public key: whoever puts another in its place is found by it.
func KeyDigest(recipient string) string {
	sum := sha256.Sum256([]byte(recipient))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Made is the digest of the public key of each compartment that was made now, for the record.
func (o *Opener) Made() map[string]string {
	out := map[string]string{}
	for _, c := range o.made {
		out[c] = KeyDigest(o.recipients[c])
	}
	return out
}

// KeyDigests is the digest of the public key of every compartment of some matters, as they are in the table.
func KeyDigests(ctx context.Context, tx *store.Tx, ids []int64) (map[int64]map[string]string, error) {
	type row struct {
		matter                 int64
		compartment, recipient string
	}
	out := map[int64]map[string]string{}
	for some := range slices.Chunk(ids, mostAtOnce) {
		marks, args := make([]string, len(some)), make([]any, len(some))
		for i, id := range some {
			marks[i], args[i] = "$"+strconv.Itoa(i+1), id
		}
		found, err := each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.matter, &x.compartment, &x.recipient) },
			`SELECT matter, compartment, recipient FROM vault_compartment WHERE matter IN (`+strings.Join(marks, ", ")+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		for _, x := range found {
			if out[x.matter] == nil {
				out[x.matter] = map[string]string{}
			}
			out[x.matter][x.compartment] = KeyDigest(x.recipient)
		}
	}
	return out, nil
}

// sound makes sure that the secret which was wrapped to us is that of the compartment. Anybody can wrap something to a desk: who
// can write to the database could put a secret of theirs in a wrap, and read what is written under it.
func (o *Opener) sound(compartment string) error {
	if slices.Contains(o.made, compartment) || slices.Contains(o.proved, compartment) {
		return nil
	}
	if !matches(o.secrets[compartment], o.recipients[compartment]) {
		return fault.New(fault.Conflict, "vault.compartment-changed", nil)
	}
	o.proved = append(o.proved, compartment)
	return nil
}

type wrap struct {
	desk   int64
	parts  string
	sealed []byte
}

func scanWrap(r *store.Rows) (w wrap, err error) { return w, r.Scan(&w.desk, &w.parts, &w.sealed) }

// Opener returns what keys open of a matter: nothing, with nil keys.
func (v *Vault) Opener(ctx context.Context, tx *store.Tx, k *Keys, m ref.MatterID) (*Opener, error) {
	o := &Opener{v: v, matter: m, recipients: map[string]string{}, secrets: map[string]secret{}, entries: map[string][]byte{}, held: map[int64][]string{}}
	type row struct{ compartment, recipient string }
	found, err := each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.compartment, &x.recipient) }, selectCompartments, int64(m))
	if err != nil {
		return nil, fmt.Errorf("vault: matter %d: %w", m, err)
	}
	for _, x := range found {
		o.recipients[x.compartment] = x.recipient
	}
	if len(found) == 0 {
		return o, nil
	}
	wraps, err := each(ctx, tx, scanWrap, selectWraps, int64(m))
	if err != nil {
		return nil, fmt.Errorf("vault: matter %d: %w", m, err)
	}
	if err := k.load(ctx, tx); err != nil {
		return nil, err
	}
	for _, w := range wraps {
		o.held[w.desk] = append(o.held[w.desk], strings.Split(w.parts, ",")...)
		if err := o.take(k, w); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// take opens one wrap, if the keys do; what the office keeps opens for nobody but for handing on (see Hold).
func (o *Opener) take(k *Keys, w wrap) error {
	if k == nil {
		return nil
	}
	var plain []byte
	var err error
	if w.desk == toReporter {
		if k.code == nil {
			return nil
		}
		if plain, err = unbox(k.code, wrapAbout(o.matter, w.desk, w.parts), w.sealed); err != nil {
			return nil // another report's
		}
	} else {
		s, ok := k.desk(w.desk)
		if !ok || o.hasAll(w.parts) {
			return nil
		}
		var id *age.HybridIdentity
		if bytes.HasPrefix(w.sealed, ageMagic) {
			if id, err = k.deskIdentity(w.desk, s); err != nil {
				return fmt.Errorf("vault: desk %d: %w", w.desk, err)
			}
		}
		fast := k.wrapKey(w.desk, s)
		if plain, err = openWrap(fast, id, o.matter, w.desk, w.parts, w.sealed); err != nil {
			return fmt.Errorf("vault: matter %d, desk %d: %w", o.matter, w.desk, err)
		}
		if id != nil {
			o.slow = append(o.slow, wrap{w.desk, w.parts, box(fast, wrapAbout(o.matter, w.desk, w.parts), plain)})
		}
	}
	return o.learn(plain)
}

func (o *Opener) hasAll(parts string) bool {
	for part := range strings.SplitSeq(parts, ",") {
		if !o.Has(part) {
			return false
		}
	}
	return true
}

// learn takes the content of a wrap: secrets of compartments, and keys of single things.
func (o *Opener) learn(plain []byte) error {
	var bundle map[string]string
	if err := json.Unmarshal(plain, &bundle); err != nil {
		return fmt.Errorf("vault: matter %d: a wrap holds no keys", o.matter)
	}
	for name, s := range bundle {
		if strings.Contains(name, " ") {
			key, err := base64.RawStdEncoding.DecodeString(s)
			if err != nil {
				return fmt.Errorf("vault: matter %d: a wrap holds no keys", o.matter)
			}
			o.entries[name] = key
			continue
		}
		o.secrets[name] = secret(s)
	}
	return nil
}

// Exists reports whether the matter has a compartment.
func (o *Opener) Exists(compartment string) bool { _, ok := o.recipients[compartment]; return ok }

// Has reports whether a compartment is open.
func (o *Opener) Has(compartment string) bool { _, ok := o.secrets[compartment]; return ok }

func (o *Opener) about(compartment, context string) string {
	return fmt.Sprintf("plumbline matter %d %s %s", o.matter, compartment, context)
}

// Open opens what was sealed in a compartment under a context, such as "entry/12". The error is Forbidden "vault.shut" where
// the keys do not reach.
func (o *Opener) Open(compartment, context string, sealed []byte) ([]byte, error) {
	s, ok := o.secrets[compartment]
	if !ok {
		single := o.entries[compartment+" "+context]
		if single == nil {
			return nil, fault.New(fault.Forbidden, "vault.shut", fault.Args{"compartment": compartment})
		}
		ciphertext, err := afterKey(sealed)
		if err != nil {
			return nil, err
		}
		return openOnce(single, o.about(compartment, context), ciphertext)
	}
	key, ciphertext, err := contentKey(s, sealed)
	if err != nil {
		return nil, err
	}
	return openOnce(key, o.about(compartment, context), ciphertext)
}

// Salt is 32 bytes that only those who can open a sealed thing know, and that give nothing away of its key: the salt of a
// commitment to what it holds.
func (o *Opener) Salt(compartment, context string, sealed []byte) ([]byte, error) {
	key, err := o.key(compartment, context, sealed)
	if err != nil {
		return nil, err
	}
	return derive(key, nil, "plumbline commitment salt"), nil
}

// key is the key of one sealed thing.
func (o *Opener) key(compartment, context string, sealed []byte) ([]byte, error) {
	if s, ok := o.secrets[compartment]; ok {
		key, _, err := contentKey(s, sealed)
		return key, err
	}
	if single := o.entries[compartment+" "+context]; single != nil {
		return single, nil
	}
	return nil, fault.New(fault.Forbidden, "vault.shut", fault.Args{"compartment": compartment})
}

// Seal seals something in a compartment, under its secret where that is open, else to its recipient.
func (o *Opener) Seal(compartment, context string, plain []byte) ([]byte, error) {
	if s, ok := o.secrets[compartment]; ok {
		if err := o.sound(compartment); err != nil {
			return nil, err
		}
		return sealDerived(s, o.about(compartment, context), plain), nil
	}
	fresh := random(32)
	text, ok := o.recipients[compartment]
	if !ok {
		return nil, fmt.Errorf("vault: matter %d has no compartment %s", o.matter, compartment)
	}
	r, err := age.ParseHybridRecipient(text)
	if err != nil {
		return nil, fmt.Errorf("vault: matter %d, %s: %w", o.matter, compartment, err)
	}
	o.entries[compartment+" "+context] = derive(fresh, nil, contentInfo) // for Lend
	return sealWrapped(r, fresh, o.about(compartment, context), plain)
}

// Seal is Opener and its Seal in one.
func (v *Vault) Seal(ctx context.Context, tx *store.Tx, k *Keys, m ref.MatterID, compartment, context string, plain []byte) ([]byte, error) {
	o, err := v.Opener(ctx, tx, k, m)
	if err != nil {
		return nil, err
	}
	return o.Seal(compartment, context, plain)
}

// Slow reports whether something was opened the slow way, so that Settle would help.
func (o *Opener) Slow() bool { return len(o.slow) > 0 }

// Settle makes what was opened the slow way open fast from now on.
func (o *Opener) Settle(ctx context.Context, tx *store.Tx) error {
	for _, w := range o.slow {
		if _, err := tx.Exec(ctx, quickenWrap, int64(o.matter), w.desk, w.parts, w.sealed); err != nil {
			return fmt.Errorf("vault: settle: %w", err)
		}
	}
	o.slow = nil
	return nil
}

// Compartments lists the compartments of a matter.
func (v *Vault) Compartments(ctx context.Context, tx *store.Tx, m ref.MatterID) ([]string, error) {
	return each(ctx, tx, func(r *store.Rows) (c string, err error) { return c, r.Scan(&c) }, `SELECT compartment FROM vault_compartment WHERE matter = $1 ORDER BY compartment`, int64(m))
}

// A Founding is the compartments of a matter that is about to be opened, with their keys made and wrapped: what takes most
// of the time of filing, done before the transaction that writes it.
type Founding struct {
	wants  []Want
	by     *Keys
	rows   []wrap
	opener *Opener
	desks  map[Desk]int64
}

// Found makes the keys of a matter that does not exist yet. Desks without a key are left for Hold to make.
func (v *Vault) Found(ctx context.Context, tx *store.Tx, k *Keys, m ref.MatterID, wants []Want) (*Founding, error) {
	f := &Founding{wants: wants, by: k, desks: map[Desk]int64{}, opener: &Opener{v: v, matter: m, recipients: map[string]string{}, secrets: map[string]secret{}, entries: map[string][]byte{}, held: map[int64][]string{}}}
	for _, w := range wants {
		s, r, err := newSecret()
		if err != nil {
			return nil, err
		}
		f.opener.secrets[w.Compartment], f.opener.recipients[w.Compartment] = s, r.String()
		f.opener.made = append(f.opener.made, w.Compartment)
	}
	return f, v.wrapAll(ctx, tx, f.opener, k, wants, func(d Desk) (DeskKey, error) { return deskNow(ctx, tx, d) }, f)
}

// wrapAll wraps compartments to the desks wanted that do not hold them yet, all that one desk lacks in one wrap.
func (v *Vault) wrapAll(ctx context.Context, tx *store.Tx, o *Opener, k *Keys, wants []Want, must func(Desk) (DeskKey, error), f *Founding) error {
	lacking := map[int64][]string{}
	keys := map[int64]DeskKey{}
	looked := map[Desk]DeskKey{} // most desks are wanted for several compartments
	for _, w := range wants {
		if w.Reporter && k != nil && k.code != nil && !slices.Contains(o.held[toReporter], w.Compartment) {
			lacking[toReporter] = append(lacking[toReporter], w.Compartment)
		}
		for i, d := range append(slices.Clone(w.Desks), w.Also...) {
			find := must
			if i >= len(w.Desks) {
				find = func(d Desk) (DeskKey, error) { return deskNow(ctx, tx, d) }
			}
			key, known := looked[d]
			if !known {
				var err error
				if key, err = find(d); missing(err) {
					continue
				} else if err != nil {
					return err
				}
				looked[d] = key
			}
			f.desks[d] = key.ID
			if keys[key.ID] = key; !slices.Contains(o.held[key.ID], w.Compartment) && !slices.Contains(lacking[key.ID], w.Compartment) {
				lacking[key.ID] = append(lacking[key.ID], w.Compartment)
			}
		}
	}
	for _, desk := range slices.Sorted(maps.Keys(lacking)) {
		names := lacking[desk]
		slices.Sort(names)
		bundle := map[string]string{}
		for _, c := range names {
			if !o.Has(c) {
				return errShut
			}
			bundle[c] = string(o.secrets[c])
		}
		plain, err := json.Marshal(bundle)
		if err != nil {
			return fmt.Errorf("vault: %w", err)
		}
		p := parts(names)
		w := wrap{desk: desk, parts: p}
		if desk == toReporter {
			w.sealed = box(k.code, wrapAbout(o.matter, desk, p), plain)
		} else if s, ok := k.desk(desk); ok {
			w.sealed = box(wrapKey(s), wrapAbout(o.matter, desk, p), plain)
		} else {
			r, err := v.recipient(keys[desk].Recipient)
			if err != nil {
				return err
			}
			if w.sealed, err = wrapTo(r, plain); err != nil {
				return err
			}
		}
		f.rows = append(f.rows, w)
		o.held[desk] = append(o.held[desk], names...)
	}
	return nil
}

// Hold makes sure that a matter has the compartments wanted and that those wanted can open them, and returns what keys open.
// A founding made before is used as far as it still fits. Where a compartment exists, whoever hands it on must be able to
// open it themselves; else, if strict, the error is Forbidden "vault.hand-on", and if not, it waits for somebody who can.
func (v *Vault) Hold(ctx context.Context, tx *store.Tx, by journal.Actor, k *Keys, m ref.MatterID, wants []Want, f *Founding, strict bool) (*Opener, error) {
	fits := f != nil && f.opener.matter == m && f.by == k && sameWants(f.wants, wants)
	if fits {
		var err error
		if fits, err = f.inUse(ctx, tx); err != nil {
			return nil, err
		}
		for _, w := range wants {
			for _, d := range w.Desks {
				if _, ok := f.desks[d]; !ok {
					fits = false // a desk without a key: it is made now
				}
			}
		}
	}
	if fits {
		return f.opener, putFounding(ctx, tx, f)
	}
	o, err := v.Opener(ctx, tx, k, m)
	if err != nil {
		return nil, err
	}
	var fresh []string
	for _, w := range wants {
		if o.Exists(w.Compartment) {
			continue
		}
		s, r, err := newSecret()
		if err != nil {
			return nil, err
		}
		o.secrets[w.Compartment], o.recipients[w.Compartment] = s, r.String()
		fresh = append(fresh, w.Compartment)
	}
	// What the office still keeps is handed on by it: nobody has opened that desk yet.
	full := o
	if !o.canAll(wants) {
		if full, err = v.withOffice(ctx, tx, o, m); err != nil {
			return nil, err
		}
	}
	possible, short := full.possible(wants)
	next := &Founding{desks: map[Desk]int64{}}
	if err := v.wrapAll(ctx, tx, full, k, possible, func(d Desk) (DeskKey, error) { return v.ensureDesk(ctx, tx, by, d) }, next); err != nil {
		return nil, err
	}
	if short != nil && strict {
		if lacks, err := v.lacks(ctx, tx, o, *short); err != nil {
			return nil, err
		} else if lacks {
			return nil, fault.New(fault.Forbidden, "vault.hand-on", fault.Args{"compartment": short.Compartment})
		}
	}
	if err := v.putAll(ctx, tx, full, next.rows, fresh); err != nil {
		return nil, err
	}
	o.held, o.made = full.held, fresh
	return o, o.Settle(ctx, tx)
}

// inUse reports whether the keys of all desks that a founding was made for are still those in use.
func (f *Founding) inUse(ctx context.Context, tx *store.Tx) (bool, error) {
	if len(f.desks) == 0 {
		return true, nil
	}
	var marks []string
	var args []any
	for _, id := range f.desks {
		args = append(args, id)
		marks = append(marks, fmt.Sprintf("$%d", len(args)))
	}
	var n int
	err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_desk WHERE gone = 0 AND id IN (`+strings.Join(marks, ", ")+`)`, args...).Scan(&n)
	return n == len(f.desks), err
}

func sameWants(a, b []Want) bool {
	return slices.EqualFunc(a, b, func(a, b Want) bool {
		return a.Compartment == b.Compartment && a.Reporter == b.Reporter && slices.Equal(a.Desks, b.Desks) && slices.Equal(a.Also, b.Also)
	})
}

func (o *Opener) canAll(wants []Want) bool {
	for _, w := range wants {
		if !o.Has(w.Compartment) {
			return false
		}
	}
	return true
}

// possible splits wants into those whose compartments are open, and the first of the others.
func (o *Opener) possible(wants []Want) (can []Want, short *Want) {
	for i := range wants {
		if o.Has(wants[i].Compartment) {
			can = append(can, wants[i])
		} else if short == nil {
			short = &wants[i]
		}
	}
	return can, short
}

// lacks reports whether one of the desks a compartment has to be handed to cannot open it yet.
func (v *Vault) lacks(ctx context.Context, tx *store.Tx, o *Opener, w Want) (bool, error) {
	for _, d := range w.Desks {
		now, err := deskNow(ctx, tx, d)
		if missing(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if !slices.Contains(o.held[now.ID], w.Compartment) {
			return true, nil
		}
	}
	return false, nil
}

// withOffice is an opener that also opens what is wrapped to desks the office keeps.
func (v *Vault) withOffice(ctx context.Context, tx *store.Tx, o *Opener, m ref.MatterID) (*Opener, error) {
	wraps, err := each(ctx, tx, scanWrap, selectWraps, int64(m))
	if err != nil {
		return nil, fmt.Errorf("vault: matter %d: %w", m, err)
	}
	full := *o
	full.secrets, full.entries, full.slow = maps.Clone(o.secrets), maps.Clone(o.entries), nil
	for _, w := range wraps {
		if w.desk == toReporter || full.hasAll(w.parts) {
			continue
		}
		s, kept, err := v.keptSecret(ctx, tx, w.desk)
		if err != nil {
			return nil, err
		}
		if !kept {
			continue
		}
		id, err := s.identity()
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		plain, err := openWrap(wrapKey(s), id, m, w.desk, w.parts, w.sealed)
		if err != nil {
			return nil, fmt.Errorf("vault: matter %d, desk %d: %w", m, w.desk, err)
		}
		if err := full.learn(plain); err != nil {
			return nil, err
		}
	}
	return &full, nil
}

func (v *Vault) putAll(ctx context.Context, tx *store.Tx, o *Opener, wraps []wrap, fresh []string) error {
	for _, c := range fresh {
		if _, err := tx.Exec(ctx, putCompartment, int64(o.matter), c, o.recipients[c]); err != nil {
			return fmt.Errorf("vault: matter %d: %w", o.matter, err)
		}
	}
	for _, w := range inOrder(wraps) {
		if _, err := tx.Exec(ctx, putWrap, int64(o.matter), w.desk, w.parts, w.sealed); err != nil {
			return fmt.Errorf("vault: matter %d: %w", o.matter, err)
		}
	}
	return nil
}

// putFounding writes the keys of a matter that has none yet: two statements, since every other filing waits for this one.
func putFounding(ctx context.Context, tx *store.Tx, f *Founding) error {
	m := int64(f.opener.matter)
	var compartments, wraps [][]any
	for _, c := range slices.Sorted(maps.Keys(f.opener.recipients)) {
		compartments = append(compartments, []any{m, c, f.opener.recipients[c]})
	}
	for _, w := range inOrder(f.rows) {
		wraps = append(wraps, []any{m, w.desk, w.parts, w.sealed})
	}
	if err := tx.InsertMany(ctx, "vault_compartment", []string{"matter", "compartment", "recipient"}, compartments); err != nil {
		return fmt.Errorf("vault: matter %d: %w", m, err)
	}
	if err := tx.InsertMany(ctx, "vault_wrap", []string{"matter", "desk", "parts", "sealed"}, wraps); err != nil {
		return fmt.Errorf("vault: matter %d: %w", m, err)
	}
	return nil
}

func inOrder(wraps []wrap) []wrap {
	slices.SortFunc(wraps, func(a, b wrap) int { return cmp.Or(cmp.Compare(a.desk, b.desk), cmp.Compare(a.parts, b.parts)) })
	return wraps
}

// Lend gives the reporter, whose keys are given, the key of one thing they wrote in a compartment they cannot open: so that
// they can read their own words again, and prove what they said.
func (o *Opener) Lend(ctx context.Context, tx *store.Tx, k *Keys, compartment, context string, sealed []byte) error {
	if k == nil || k.code == nil {
		return nil
	}
	key, err := o.key(compartment, context, sealed)
	if err != nil {
		return err
	}
	name := compartment + " " + context
	plain, err := json.Marshal(map[string]string{name: base64.RawStdEncoding.EncodeToString(key)})
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	_, err = tx.Exec(ctx, putWrap, int64(o.matter), int64(toReporter), name, box(k.code, wrapAbout(o.matter, toReporter, name), plain))
	return err
}

const mostAtOnce = 500 // matters in one statement

// Openers returns what keys open of many matters, for reading alone; those of which they open nothing are left out.
func (v *Vault) Openers(ctx context.Context, tx *store.Tx, k *Keys, ids []ref.MatterID) (map[ref.MatterID]*Opener, error) {
	out := map[ref.MatterID]*Opener{}
	if err := k.load(ctx, tx); err != nil {
		return nil, err
	}
	mine := k.held()
	if len(mine) == 0 {
		return out, nil
	}
	in := func(ids []int64, args *[]any) string {
		marks := make([]string, len(ids))
		for i, id := range ids {
			*args = append(*args, id)
			marks[i] = "$" + strconv.Itoa(len(*args))
		}
		return strings.Join(marks, ", ")
	}
	for some := range slices.Chunk(ids, mostAtOnce) {
		matters := make([]int64, len(some))
		for i, id := range some {
			matters[i] = int64(id)
		}
		var args []any
		query := `SELECT matter, desk, parts, sealed FROM vault_wrap WHERE matter IN (` + in(matters, &args) + `) AND desk IN (` + in(mine, &args) + `) ORDER BY matter, desk, parts`
		type row struct {
			matter ref.MatterID
			wrap
		}
		found, err := each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.matter, &x.desk, &x.parts, &x.sealed) },
			query, args...)
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		for _, x := range found {
			o := out[x.matter]
			if o == nil {
				o = &Opener{v: v, matter: x.matter, recipients: map[string]string{}, secrets: map[string]secret{}, entries: map[string][]byte{}, held: map[int64][]string{}}
			}
			if err := o.take(k, x.wrap); err != nil {
				continue // one that was damaged or changed keeps nobody from the others; whoever opens that matter is told
			}
			if len(o.secrets) > 0 {
				out[x.matter] = o
			}
		}
	}
	return out, nil
}
