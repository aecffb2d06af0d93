package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"plumbline/internal/store"
)

// Kinds of things that have a key at their source.
const (
	whatBody     = "body"
	whatOfficial = "official"
	whatMatter   = "matter"
)

// openRun is an import that has not ended.
type openRun struct {
	id       int64
	inputs   []byte
	phase    string
	cursor   []byte
	progress string
}

func unfinished(ctx context.Context, tx *store.Tx, source string) (*openRun, error) {
	var r openRun
	err := tx.QueryRow(ctx, `SELECT id, inputs, phase, cursor, progress FROM import_run WHERE source = $1 AND finished = 0`, source).
		Scan(&r.id, &r.inputs, &r.phase, &r.cursor, &r.progress)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("unfinished import of %s: %w", source, err)
	}
	return &r, nil
}

func insertRun(ctx context.Context, tx *store.Tx, r *runner) error {
	done, err := json.Marshal(r.done)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO import_run (id, source, mapping, pack, inputs, started, finished, phase, cursor, progress)
VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9)`,
		r.id, r.Source, r.Name, r.packName, r.digest, r.now().UnixMicro(), r.phase, r.cursor, string(done))
	if err != nil {
		return fmt.Errorf("begin import: %w", err)
	}
	return nil
}

func saveRun(ctx context.Context, tx *store.Tx, id int64, phase string, cursor []byte, done counters, now time.Time) error {
	text, err := json.Marshal(done)
	if err != nil {
		return err
	}
	finished := int64(0)
	if phase == phaseDone {
		finished = now.UnixMicro()
	}
	n, err := tx.Affected(ctx, `UPDATE import_run SET phase = $1, cursor = $2, progress = $3, finished = $4 WHERE id = $5 AND finished = 0`,
		phase, cursor, string(text), finished, id)
	if err != nil {
		return fmt.Errorf("import run %d: %w", id, err)
	}
	if n != 1 {
		return fmt.Errorf("import run %d is over", id)
	}
	return nil
}

func finishRun(ctx context.Context, tx *store.Tx, id int64, phase string, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE import_run SET phase = $1, finished = $2 WHERE id = $3`, phase, now.UnixMicro(), id)
	if err != nil {
		return fmt.Errorf("import run %d: %w", id, err)
	}
	return nil
}

// storedKey is what the database knows of a thing of the source.
type storedKey struct {
	key, digest []byte
	id          int64
	gone        int64
}

// keyPage is how many stored keys are read at once.
const keyPage = 4000

// storedKeys reads the keys of a source in byte order, beside a sorted input. Pages are read by themselves, each as late as
// possible; keys that the import itself adds lie before the page that is read next, so they are never met.
type storedKeys struct {
	db           *store.DB
	source, what string
	page         []storedKey
	after        []byte
	end          bool
}

func (s *storedKeys) head(ctx context.Context) (*storedKey, error) {
	if len(s.page) == 0 && !s.end {
		if s.after == nil {
			s.after = []byte{} // from the beginning; NULL would be after everything
		}
		err := s.db.Read(ctx, func(tx *store.Tx) error {
			rows, err := tx.Query(ctx, `SELECT key, digest, id, gone FROM source_key WHERE source = $1 AND what = $2 AND key > $3 ORDER BY key LIMIT $4`,
				s.source, s.what, s.after, int64(keyPage))
			if err != nil {
				return err
			}
			s.page, err = store.Collect(rows, func(r *store.Rows) (k storedKey, err error) {
				return k, r.Scan(&k.key, &k.digest, &k.id, &k.gone)
			})
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("keys of %s: %w", s.source, err)
		}
		s.end = len(s.page) < keyPage
		if len(s.page) > 0 {
			s.after = s.page[len(s.page)-1].key
		}
	}
	if len(s.page) == 0 {
		return nil, nil
	}
	return &s.page[0], nil
}

func (s *storedKeys) next() { s.page = s.page[1:] }

// find moves to a key and returns what is stored under it, nil if nothing is. skipped is called for each key passed over.
func (s *storedKeys) find(ctx context.Context, key []byte, skipped func(storedKey)) (*storedKey, error) {
	for {
		h, err := s.head(ctx)
		if err != nil || h == nil {
			return nil, err
		}
		switch c := strings.Compare(string(h.key), string(key)); {
		case c > 0:
			return nil, nil
		case c == 0:
			found := *h
			s.next()
			return &found, nil
		}
		skipped(*h)
		s.next()
	}
}

// rest passes over all keys that are left.
func (s *storedKeys) rest(ctx context.Context, skipped func(storedKey)) error {
	for {
		h, err := s.head(ctx)
		if err != nil || h == nil {
			return err
		}
		skipped(*h)
		s.next()
	}
}

var keyColumns = []string{"source", "what", "key", "digest", "id", "gone"}

func updateKey(ctx context.Context, tx *store.Tx, source, what string, key, digest []byte, gone int64) error {
	_, err := tx.Exec(ctx, `UPDATE source_key SET digest = $1, gone = $2 WHERE source = $3 AND what = $4 AND key = $5`, digest, gone, source, what, key)
	if err != nil {
		return fmt.Errorf("key of %s: %w", source, err)
	}
	return nil
}

// idsOf finds the ids of things by their keys at the source.
func idsOf(ctx context.Context, tx *store.Tx, source, what string, keys []string, into func(key string, id int64)) error {
	const most = 500
	for len(keys) > 0 {
		some := keys[:min(most, len(keys))]
		keys = keys[len(some):]
		args := []any{source, what}
		var in strings.Builder
		for i, k := range some {
			if i > 0 {
				in.WriteByte(',')
			}
			fmt.Fprintf(&in, "$%d", i+3)
			args = append(args, []byte(k))
		}
		rows, err := tx.Query(ctx, `SELECT key, id FROM source_key WHERE source = $1 AND what = $2 AND key IN (`+in.String()+`)`, args...)
		if err != nil {
			return fmt.Errorf("ids of %s: %w", source, err)
		}
		for rows.Next() {
			var key []byte
			var id int64
			if err := rows.Scan(&key, &id); err != nil {
				return fmt.Errorf("ids of %s: %w", source, err)
			}
			into(string(key), id)
		}
		if err := rows.Close(); err != nil {
			return fmt.Errorf("ids of %s: %w", source, err)
		}
	}
	return nil
}

// idCache keeps the ids of the officials met last.
type idCache struct {
	limit    int
	now, old map[string]int64
}

func newIDCache(limit int) *idCache { return &idCache{limit: limit, now: map[string]int64{}} }

func (c *idCache) get(key string) (int64, bool) {
	if id, ok := c.now[key]; ok {
		return id, true
	}
	id, ok := c.old[key]
	if ok {
		c.put(key, id)
	}
	return id, ok
}

func (c *idCache) put(key string, id int64) {
	if len(c.now) >= c.limit {
		c.old, c.now = c.now, map[string]int64{}
	}
	c.now[key] = id
}
