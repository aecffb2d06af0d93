package matter

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// Searching what is sealed: there is no index that anybody could read. What the searcher may see and can open is decrypted
// and looked through, one matter after the other, and forgotten.

// A Hit is a matter in which words were found.
type Hit struct {
	State        State
	Compartments []string // where
	Entries      []int64  // which entries, by their number
}

// Found is what a search brought.
type Found struct {
	Hits     []Hit
	Searched int  // matters that were looked through
	More     bool // there are more hits than asked for
}

const (
	searchAtOnce = 250 // in one reading; as many of them go on at once as there are processors
	maxWords     = 200 // characters

	// ActionSearch is the entry of a search: who looked through how much. What was looked for is nobody's business.
	ActionSearch = "search"
)

type opened struct {
	at   ref.MatterID
	slow *vault.Opener
}

// SearchSealed looks for words in what the viewer may see and their keys open; all words have to be in one matter, in any
// order, whatever their case. The search is recorded. progress, if given, is told how far it is.
func (e *Engine) SearchSealed(ctx context.Context, v access.Viewer, keys *vault.Keys, words string, most int, progress func(done, total int64)) (Found, error) {
	var out Found
	terms := strings.Fields(comparableText(words))
	if len(terms) == 0 || len([]rune(words)) > maxWords {
		return out, fault.InvalidFields([]fault.Field{{Name: "words", Key: "search.words", Args: fault.Args{"max": maxWords}}})
	}
	if keys.Account() == 0 {
		return out, fault.New(fault.Forbidden, "reading.keyless", nil)
	}
	ids, err := e.seen(ctx, v)
	if err != nil {
		return out, err
	}
	atOnce := runtime.GOMAXPROCS(0)
	for done := 0; done < len(ids); done += atOnce * searchAtOnce {
		wave := slices.Collect(slices.Chunk(ids[done:min(done+atOnce*searchAtOnce, len(ids))], searchAtOnce))
		parts, errs := make([]searched, len(wave)), make([]error, len(wave))
		var all sync.WaitGroup
		for i, some := range wave {
			all.Go(func() {
				errs[i] = e.db.Read(ctx, func(tx *store.Tx) (err error) {
					parts[i], err = e.searchSome(ctx, tx, v, keys, some, terms)
					return err
				})
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return out, err
		}
		var slow []opened
		for _, p := range parts {
			for id, o := range p.opens {
				slow = append(slow, opened{id, o})
			}
			out.Searched += len(p.opens)
			out.Hits = append(out.Hits, p.hits...)
		}
		if err := e.settleMany(ctx, slow); err != nil {
			return out, err
		}
		if progress != nil {
			progress(int64(min(done+atOnce*searchAtOnce, len(ids))), int64(len(ids)))
		}
		if len(out.Hits) > most {
			out.Hits, out.More = out.Hits[:most], true
			break
		}
	}
	return out, e.recordSearch(ctx, v, out)
}

// seen lists the matters that the viewer may see, newest first.
func (e *Engine) seen(ctx context.Context, v access.Viewer) (ids []ref.MatterID, err error) {
	err = e.db.Read(ctx, func(tx *store.Tx) error {
		cond, args := access.Where(v, "m", 1)
		found, err := tx.Query(ctx, `SELECT m.id FROM matter m WHERE `+cond+` AND EXISTS (SELECT 1 FROM vault_compartment c WHERE c.matter = m.id) ORDER BY m.id DESC`, args...)
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		ids, err = store.Collect(found, func(r *store.Rows) (id ref.MatterID, err error) { return id, r.Scan(&id) })
		return err
	})
	return ids, err
}

// searched is what looking through some matters brought.
type searched struct {
	hits  []Hit
	opens map[ref.MatterID]*vault.Opener
}

func (e *Engine) searchSome(ctx context.Context, tx *store.Tx, v access.Viewer, keys *vault.Keys, ids []ref.MatterID, terms []string) (searched, error) {
	opens, err := e.vault.Openers(ctx, tx, keys, ids)
	if err != nil {
		return searched{}, err
	}
	marks, args := make([]string, 0, len(opens)), make([]any, 0, len(opens))
	byStream := map[string]ref.MatterID{}
	for id := range opens {
		args = append(args, id.Stream())
		marks = append(marks, "$"+strconv.Itoa(len(args)))
		byStream[id.Stream()] = id
	}
	if len(args) == 0 {
		return searched{opens: opens}, nil
	}
	found, err := tx.Query(ctx, `SELECT stream, n, bytes FROM entry WHERE stream IN (`+strings.Join(marks, ", ")+`) ORDER BY stream, n`, args...)
	if err != nil {
		return searched{}, fmt.Errorf("search: %w", err)
	}
	defer func() { _ = found.Close() }() // closed below; twice does no harm
	type state struct {
		texts []string
		where map[string]bool
		at    []int64
	}
	all := map[ref.MatterID]*state{}
	for found.Next() {
		var stream string
		var n int64
		var raw []byte
		if err := found.Scan(&stream, &n, &raw); err != nil {
			return searched{}, fmt.Errorf("search: %w", err)
		}
		boxes, err := boxesOf(raw)
		if err != nil {
			return searched{}, fmt.Errorf("search: %s %d: %w", stream, n, err)
		}
		id := byStream[stream]
		for _, box := range boxes {
			compartment := box.compartment
			if compartment == access.Identity || !opens[id].Has(compartment) {
				continue // the identity is opened by a step of its own, never in passing
			}
			sealed := make([]byte, base64.RawURLEncoding.DecodedLen(len(box.text)))
			if _, err := base64.RawURLEncoding.Decode(sealed, box.text); err != nil {
				continue // verify names it
			}
			plain, err := opens[id].Open(compartment, entryContext(n), sealed)
			if err != nil {
				continue // of another hand, or changed: verify names it
			}
			text := comparableText(string(plain))
			if !slices.ContainsFunc(terms, func(t string) bool { return strings.Contains(text, t) }) {
				continue
			}
			s := all[id]
			if s == nil {
				s = &state{where: map[string]bool{}}
				all[id] = s
			}
			s.texts, s.where[compartment] = append(s.texts, text), true
			if !slices.Contains(s.at, n) {
				s.at = append(s.at, n)
			}
		}
	}
	if err := found.Err(); err != nil {
		return searched{}, fmt.Errorf("search: %w", err)
	}
	if err := found.Close(); err != nil {
		return searched{}, fmt.Errorf("search: %w", err)
	}
	var hits []Hit
	for _, id := range ids {
		s := all[id]
		if s == nil || !containsAll(s.texts, terms) {
			continue
		}
		h, ok, err := e.lawfulHit(ctx, tx, v, id, s.where)
		if err != nil {
			return searched{}, err
		}
		if ok {
			h.Entries = s.at
			hits = append(hits, h)
		}
	}
	return searched{hits, opens}, nil
}

// A boxed is the ciphertext of a compartment in an entry, in base64.
type boxed struct {
	compartment string
	text        []byte
}

// boxesOf finds what an entry seals. Entries are written in one form (journal.Encode), in which the sealed parts are found
// without reading the rest, several times faster; whatever looks otherwise is read in full.
func boxesOf(raw []byte) ([]boxed, error) {
	const sealed, box, commitment = `,"sealed":{`, `{"box":"`, `,"commitment":"`
	_, rest, there := bytes.Cut(raw, []byte(sealed))
	if !there {
		return nil, nil // these bytes cannot stand inside a text, whose quotes are escaped
	}
	var out []boxed
	plain := !bytes.Contains(rest, []byte(sealed))
	for more := plain; more; {
		var name, text []byte
		more = false
		if rest, plain = bytes.CutPrefix(rest, []byte(`"`)); !plain {
			break
		}
		if name, rest, plain = bytes.Cut(rest, []byte(`":`)); !plain {
			break
		}
		if rest, plain = bytes.CutPrefix(rest, []byte(box)); !plain {
			break
		}
		if text, rest, plain = bytes.Cut(rest, []byte(`"`)); !plain {
			break
		}
		if rest, plain = bytes.CutPrefix(rest, []byte(commitment)); !plain {
			break
		}
		if _, rest, plain = bytes.Cut(rest, []byte(`"}`)); !plain || len(rest) == 0 || bytes.ContainsAny(name, `"\`) || bytes.IndexByte(text, '\\') >= 0 {
			plain = false
			break
		}
		out = append(out, boxed{string(name), text})
		switch rest[0] {
		case ',':
			rest, more = rest[1:], true
		case '}': // and what may follow at this place, so that it is no part of something else
			plain = string(rest[1:]) == "}" || bytes.HasPrefix(rest[1:], []byte(`,"changes":`))
		default:
			plain = false
		}
	}
	if plain {
		return out, nil
	}
	var entry struct {
		Sealed map[string]struct {
			Box string `json:"box"`
		} `json:"sealed"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil {
		return nil, err
	}
	out = nil
	for compartment, part := range entry.Sealed {
		out = append(out, boxed{compartment, []byte(part.Box)})
	}
	return out, nil
}

func containsAll(texts, terms []string) bool {
	for _, t := range terms {
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, t) }) {
			return false
		}
	}
	return true
}

// lawfulHit holds a hit to the law: a key that somebody still has does not show what they may no longer open.
func (e *Engine) lawfulHit(ctx context.Context, tx *store.Tx, v access.Viewer, id ref.MatterID, where map[string]bool) (Hit, bool, error) {
	s, err := e.Load(ctx, tx, id)
	if err != nil {
		return Hit{}, false, err
	}
	f, err := e.Facts(ctx, tx, s)
	if err != nil {
		return Hit{}, false, err
	}
	_, k, err := e.PackOf(s.Matter)
	if err != nil || k == nil {
		return Hit{}, false, err
	}
	h := Hit{State: s}
	for _, c := range []string{access.File, access.Reporter, access.Respondent} {
		if where[c] && access.MayOpen(v, k, f, c) == nil {
			h.Compartments = append(h.Compartments, c)
		}
	}
	return h, len(h.Compartments) > 0, nil
}

// settleMany makes what was opened the slow way open fast the next time.
func (e *Engine) settleMany(ctx context.Context, some []opened) error {
	some = slices.DeleteFunc(some, func(x opened) bool { return !x.slow.Slow() })
	if len(some) == 0 {
		return nil
	}
	return e.db.Tx(ctx, func(tx *store.Tx) error {
		for _, x := range some {
			if err := x.slow.Settle(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *Engine) recordSearch(ctx context.Context, v access.Viewer, f Found) error {
	return e.db.Tx(ctx, func(tx *store.Tx) error {
		stream := "reading/by-" + v.Account.String()
		n, err := journal.Last(ctx, tx, stream)
		if err != nil {
			return err
		}
		refs := make([]any, len(f.Hits))
		for i, h := range f.Hits {
			refs[i] = string(h.State.Matter.Ref)
		}
		return journal.Append(ctx, tx, journal.Entry{V: 1, Stream: stream, N: n + 1, At: e.Now(), Via: journal.ViaWeb, Action: ActionSearch,
			By:     journal.Actor{Account: v.Account, Duty: best(v, access.Facts{}).Duty, Body: best(v, access.Facts{}).Body},
			Fields: map[string]any{"searched": int64(f.Searched), "shown": refs}})
	})
}

// comparableText brings a text into the form in which words are compared: compatible characters are one, and case is none.
func comparableText(s string) string { return strings.ToLower(norm.NFKC.String(s)) }
