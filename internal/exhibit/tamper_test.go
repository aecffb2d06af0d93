package exhibit

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

func exec(t testing.TB, db *store.DB, query string, args ...any) {
	t.Helper()
	if err := db.Tx(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), query, args...); return err }); err != nil {
		t.Fatal(err)
	}
}

// Whoever can write to the database can destroy a file, but never pass another one off as it.
func TestTamperingIsFound(t *testing.T) {
	data := content(3*chunkSize+500, 1)
	for name, tamper := range map[string]func(t *testing.T, db *store.DB, f *Files, mine, other ID){
		"the last chunk is taken off": func(t *testing.T, db *store.DB, _ *Files, mine, _ ID) {
			exec(t, db, `DELETE FROM exhibit_chunk WHERE file = $1 AND no = 3`, int64(mine))
			exec(t, db, `UPDATE exhibit SET chunks = 3 WHERE id = $1`, int64(mine))
		},
		"a chunk is missing": func(t *testing.T, db *store.DB, _ *Files, mine, _ ID) {
			exec(t, db, `DELETE FROM exhibit_chunk WHERE file = $1 AND no = 1`, int64(mine))
		},
		"nothing is left": func(t *testing.T, db *store.DB, _ *Files, mine, _ ID) {
			exec(t, db, `UPDATE exhibit SET chunks = 0 WHERE id = $1`, int64(mine))
		},
		"two chunks change places": func(t *testing.T, db *store.DB, _ *Files, mine, _ ID) {
			exec(t, db, `UPDATE exhibit_chunk SET no = 9 WHERE file = $1 AND no = 0`, int64(mine))
			exec(t, db, `UPDATE exhibit_chunk SET no = 0 WHERE file = $1 AND no = 1`, int64(mine))
			exec(t, db, `UPDATE exhibit_chunk SET no = 1 WHERE file = $1 AND no = 9`, int64(mine))
		},
		"a chunk stands there twice": func(t *testing.T, db *store.DB, _ *Files, mine, _ ID) {
			exec(t, db, `UPDATE exhibit_chunk SET data = (SELECT c.data FROM exhibit_chunk c WHERE c.file = $1 AND c.no = 1) WHERE file = $1 AND no = 2`, int64(mine))
		},
		"a chunk of another file": func(t *testing.T, db *store.DB, _ *Files, mine, other ID) {
			exec(t, db, `UPDATE exhibit_chunk SET data = (SELECT c.data FROM exhibit_chunk c WHERE c.file = $2 AND c.no = 1) WHERE file = $1 AND no = 1`, int64(mine), int64(other))
		},
		"the key and the chunks of another file": func(t *testing.T, db *store.DB, _ *Files, mine, other ID) {
			exec(t, db, `DELETE FROM exhibit_chunk WHERE file = $1`, int64(mine))
			exec(t, db, `UPDATE exhibit_chunk SET file = $1 WHERE file = $2`, int64(mine), int64(other))
			exec(t, db, `UPDATE exhibit SET key = (SELECT e.key FROM exhibit e WHERE e.id = $2) WHERE id = $1`, int64(mine), int64(other))
		},
		"the original passed off as the working copy": func(t *testing.T, db *store.DB, f *Files, mine, _ ID) {
			exec(t, db, `UPDATE exhibit SET copy = 'image/png', copy_chunks = chunks WHERE id = $1`, int64(mine))
			exec(t, db, `UPDATE exhibit_chunk SET part = 1 WHERE file = $1`, int64(mine))
			if r, err := f.ReadCopy(t.Context(), find(t, f, 5, mine), glass{5}); err == nil {
				t.Errorf("it opens: %v", r)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := world.SQLite(t)
			f := New(db, Options{})
			_, mine := send(t, f, 5, "a", data)
			_, other := send(t, f, 5, "b", content(3*chunkSize+500, 2))
			tamper(t, db, f, mine.ID, other.ID)
			back, err := readAll(t, f, 5, mine.ID)
			if err == nil || bytes.Equal(back, data) {
				t.Errorf("it was not found: %d bytes, %v", len(back), err)
			}
			if !bytes.HasPrefix(data, back) {
				t.Error("something of another file was given out before it was found")
			}
		})
	}
}

// A file of one matter does not exist in another, and one that is still arriving does not exist at all.
func TestAFileIsFoundInItsMatterAlone(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	_, mine := send(t, f, 5, "a", []byte("x"))
	u, err := f.Begin(t.Context(), Begin{Place: place(5), Name: "b", Size: 10, Secret: []byte("s"), Seal: glass{5}.Seal})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		matter int64
		id     ID
	}{{6, mine.ID}, {5, mine.ID + 1}, {5, u.Progress().ID}} {
		err := f.db.Read(t.Context(), func(tx *store.Tx) error { _, err := f.Find(t.Context(), tx, ref.MatterID(c.matter), c.id); return err })
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// FuzzChunks changes one stored chunk in any way: it opens as exactly what was stored, or not at all.
func FuzzChunks(f *testing.F) {
	key := content(32, 9)
	c, err := newChain(key, 5, "file", 77, original)
	if err != nil {
		f.Fatal(err)
	}
	sealed := map[bool][]byte{}
	for _, last := range []bool{false, true} {
		fr := newFrame()
		fr.n = copy(fr.data(), content(chunkSize, 1))
		if last {
			fr.n = 100
		}
		b, err := c.seal(fr, 3, last)
		if err != nil {
			f.Fatal(err)
		}
		sealed[last] = bytes.Clone(b)
	}
	f.Add(0, byte(1), 0, int64(3), true, []byte{})
	f.Add(40, byte(0), 1, int64(3), true, []byte{})
	f.Add(0, byte(0), 0, int64(4), false, []byte{})
	f.Add(5, byte(7), 0, int64(3), false, []byte("more"))
	f.Fuzz(func(t *testing.T, at int, flip byte, cut int, no int64, last bool, more []byte) {
		b := bytes.Clone(sealed[last])
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		} else {
			flip = 0
		}
		if cut < 0 || cut > len(b) {
			cut = 0
		}
		b = append(b[:len(b)-cut], more...)
		same := flip == 0 && bytes.Equal(b, sealed[last]) && uint32(no) == 3
		for _, asLast := range []bool{false, true} {
			plain, err := c.open(bytes.Clone(b), no, asLast)
			if want := same && asLast == last; want != (err == nil) {
				t.Fatalf("opens: %v, want %v (%v)", err == nil, want, err)
			}
			if err != nil && !errors.Is(err, ErrTampered) {
				t.Fatalf("the error is %v", err)
			}
			if err == nil && !bytes.HasPrefix(content(chunkSize, 1), plain) {
				t.Fatal("opens as something else")
			}
		}
	})
}

func TestAReaderThatWasCutOffDoesNotEnd(t *testing.T) {
	db := world.SQLite(t)
	f := New(db, Options{})
	_, file := send(t, f, 5, "a", content(2*chunkSize, 1))
	r, err := f.Read(t.Context(), find(t, f, 5, file.ID), glass{5})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `DELETE FROM exhibit_chunk WHERE file = $1 AND no = 1`, int64(file.ID))
	if _, err := io.ReadAll(r); !errors.Is(err, ErrTampered) {
		t.Errorf("it ends with %v", err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, ErrTampered) {
		t.Errorf("and then with %v", err)
	}
}
