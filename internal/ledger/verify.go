package ledger

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"plumbline/internal/journal"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/verify"
)

// A Verification is what Verify was asked, and what it found.
type Verification struct {
	KeyPath string // of the key, for the note beside it of what was signed last; "" if there is none here
	Against []Head // heads of this log that others kept

	Entries     int64 // leaves compared with their entries
	Checkpoints int   // signed heads compared with the tree
	Behind      int64 // entries that have their place and are not in the tree yet
	Differences []rows.Difference
}

// A Head is a signed checkpoint that somebody else kept, alone or in a receipt.
type Head struct {
	Name string // for the report
	Note []byte
}

// mostFound bounds what Verify names: beyond that, something is wrong that is not found entry by entry.
const mostFound = 10_000

// mostSuspects bounds how many entries are kept in memory to find out where they belong.
const mostSuspects = 256

// leavesAtOnce is how much one transaction reads: whole tiles.
const leavesAtOnce = 16 * tileWidth

// Verify hashes every entry again and compares: entries with what the log committed to, these with the hashes of the
// tree, each tile with those below it, and the tree with every signed head that is kept, the one noted beside the key
// among them. It names each place where they differ, and says which of them was changed: of entry, leaf and tile two
// still agree, and the signed heads say who is right where all have been made to. Its memory does not grow with the
// log. progress, if given, is told how many entries are done.
func (l *Ledger) Verify(ctx context.Context, v *Verification, progress func(done, total int64)) error {
	c := &checker{l: l, v: v, record: &tower{}, progress: progress}
	if err := l.db.Read(ctx, func(tx *store.Tx) error { return c.begin(ctx, tx) }); err != nil {
		return err
	}
	for c.done < c.total && len(c.found) < mostFound {
		if err := l.db.Read(ctx, func(tx *store.Tx) error { return c.batch(ctx, tx) }); err != nil {
			return err
		}
	}
	if c.done == c.total {
		if err := l.db.Read(ctx, func(tx *store.Tx) error { return c.end(ctx, tx) }); err != nil {
			return err
		}
	}
	c.settle()
	c.name()
	v.Entries = c.done
	return nil
}

// signedHead is a checkpoint to compare the tree with.
type signedHead struct {
	verify.Checkpoint
	table, key string // how the report names it
}

// suspect is an entry that is not what its place in the log says, or a place without one.
type suspect struct {
	idx       int64
	key       string
	bytes     []byte // of the entry there; nil: there is none
	committed []byte // what the log holds; nil: there is no leaf
	secret    []byte
}

type checker struct {
	l        *Ledger
	v        *Verification
	progress func(done, total int64)
	found    []placed

	total, done int64
	keys        []note.Verifier
	heads       []signedHead // by size, as far as they are within the tree

	record *tower // the tree as entries and leaves say
	stored *tower // as the tiles say; nil as long as the two are the same

	suspects []suspect
	both     []int64 // entry and leaf agree, the tile says otherwise: the next signed head decides

	agreed int64 // up to here everything is as signed
	forked bool  // a head that differs was named
}

// placed is a difference with the position that orders the report.
type placed struct {
	at int64
	rows.Difference
}

func (c *checker) say(at int64, p rows.Problem, table, key, column, want, got string) {
	c.found = append(c.found, placed{at, rows.Difference{Problem: p, Table: table, Key: key, Column: column, Want: want, Got: got}})
}

func position(idx int64) string { return "position=" + strconv.FormatInt(idx, 10) }

// begin reads how much there is, and every signed head.
func (c *checker) begin(ctx context.Context, tx *store.Tx) (err error) {
	if c.total, err = leaves(ctx, tx); err != nil {
		return err
	}
	cursor, _, err := journal.Cursor(ctx, tx, "ledger")
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	if cursor > c.total {
		c.say(c.total+1, rows.Missing, "leaf", positions(c.total+1, cursor), "", "", "")
	}
	placedNow, _, err := journal.Head(ctx, tx)
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	c.v.Behind = max(0, placedNow-max(cursor, c.total))
	events, err := c.l.KeyEvents(ctx, tx)
	if err != nil {
		// An entry about keys that cannot be read is found as such below; its key is then not known.
		events = nil
	}
	var known []string
	for _, e := range events {
		known = append(known, e.Keys...)
	}
	if c.v.KeyPath != "" {
		if k, err := OpenKey(c.v.KeyPath); err == nil { // without it, what is recorded has to do
			for _, g := range k.generations {
				known = append(known, g.vkeys...)
			}
		}
	}
	for _, vkey := range known {
		if k, err := verify.ParseKey(vkey); err == nil {
			c.keys = append(c.keys, k)
		}
	}
	found, err := tx.Query(ctx, `SELECT size, note FROM checkpoint ORDER BY size`)
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	type kept struct {
		size int64
		note []byte
	}
	all, err := store.Collect(found, func(r *store.Rows) (k kept, err error) { return k, r.Scan(&k.size, &k.note) })
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	for _, k := range all {
		c.head(k.note, "checkpoint", "size="+strconv.FormatInt(k.size, 10), k.size)
	}
	if c.v.KeyPath != "" {
		if _, signed, ok, err := ReadHead(c.v.KeyPath); err != nil {
			c.say(c.total, rows.Unsigned, "file", HeadPath(c.v.KeyPath), "", "", err.Error())
		} else if ok {
			c.head(signed, "file", HeadPath(c.v.KeyPath), -1)
		}
	}
	for _, h := range c.v.Against {
		c.head(h.Note, "file", h.Name, -1)
	}
	slices.SortStableFunc(c.heads, func(a, b signedHead) int { return cmp.Compare(a.Size, b.Size) })
	return nil
}

// head takes in a signed head: whether its signature holds, and whether the log reaches it at all. Size is what the table
// says of it; -1 where it lies in a file.
func (c *checker) head(signed []byte, table, key string, size int64) {
	c.v.Checkpoints++
	head, _, err := verify.OpenCheckpointBy(signed, c.keys, nil)
	if err != nil {
		c.say(max(size, c.total), rows.Unsigned, table, key, "", "", err.Error())
		return
	}
	switch at := int64(head.Size); {
	case size >= 0 && at != size:
		c.say(size, rows.Mislabeled, table, key, "size", strconv.FormatInt(at, 10), strconv.FormatInt(size, 10))
	case at > c.total && size < 0:
		c.say(c.total+1, rows.RolledBack, table, key, "", strconv.FormatInt(at, 10), strconv.FormatInt(c.total, 10))
	case at > c.total:
		c.say(c.total+1, rows.CutOff, table, key, "", strconv.FormatInt(at, 10), strconv.FormatInt(c.total, 10))
	case at > 0:
		c.heads = append(c.heads, signedHead{Checkpoint: head, table: table, key: key})
	}
}

type entryRow struct {
	idx, n int64
	stream string
	bytes  []byte
}

func (e *entryRow) key() string {
	return fmt.Sprintf("%s stream=%s n=%d", position(e.idx), e.stream, e.n)
}

// leafRow is a place of the log: what the tables hold there.
type leafRow struct {
	idx                int64
	commitment, secret []byte // nil: no leaf; no secret
	entry              *entryRow
	own                verify.Hash // the commitment made of the entry again
	hashed             bool        // own is there
}

// batch compares the next leaves with their entries and tiles.
func (c *checker) batch(ctx context.Context, tx *store.Tx) error {
	from, to := c.done, min(c.done+leavesAtOnce, c.total)
	all, err := readLeaves(ctx, tx, from, to)
	if err != nil {
		return err
	}
	bottom, err := readBottom(ctx, tx, from/tileWidth, (to+tileWidth-1)/tileWidth)
	if err != nil {
		return err
	}
	for n := from / tileWidth; n < (to+tileWidth-1)/tileWidth; n++ {
		if want := min((n+1)*tileWidth, c.total) - n*tileWidth; int64(len(bottom[n])) < want*hashSize {
			c.say(n*tileWidth+1, rows.Missing, "tile", tileKey(0, n), "", "", "")
		}
	}
	rehash(all)
	var full []tileRow
	for i := range all {
		full = append(full, c.compare(&all[i], bottom)...)
		for len(c.heads) > 0 && int64(c.heads[0].Size) == c.record.size {
			c.compareHead(c.heads[0])
			c.heads = c.heads[1:]
		}
	}
	if err := c.compareTiles(ctx, tx, full, false); err != nil {
		return err
	}
	c.done = to
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return nil
}

// readLeaves reads the places from+1 to to, whether there is anything at them or not.
func readLeaves(ctx context.Context, tx *store.Tx, from, to int64) ([]leafRow, error) {
	const (
		selectLeaves  = `SELECT idx, commitment, secret FROM leaf WHERE idx > $1 AND idx <= $2 ORDER BY idx`
		selectEntries = `SELECT idx, n, stream, bytes FROM entry WHERE idx > $1 AND idx <= $2 ORDER BY idx`
	)
	all := make([]leafRow, to-from)
	for i := range all {
		all[i].idx = from + int64(i) + 1
	}
	found, err := tx.Query(ctx, selectLeaves, from, to)
	if err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	for found.Next() {
		var r leafRow
		if err := found.Scan(&r.idx, &r.commitment, &r.secret); err != nil {
			return nil, err
		}
		all[r.idx-from-1] = r
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	if found, err = tx.Query(ctx, selectEntries, from, to); err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	entries, err := store.Collect(found, scanEntry)
	if err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	for i := range entries {
		all[entries[i].idx-from-1].entry = &entries[i]
	}
	return all, nil
}

func scanEntry(r *store.Rows) (e entryRow, err error) {
	return e, r.Scan(&e.idx, &e.n, &e.stream, &e.bytes)
}

// readBottom reads tiles of leaf hashes.
func readBottom(ctx context.Context, tx *store.Tx, from, to int64) (map[int64][]byte, error) {
	found, err := tx.Query(ctx, `SELECT n, hashes FROM tile WHERE level = 0 AND n >= $1 AND n < $2`, from, to)
	if err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	tiles := map[int64][]byte{}
	for found.Next() {
		var n int64
		var hashes []byte
		if err := found.Scan(&n, &hashes); err != nil {
			return nil, err
		}
		tiles[n] = hashes
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil {
		return nil, fmt.Errorf("ledger: verify: %w", err)
	}
	return tiles, nil
}

// rehash makes the commitments again, on every processor: it is most of the work.
func rehash(all []leafRow) {
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), 1+len(all)/64) // a few are done before a second worker has begun
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(all); i += workers {
				r := &all[i]
				if r.entry == nil || len(r.secret) != len(verify.Secret{}) {
					continue
				}
				own, err := commit(verify.Secret(r.secret), r.entry.bytes)
				r.own, r.hashed = own, err == nil // bytes that cannot be read are not what was logged
			}
		})
	}
	wg.Wait()
}

// compare looks at one place of the log, and returns the tiles that are full with it.
func (c *checker) compare(r *leafRow, bottom map[int64][]byte) (full []tileRow) {
	var inTile []byte
	if tile, at := bottom[(r.idx-1)/tileWidth], (r.idx-1)%tileWidth*hashSize; int64(len(tile)) >= at+hashSize {
		inTile = tile[at : at+hashSize]
	}
	leafHash := verify.LeafHash(r.commitment)
	best := leafHash
	agree := false // entry and leaf
	switch {
	case len(r.commitment) != hashSize:
		c.say(r.idx, rows.Missing, "leaf", position(r.idx), "", "", "")
		if inTile != nil {
			best = verify.Hash(inTile)
		}
	case r.entry == nil:
		c.suspect(suspect{idx: r.idx, key: position(r.idx), committed: r.commitment, secret: r.secret})
	case r.secret == nil: // purged: nobody can tell any more what it was
		agree = true
	case r.hashed && bytes.Equal(r.own[:], r.commitment):
		agree = true
	case r.hashed && bytes.Equal(hashOf(r.own), inTile):
		c.say(r.idx, rows.Changed, "leaf", position(r.idx), "commitment", r.own.String(), verify.Hash(r.commitment).String())
		best = verify.LeafHash(r.own[:])
	default:
		c.suspect(suspect{idx: r.idx, key: r.entry.key(), bytes: r.entry.bytes, committed: r.commitment, secret: r.secret})
	}
	if inTile == nil {
		inTile = best[:]
	}
	if differ := !bytes.Equal(inTile, best[:]); differ {
		if agree {
			c.both = append(c.both, r.idx)
		} else {
			c.say(r.idx, rows.Changed, "tile", tileKey(0, (r.idx-1)/tileWidth), "hash of "+position(r.idx), best.String(), verify.Hash(inTile).String())
		}
		if c.stored == nil {
			c.stored = c.record.clone()
		}
	}
	collect := func(level int, n int64, hashes []byte) { full = append(full, tileRow{level, n, hashes}) }
	c.record.add(tlog.Hash(best), collect)
	if c.stored != nil {
		c.stored.add(tlog.Hash(inTile), collect)
	}
	return full
}

func hashOf(commitment verify.Hash) []byte {
	h := verify.LeafHash(commitment[:])
	return h[:]
}

func (c *checker) suspect(s suspect) {
	if len(c.suspects) < mostSuspects {
		s.bytes = bytes.Clone(s.bytes)
		c.suspects = append(c.suspects, s)
		return
	}
	c.blame(s)
}

// blame names an entry of which nothing better is known than that it is not what was logged.
func (c *checker) blame(s suspect) {
	if s.bytes == nil {
		c.say(s.idx, rows.Removed, "entry", s.key, "", "", "")
	} else {
		c.say(s.idx, rows.Rewritten, "entry", s.key, "bytes", "", "")
	}
}

// compareHead compares the tree so far with a signed head over it. The head also decides between entries and tiles
// where those differ.
func (c *checker) compareHead(h signedHead) {
	root := c.record.root()
	switch {
	case root == h.Root:
		c.blameTiles()
		c.agreed, c.stored = int64(h.Size), nil
	case c.stored != nil && c.stored.root() == h.Root:
		for _, idx := range c.both {
			c.say(idx, rows.Rewritten, "entry", position(idx), "with its leaf", "", "")
		}
		c.both = nil
		c.agreed, c.record, c.stored = int64(h.Size), c.stored, nil
	case c.forked && h.table == "checkpoint": // the heads after the first that differs differ too
	default:
		c.forked = c.forked || h.table == "checkpoint"
		c.say(c.agreed+1, rows.Forked, h.table, fmt.Sprintf("%s (all agree up to position %d)", h.key, c.agreed), "", h.Root.String(), root.String())
	}
}

// blameTiles names the hashes that differ from what entry and leaf both say.
func (c *checker) blameTiles() {
	for _, idx := range c.both {
		c.say(idx, rows.Changed, "tile", tileKey(0, (idx-1)/tileWidth), "hash of "+position(idx), "", "")
	}
	c.both = nil
}

func tileKey(level int, n int64) string { return fmt.Sprintf("level=%d n=%d", level, n) }

// compareTiles compares tiles above the lowest with those in the table. Where the tree of the entries and that of the
// tiles differ, either will do: the difference lies below and has been named.
func (c *checker) compareTiles(ctx context.Context, tx *store.Tx, made []tileRow, last bool) error {
	fits := map[[2]int64]bool{}
	for pass := range 2 {
		for _, t := range made {
			at := [2]int64{int64(t.level), t.n}
			if t.level == 0 && !last || fits[at] {
				continue
			}
			var hashes []byte
			err := tx.QueryRow(ctx, selectTile, t.level, t.n).Scan(&hashes)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("ledger: verify: %w", err)
			}
			begin := t.n<<(tileHeight*(t.level+1)) + 1
			switch {
			case err == nil && bytes.HasPrefix(hashes, t.hashes) && (!last || len(hashes) == len(t.hashes)):
				fits[at] = true
			case pass == 0 || t.level == 0 && len(hashes) <= len(t.hashes): // the other tree may fit; hash by hash it was compared already
			case err != nil || len(hashes) < len(t.hashes):
				c.say(begin, rows.Missing, "tile", tileKey(t.level, t.n), "", "", "")
				fits[at] = true
			default:
				k := 0
				for k < len(t.hashes) && hashes[k] == t.hashes[k] {
					k++
				}
				c.say(begin, rows.Changed, "tile", tileKey(t.level, t.n), "hash number "+strconv.Itoa(k/hashSize+1), "", "")
				fits[at] = true
			}
		}
	}
	return nil
}

// end compares the right edge of the tree, and looks for tiles that belong to nothing, unless the log has grown meanwhile.
func (c *checker) end(ctx context.Context, tx *store.Tx) error {
	c.blameTiles() // no signed head says otherwise
	size, err := leaves(ctx, tx)
	if err != nil || size != c.total {
		return err
	}
	edge := c.record.partial()
	if c.stored != nil {
		edge = append(edge, c.stored.partial()...)
	}
	if err := c.compareTiles(ctx, tx, edge, true); err != nil {
		return err
	}
	found, err := tx.Query(ctx, `SELECT level, n FROM tile WHERE (level = 0 AND n >= $1) OR (level = 1 AND n >= $2) OR (level = 2 AND n >= $3) OR level >= $4 ORDER BY level, n LIMIT 100`,
		tilesAt(size, 0), tilesAt(size, 1), tilesAt(size, 2), int64(max(3, len(c.record.levels))))
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	for found.Next() {
		var level, n int64
		if err := found.Scan(&level, &n); err != nil {
			return err
		}
		if n >= tilesAt(size, int(level)) {
			c.say(size+1, rows.Unrecorded, "tile", tileKey(int(level), n), "", "", "")
		}
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	return c.strangers(ctx, tx)
}

// tilesAt is how many tiles a level of the tree has.
func tilesAt(size int64, level int) int64 {
	if level > 7 {
		return 0
	}
	return (size>>(tileHeight*level) + tileWidth - 1) / tileWidth
}

// strangers reads entries that stand outside of the tree, where something in it is missing: they may be what is missed.
func (c *checker) strangers(ctx context.Context, tx *store.Tx) error {
	if len(c.suspects) == 0 {
		return nil
	}
	const outside = `SELECT COALESCE(idx, 0), n, stream, bytes FROM entry WHERE idx > $1 OR idx < 1 OR idx IS NULL ORDER BY idx DESC, stream, n LIMIT $2`
	found, err := tx.Query(ctx, outside, c.total, mostSuspects)
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	entries, err := store.Collect(found, scanEntry)
	if err != nil {
		return fmt.Errorf("ledger: verify: %w", err)
	}
	for _, e := range entries {
		c.suspects = append(c.suspects, suspect{idx: e.idx, key: e.key(), bytes: e.bytes})
	}
	return nil
}

// settle finds out of the suspects which of them only stand at the wrong place.
func (c *checker) settle() {
	home := map[int]int64{} // suspect: where its entry belongs
	filled := map[int]bool{}
	for i, place := range c.suspects {
		if place.committed == nil || len(place.secret) != len(verify.Secret{}) {
			continue
		}
		for j, s := range c.suspects {
			if _, known := home[j]; known || s.bytes == nil || j == i {
				continue
			}
			if own, err := commit(verify.Secret(place.secret), s.bytes); err == nil && bytes.Equal(own[:], place.committed) {
				home[j], filled[i] = place.idx, true
				break
			}
		}
	}
	for i, s := range c.suspects {
		to, moved := home[i]
		switch {
		case moved:
			c.say(min(to, cmp.Or(s.idx, to)), rows.Moved, "entry", s.key, "idx", strconv.FormatInt(to, 10), strconv.FormatInt(s.idx, 10))
		case s.committed == nil: // outside of the tree, and nothing to it
		case filled[i] && s.bytes == nil: // its entry was found elsewhere
		case filled[i]:
			c.say(s.idx, rows.Unrecorded, "entry", s.key, "", "", "")
		default:
			c.blame(s)
		}
	}
}

// name puts the differences into the order of the log, with runs of entries that are gone as one.
func (c *checker) name() {
	slices.SortStableFunc(c.found, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	for i := 0; i < len(c.found); {
		d := c.found[i]
		last := i
		for d.Problem == rows.Removed && last+1 < len(c.found) && c.found[last+1].Problem == rows.Removed && c.found[last+1].at == c.found[last].at+1 {
			last++
		}
		if last > i {
			d.Key = positions(d.at, c.found[last].at)
		}
		c.v.Differences = append(c.v.Differences, d.Difference)
		i = last + 1
	}
}

func positions(from, to int64) string {
	if from == to {
		return position(from)
	}
	return fmt.Sprintf("positions=%d..%d", from, to)
}
