package exhibit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// glass is a vault without locks: what it seals only has to come back under the same names.
type glass struct{ matter ref.MatterID }

func (g glass) Seal(_ context.Context, _ *store.Tx, compartment, context string, plain []byte) ([]byte, error) {
	return append(fmt.Appendf(nil, "%d %s %s:", g.matter, compartment, context), plain...), nil
}

func (g glass) Open(compartment, context string, sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, fmt.Appendf(nil, "%d %s %s:", g.matter, compartment, context))
	if !ok {
		return nil, errors.New("not what was sealed")
	}
	return bytes.Clone(plain), nil
}

func content(n int, seed uint64) []byte {
	b := make([]byte, n)
	var s [32]byte
	s[0] = byte(seed)
	_, _ = rand.NewChaCha8(s).Read(b)
	return b
}

func attachAs(n int64) func(context.Context, *store.Tx, File) (int64, error) {
	return func(context.Context, *store.Tx, File) (int64, error) { return n, nil }
}

func place(m int64) Place { return Place{ref.MatterID(m), "file"} }

// send sends a file in one request.
func send(t testing.TB, f *Files, m int64, name string, data []byte) (*Upload, File) {
	t.Helper()
	u, err := f.Begin(t.Context(), Begin{Place: place(m), Name: name, Size: -1, Seal: glass{ref.MatterID(m)}.Seal})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Receive(t.Context(), bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	file, err := u.Finish(t.Context(), attachAs(7))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return u, file
}

func find(t testing.TB, f *Files, m int64, id ID) (k Kept) {
	t.Helper()
	err := f.db.Read(t.Context(), func(tx *store.Tx) (err error) { k, err = f.Find(t.Context(), tx, ref.MatterID(m), id); return err })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func readAll(t testing.TB, f *Files, m int64, id ID) ([]byte, error) {
	t.Helper()
	r, err := f.Read(t.Context(), find(t, f, m, id), glass{ref.MatterID(m)})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func counts(t testing.TB, f *Files) (files, chunks int64) {
	t.Helper()
	err := f.db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM exhibit), (SELECT count(*) FROM exhibit_chunk)`).Scan(&files, &chunks)
	})
	if err != nil {
		t.Fatal(err)
	}
	return files, chunks
}

func TestAFileComesBackAsItWasSent(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		f := New(db, Options{})
		for _, size := range []int{1, grain - 1, grain, chunkSize - 1, chunkSize, chunkSize + 1, 3*chunkSize + 12345} {
			data := content(size, 1)
			_, file := send(t, f, 5, "a.bin", data)
			if file.Size != int64(size) || file.SHA256 != sha256.Sum256(data) {
				t.Errorf("%d bytes: %d bytes with hash %x", size, file.Size, file.SHA256)
			}
			back, err := readAll(t, f, 5, file.ID)
			if err != nil || !bytes.Equal(back, data) {
				t.Errorf("%d bytes: %d came back, %v", size, len(back), err)
			}
			if c := verify.CommitFile(file.Salt, file.SHA256, file.Size); file.Commitment() != fmt.Sprintf("%x", c[:]) {
				t.Error("the commitment is not the one that others compute")
			}
		}
	})
}

// A file that comes in pieces goes on where it was, in another process, and only for who has the secret.
func TestAnUploadGoesOn(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		data, secret := content(2*chunkSize+777, 2), []byte("only the sender knows")
		u, err := New(db, Options{}).Begin(ctx, Begin{Place: place(5), Name: "v.mp4", Size: int64(len(data)), Secret: secret, Seal: glass{5}.Seal})
		if err != nil {
			t.Fatal(err)
		}
		id := u.Progress().ID
		broken := io.MultiReader(bytes.NewReader(data[:chunkSize+99]), broken{io.ErrUnexpectedEOF})
		if err := u.Receive(ctx, broken); !fault.Is(err, fault.Invalid) {
			t.Fatalf("a broken connection: %v", err)
		}
		if err := u.Close(ctx); err != nil {
			t.Fatal(err)
		}

		f := New(db, Options{})
		if _, err := f.Resume(ctx, place(5), id, []byte("somebody else")); !fault.Is(err, fault.NotFound) {
			t.Errorf("somebody else goes on: %v", err)
		}
		if _, err := f.Resume(ctx, place(6), id, secret); !fault.Is(err, fault.NotFound) {
			t.Errorf("in another matter: %v", err)
		}
		half, err := f.Unfinished(ctx, place(5), secret)
		if err != nil || len(half) != 1 || half[0] != (Progress{id, "v.mp4", int64(len(data)), chunkSize}) {
			t.Fatalf("unfinished: %v, %v", half, err)
		}
		if others, err := f.Unfinished(ctx, place(5), []byte("x")); err != nil || len(others) != 0 {
			t.Errorf("others see %v, %v", others, err)
		}
		u, err = f.Resume(ctx, place(5), id, secret)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Finish(ctx, attachAs(7)); !fault.Is(err, fault.Invalid) {
			t.Errorf("half a file was finished: %v", err)
		}
		if err := u.Receive(ctx, bytes.NewReader(data[chunkSize:])); err != nil || !u.Whole() {
			t.Fatal(err, u.Whole())
		}
		_ = u.Close(ctx)

		// The answer was lost: the same is asked once more.
		u, err = f.Resume(ctx, place(5), id, secret)
		if err != nil || !u.Whole() {
			t.Fatal(err)
		}
		file, err := u.Finish(ctx, attachAs(7))
		_ = u.Close(ctx)
		if err != nil || file.SHA256 != sha256.Sum256(data) {
			t.Fatalf("%x, %v", file.SHA256, err)
		}
		if back, err := readAll(t, f, 5, id); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%d bytes came back: %v", len(back), err)
		}
		if _, err := f.Resume(ctx, place(5), id, secret); !fault.Is(err, fault.NotFound) {
			t.Errorf("a finished file goes on: %v", err)
		}
	})
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Two requests that send the same file do not mix: the later of two chunks is refused.
func TestTwoSendersOfOneFileDoNotMix(t *testing.T) {
	db := world.SQLite(t)
	f, ctx := New(db, Options{}), t.Context()
	data, secret := content(2*chunkSize, 3), []byte("s")
	u, err := f.Begin(ctx, Begin{Place: place(5), Name: "v", Size: int64(len(data)), Secret: secret, Seal: glass{5}.Seal})
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.Resume(ctx, place(5), u.Progress().ID, secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Receive(ctx, bytes.NewReader(data[:chunkSize])); err != nil {
		t.Fatal(err)
	}
	if err := u.Receive(ctx, bytes.NewReader(data)); !fault.Is(err, fault.Conflict) {
		t.Errorf("both were taken: %v", err)
	}
}

// Whatever breaks off, nothing of it stays; what nobody goes on with expires.
func TestNothingHalfDoneStays(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx, now := t.Context(), time.Now()
		f := New(db, Options{Now: func() time.Time { return now }})
		for name, src := range map[string]io.Reader{
			"a part cut at a chunk":   io.MultiReader(bytes.NewReader(content(chunkSize, 1)), broken{io.ErrUnexpectedEOF}),
			"a part cut within one":   io.MultiReader(bytes.NewReader(content(10, 1)), broken{io.ErrUnexpectedEOF}),
			"a part cut at once":      broken{io.ErrUnexpectedEOF},
			"a connection that fails": io.MultiReader(bytes.NewReader(content(2*chunkSize+5, 1)), broken{errors.New("reset")}),
			"an empty file":           strings.NewReader(""),
		} {
			u, err := f.Begin(ctx, Begin{Place: place(5), Name: "x", Size: -1, Seal: glass{5}.Seal})
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Receive(ctx, src); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := u.Finish(ctx, attachAs(1)); err == nil {
				t.Errorf("%s: counts", name)
			}
			if err := u.Close(ctx); err != nil {
				t.Error(err)
			}
			if files, chunks := counts(t, f); files != 0 || chunks != 0 {
				t.Errorf("%s: %d files, %d chunks stay", name, files, chunks)
			}
		}
		// A step that is refused leaves no file, and one that is abandoned expires.
		u, err := f.Begin(ctx, Begin{Place: place(5), Name: "x", Size: 9, Secret: []byte("s"), Seal: glass{5}.Seal})
		if err != nil {
			t.Fatal(err)
		}
		if err := u.Receive(ctx, strings.NewReader("123456789")); err != nil {
			t.Fatal(err)
		}
		refused := errors.New("refused")
		if _, err := u.Finish(ctx, func(context.Context, *store.Tx, File) (int64, error) { return 0, refused }); !errors.Is(err, refused) {
			t.Errorf("the step was refused: %v", err)
		}
		_ = u.Close(ctx)
		now = now.Add(Life - time.Minute)
		if n, err := f.Expire(ctx); n != 0 || err != nil {
			t.Errorf("expired too early: %d, %v", n, err)
		}
		now = now.Add(2 * time.Minute)
		if n, err := f.Expire(ctx); n != 1 || err != nil {
			t.Errorf("expired: %d, %v", n, err)
		}
		if files, chunks := counts(t, f); files != 0 || chunks != 0 {
			t.Errorf("%d files, %d chunks stay", files, chunks)
		}
	})
}

func TestAnAttachedFileIsNeitherDroppedNorExpired(t *testing.T) {
	now := time.Now()
	f := New(world.SQLite(t), Options{Now: func() time.Time { return now }})
	_, file := send(t, f, 5, "x", content(5, 1))
	if err := f.Drop(t.Context(), file.ID); err != nil {
		t.Fatal(err)
	}
	now = now.Add(100 * Life)
	if n, err := f.Expire(t.Context()); n != 0 || err != nil {
		t.Error(n, err)
	}
	if _, err := readAll(t, f, 5, file.ID); err != nil {
		t.Error(err)
	}
}

func TestLimitsHold(t *testing.T) {
	ctx := t.Context()
	db := world.SQLite(t)
	free := int64(1 << 40)
	f := New(db, Options{Limits: Limits{File: 100_000, Matter: 300_000, Count: 4, Spare: 1000}, Free: func() (int64, error) { return free, nil }})
	try := func(size int64, src io.Reader) error {
		u, err := f.Begin(ctx, Begin{Place: place(5), Name: "x", Size: size, Seal: glass{5}.Seal})
		if err != nil {
			return err
		}
		defer func() { _ = u.Close(ctx) }()
		if err := u.Receive(ctx, src); err != nil {
			return err
		}
		_, err = u.Finish(ctx, attachAs(1))
		return err
	}
	key := func(err error) string {
		var e *fault.Error
		if errors.As(err, &e) {
			return e.Key
		}
		return fmt.Sprint(err)
	}
	for _, c := range []struct {
		size int64
		data int
		want string
	}{
		{0, 0, "files.empty"}, {100_001, 100_001, "files.large"}, {-1, 100_001, "files.large"}, {-1, 100_000, "<nil>"}, {100_000, 100_000, "<nil>"}, {-1, 90_000, "files.matter"},
		{-1, 10, "files.matter"}, // a chunk takes at least 64 kB
	} {
		if got := key(try(c.size, bytes.NewReader(content(c.data, 1)))); got != c.want {
			t.Errorf("%d announced, %d sent: %s, want %s", c.size, c.data, got, c.want)
		}
	}
	free = 900
	if got := key(try(5, strings.NewReader("12345"))); got != "files.disk" {
		t.Errorf("a full disk: %s", got)
	}
	free = 1 << 40
	f.limits.Matter = 0
	for range 2 {
		if err := try(-1, strings.NewReader("1")); err != nil {
			t.Fatal(err)
		}
	}
	if got := key(try(-1, strings.NewReader("1"))); got != "files.count.full" {
		t.Errorf("a fifth file: %s", got)
	}
	f.limits = Limits{Office: 1}
	if got := key(try(-1, strings.NewReader("1"))); got != "files.disk" {
		t.Errorf("an office that is full: %s", got)
	}
}

func TestOneReportDoesNotTakeAllTheRoom(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	var all []*Upload
	for range maxPerMatter {
		u, err := f.Begin(t.Context(), Begin{Place: place(5), Name: "x", Size: -1, Seal: glass{5}.Seal})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	more := func(m int64) error {
		u, err := f.Begin(t.Context(), Begin{Place: place(m), Name: "x", Size: -1, Seal: glass{ref.MatterID(m)}.Seal})
		if err == nil {
			err = u.Close(t.Context())
		}
		return err
	}
	if err := more(5); !fault.Is(err, fault.Unavailable) {
		t.Errorf("one more: %v", err)
	}
	if err := more(6); err != nil {
		t.Errorf("another report: %v", err)
	}
	if err := all[0].Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := more(5); err != nil {
		t.Errorf("after one ended: %v", err)
	}
}

// A name tells a browser and a shell nothing but a name.
func TestNames(t *testing.T) {
	long := strings.Repeat("长", 200)
	for in, want := range map[string]string{
		"photo.jpg": "photo.jpg", "../../etc/passwd": "passwd", `C:\Users\me\x.doc`: "x.doc", "a/b\\c": "c", "": "file", "..": "file", "/": "file", " . ": "file",
		"a\r\nSet-Cookie: x=1": "aSet-Cookie_ x=1", "x\x00.png": "x.png", "photo\u202egpj.exe": "photogpj.exe", `a"b;c.txt`: "a_b;c.txt", "证据 一.pdf": "证据 一.pdf",
		"\xff\xfe.txt": "\ufffd.txt", ".htaccess": "htaccess", "con\u2028x": "conx", "<script>.svg": "_script_.svg", "a\u00a0b": "a b",
	} {
		if got := CleanName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := CleanName(long + ".pdf"); len(got) > longestName+4 || !strings.HasSuffix(got, ".pdf") {
		t.Errorf("a long name: %d bytes, %q", len(got), got)
	}
}

func TestSizesSayLittle(t *testing.T) {
	for size, want := range map[int64]string{1: "<100kB", 99_999: "<100kB", 100_000: "<1MB", 50_000_000: "<100MB", 1 << 40: ">=1GB"} {
		if got := SizeClass(size); got != want {
			t.Errorf("%d: %s", size, got)
		}
	}
	db := world.SQLite(t)
	f := New(db, Options{})
	for _, n := range []int{1, grain} {
		send(t, f, 5, "x", content(n, 1))
	}
	var kinds int64
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(DISTINCT length(data)) FROM exhibit_chunk`).Scan(&kinds)
	})
	if err != nil || kinds != 1 {
		t.Errorf("a byte and 64 kB are kept in %d different sizes, %v", kinds, err)
	}
}

// What is stored holds no trace of the file, its name or its type.
func TestNothingOfAFileStandsInTheClear(t *testing.T) {
	db := world.SQLite(t)
	f, ctx := New(db, Options{}), t.Context()
	marker := "MARKER-in-the-file"
	u, err := f.Begin(ctx, Begin{Place: place(5), Name: "MARKER-name.txt", Size: int64(chunkSize + len(marker)), Secret: []byte("s"), Seal: func(_ context.Context, _ *store.Tx, _, _ string, _ []byte) ([]byte, error) {
		return []byte("sealed"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Receive(ctx, strings.NewReader(strings.Repeat(marker, chunkSize/len(marker)))); err == nil && u.Whole() {
		t.Fatal("the whole of it came")
	}
	err = db.Read(ctx, func(tx *store.Tx) error {
		rows, err := tx.Query(ctx, `SELECT key, salt, state FROM exhibit UNION ALL SELECT data, data, data FROM exhibit_chunk`)
		if err != nil {
			return err
		}
		all, err := store.Collect(rows, func(r *store.Rows) (b [3][]byte, err error) { return b, r.Scan(&b[0], &b[1], &b[2]) })
		for _, row := range all {
			for _, b := range row {
				if bytes.Contains(b, []byte("MARKER")) || bytes.Contains(b, u.key) || bytes.Contains(b, []byte("text/plain")) {
					t.Error("the table holds what should be sealed")
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
