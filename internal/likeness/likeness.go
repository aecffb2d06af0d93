// Package likeness finds reports that say the same, without an index that anybody could read.
//
// Of the words of a report it keeps a sketch: for each of many orders of all possible pieces of text, the one piece
// that comes first (MinHash). Two sketches agree in as many places as the texts share pieces. The orders follow from a
// key that is not in the database, so that a thief of the database can neither read a word in a sketch nor test a guess:
// who does not have the key cannot make the sketch of a text. What a thief can see is that two
// reports are alike, and nothing of what they say. Without the key nothing is found either, and that is all the harm of
// losing it.
//
// The sketch is made of the plain text while it is in memory, before it is sealed; what is found is a hint to
// people who may see both reports, never a decision.
package likeness

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// The shape of a sketch: 42 bands of 3 places. Two texts that share 40 of 100 pieces meet in a band 94 times out of 100,
// those that share 5 of 100 one time out of 200, and what meets is compared in all places before it is shown.
const (
	bands  = 42
	inBand = 3
	places = bands * inBand
)

// fewest pieces: less says too little to be like anything.
const fewest = 8

// Least is how alike two reports are, from 0 to 1, before one is suggested with the other.
const Least = 0.25

// An Index makes sketches and finds like ones. It is safe for use by many goroutines.
type Index struct {
	key  []byte
	a, b [places]uint64 // the orders: piece x comes at place a·x+b, modulo a prime
}

// New returns the index of a key; the key's owner keeps it outside the database.
func New(key []byte) *Index {
	x := &Index{key: slices.Clone(key)}
	for i := range places {
		x.a[i] = 1 + x.number("order a", uint64(i))%(prime-1)
		x.b[i] = x.number("order b", uint64(i)) % prime
	}
	return x
}

// prime is 2^61-1, which makes the arithmetic quick.
const prime = 1<<61 - 1

func (x *Index) number(what string, n uint64) uint64 {
	mac := hmac.New(sha256.New, x.key)
	mac.Write([]byte(what))
	mac.Write([]byte{0})
	mac.Write(binary.BigEndian.AppendUint64(nil, n))
	return binary.BigEndian.Uint64(mac.Sum(nil))
}

// A Sketch is what is kept of the texts of a report; nil of one that says too little.
type Sketch []byte

// Sketch makes the sketch of the texts of a report.
func (x *Index) Sketch(texts []string) Sketch {
	pieces := shingles(texts)
	if len(pieces) < fewest {
		return nil
	}
	var least [places]uint64
	for i := range least {
		least[i] = prime
	}
	mac := hmac.New(sha256.New, x.key)
	var sum []byte
	for piece := range pieces {
		mac.Reset()
		mac.Write([]byte("piece\x00"))
		mac.Write([]byte(piece))
		sum = mac.Sum(sum[:0])
		h := binary.BigEndian.Uint64(sum) % prime
		for i := range places {
			if p := order(x.a[i], h, x.b[i]); p < least[i] {
				least[i] = p
			}
		}
	}
	// Four bytes of each place are enough to tell whether two agree.
	out := make(Sketch, 0, 4*places)
	for _, p := range least {
		out = binary.BigEndian.AppendUint32(out, uint32(p))
	}
	return out
}

// order is a·h+b modulo the prime.
func order(a, h, b uint64) uint64 {
	hi, lo := bits.Mul64(a, h)
	sum := lo&prime + (lo>>61 | hi<<3) + b
	sum = sum&prime + sum>>61
	if sum >= prime {
		sum -= prime
	}
	return sum
}

// Alike is how much two sketches have in common, from 0 to 1.
func Alike(a, b Sketch) float64 {
	if len(a) != 4*places || len(b) != 4*places {
		return 0
	}
	same := 0
	for i := 0; i < len(a); i += 4 {
		if [4]byte(a[i:i+4]) == [4]byte(b[i:i+4]) {
			same++
		}
	}
	return float64(same) / places
}

// bandsOf are the values under which a sketch is found: one for each band, under the key.
func (x *Index) bandsOf(s Sketch) []int64 {
	if len(s) != 4*places {
		return nil
	}
	out := make([]int64, bands)
	for i := range out {
		mac := hmac.New(sha256.New, x.key)
		mac.Write([]byte{'b', 'a', 'n', 'd', 0, byte(i)})
		mac.Write(s[i*4*inBand : (i+1)*4*inBand])
		out[i] = int64(binary.BigEndian.Uint64(mac.Sum(nil)))
	}
	return out
}

const (
	putSketch   = `INSERT INTO likeness (matter, sketch, banded) VALUES ($1, $2, 0) ON CONFLICT (matter) DO NOTHING`
	getSketch   = `SELECT sketch, banded FROM likeness WHERE matter = $1`
	dropSketch  = `DELETE FROM likeness WHERE matter = $1`
	newSketches = `SELECT matter, sketch FROM likeness WHERE banded = 0 ORDER BY matter LIMIT 200`
	setBanded   = `UPDATE likeness SET banded = 1 WHERE matter = $1`
	dropBand    = `DELETE FROM likeness_band WHERE band = $1 AND matter = $2`
	inOneBand   = `SELECT matter FROM likeness_band WHERE band = $1 AND matter <> $2 ORDER BY matter DESC LIMIT 50`
)

// Note keeps the sketch of a matter. It is one short row, in the transaction of the filing; Spread makes it findable.
func (x *Index) Note(ctx context.Context, tx *store.Tx, id ref.MatterID, s Sketch) error {
	if len(s) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, putSketch, id, []byte(s)); err != nil {
		return fmt.Errorf("likeness of matter %d: %w", id, err)
	}
	return nil
}

// Spread makes the newest sketches findable, some hundred at a time, and reports how many it did. It runs beside the
// filing so that a filing does not have to wait for it.
func (x *Index) Spread(ctx context.Context, db *store.DB) (n int, err error) {
	err = db.Tx(ctx, func(tx *store.Tx) error {
		n = 0
		rows, err := tx.Query(ctx, newSketches)
		if err != nil {
			return err
		}
		todo, err := store.Collect(rows, scanSketch)
		if err != nil {
			return err
		}
		var all [][]any
		for _, t := range todo {
			for _, band := range distinct(x.bandsOf(t.sketch)) {
				all = append(all, []any{band, int64(t.matter)})
			}
			if _, err := tx.Exec(ctx, setBanded, t.matter); err != nil {
				return err
			}
		}
		n = len(todo)
		return tx.InsertMany(ctx, "likeness_band", []string{"band", "matter"}, all)
	})
	if err != nil {
		return 0, fmt.Errorf("likeness: %w", err)
	}
	return n, nil
}

func distinct(s []int64) []int64 {
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

type noted struct {
	matter ref.MatterID
	sketch Sketch
}

func scanSketch(r *store.Rows) (t noted, err error) {
	return t, r.Scan((*int64)(&t.matter), (*[]byte)(&t.sketch))
}

// A Match is a matter that is like another.
type Match struct {
	Matter ref.MatterID
	Alike  float64 // from 0 to 1
}

// Find returns the matters whose reports are most like that of a matter, the most alike first. Who may know of them is
// for the caller to decide.
func (x *Index) Find(ctx context.Context, tx *store.Tx, id ref.MatterID, atMost int) ([]Match, error) {
	var own Sketch
	var banded int64
	err := tx.QueryRow(ctx, getSketch, id).Scan((*[]byte)(&own), &banded)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("likeness of matter %d: %w", id, err)
	}
	met := map[ref.MatterID]bool{}
	for _, band := range x.bandsOf(own) {
		rows, err := tx.Query(ctx, inOneBand, band, id)
		if err != nil {
			return nil, fmt.Errorf("likeness of matter %d: %w", id, err)
		}
		found, err := store.Collect(rows, func(r *store.Rows) (m int64, err error) { return m, r.Scan(&m) })
		if err != nil {
			return nil, fmt.Errorf("likeness of matter %d: %w", id, err)
		}
		for _, m := range found {
			met[ref.MatterID(m)] = true
		}
	}
	ids := make([]ref.MatterID, 0, len(met))
	for m := range met {
		ids = append(ids, m)
	}
	sketches, err := x.sketches(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	var out []Match
	for m, s := range sketches {
		if alike := Alike(own, s); alike >= Least {
			out = append(out, Match{m, alike})
		}
	}
	slices.SortFunc(out, func(a, b Match) int { return cmp.Or(cmp.Compare(b.Alike, a.Alike), cmp.Compare(b.Matter, a.Matter)) })
	return out[:min(len(out), atMost)], nil
}

// sketches reads the sketches of matters.
func (x *Index) sketches(ctx context.Context, tx *store.Tx, ids []ref.MatterID) (map[ref.MatterID]Sketch, error) {
	out := map[ref.MatterID]Sketch{}
	for part := range slices.Chunk(ids, 500) {
		marks, args := make([]string, len(part)), make([]any, len(part))
		for i, id := range part {
			marks[i], args[i] = fmt.Sprintf("$%d", i+1), id
		}
		rows, err := tx.Query(ctx, `SELECT matter, sketch FROM likeness WHERE matter IN (`+strings.Join(marks, ", ")+`)`, args...)
		if err != nil {
			return nil, fmt.Errorf("likeness: %w", err)
		}
		found, err := store.Collect(rows, scanSketch)
		if err != nil {
			return nil, fmt.Errorf("likeness: %w", err)
		}
		for _, t := range found {
			out[t.matter] = t.sketch
		}
	}
	return out, nil
}

// Groups puts matters together whose reports are like each other, directly or through others: the largest group first,
// and none of fewer than two. It looks at the matters given and no others.
func (x *Index) Groups(ctx context.Context, tx *store.Tx, ids []ref.MatterID) ([][]ref.MatterID, error) {
	sketches, err := x.sketches(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	first := map[int64]ref.MatterID{} // by band: the first that was in it
	leader := map[ref.MatterID]ref.MatterID{}
	var find func(id ref.MatterID) ref.MatterID
	find = func(id ref.MatterID) ref.MatterID {
		if l := leader[id]; l != id {
			leader[id] = find(l)
		}
		return leader[id]
	}
	for _, id := range ids {
		s, ok := sketches[id]
		if !ok {
			continue
		}
		leader[id] = id
		for _, band := range x.bandsOf(s) {
			other, met := first[band]
			if !met {
				first[band] = id
			} else if a, b := find(other), find(id); a != b && Alike(sketches[other], s) >= Least {
				leader[b] = a
			}
		}
	}
	groups := map[ref.MatterID][]ref.MatterID{}
	for _, id := range ids {
		if _, ok := leader[id]; ok {
			l := find(id)
			groups[l] = append(groups[l], id)
		}
	}
	var out [][]ref.MatterID
	for _, g := range groups {
		if len(g) > 1 {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b []ref.MatterID) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b[0], a[0])) })
	return out, nil
}

// Forget takes away all that is kept of a matter; it goes with the report.
func (x *Index) Forget(ctx context.Context, tx *store.Tx, id ref.MatterID) error {
	var s Sketch
	var banded int64
	err := tx.QueryRow(ctx, getSketch, id).Scan((*[]byte)(&s), &banded)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("likeness of matter %d: %w", id, err)
	}
	if banded != 0 {
		for _, band := range x.bandsOf(s) {
			if _, err := tx.Exec(ctx, dropBand, band, id); err != nil {
				return fmt.Errorf("likeness of matter %d: %w", id, err)
			}
		}
	}
	if _, err := tx.Exec(ctx, dropSketch, id); err != nil {
		return fmt.Errorf("likeness of matter %d: %w", id, err)
	}
	return nil
}
