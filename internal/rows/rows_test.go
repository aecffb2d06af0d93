package rows_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

type flag int64

type item struct {
	Kind   string `db:"kind,key"`
	No     int64  `db:"no,key"`
	Flag   flag   `db:"flag"`
	Text   string `db:"text"`
	Bytes  []byte `db:"bytes"`
	Untold int    // no column
}

type thing struct {
	ID   int64  `db:"id,key"`
	Name string `db:"name"`
}

var (
	items  = rows.Of[item]("item", "thing")
	things = rows.Of[thing]("thing", "")
)

var tables = fstest.MapFS{"0001_rows.sql": {Data: []byte(`
CREATE TABLE thing (id BIGINT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE item (thing BIGINT NOT NULL, kind TEXT NOT NULL, no BIGINT NOT NULL, flag BIGINT NOT NULL, text TEXT NOT NULL,
	bytes BYTEA, PRIMARY KEY (thing, kind, no));
CREATE TABLE entry (stream TEXT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (stream, n));
`)}}

func each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), tables); err != nil {
			t.Fatal(err)
		}
		test(t, db)
	})
}

func genItems(t *rapid.T, label string) []item {
	all := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) item {
		i := item{Kind: rapid.SampledFrom([]string{"a", "b", "1:b", ""}).Draw(t, "kind"), No: rapid.Int64Range(-2, 20).Draw(t, "no"),
			Flag: flag(rapid.Int64Range(0, 1).Draw(t, "flag")), Text: rapid.SampledFrom([]string{"", "x", "证据"}).Draw(t, "text")}
		if rapid.Bool().Draw(t, "has bytes") {
			i.Bytes = []byte{1, 2, byte(i.No)}
		}
		return i
	}), 0, 40, func(i item) string { return i.Kind + "/" + string(rune('a'+i.No+2)) }).Draw(t, label)
	slices.SortFunc(all, func(a, b item) int { return strings.Compare(a.Kind, b.Kind)*100 + int(a.No-b.No) })
	return all
}

// After Save the table holds the new rows and nothing else, whatever there was, and other owners' rows are untouched.
func TestSaveMakesTheTableWhatItShouldBe(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		owner := int64(0)
		rapid.Check(t, func(t *rapid.T) {
			owner += 2
			old, now := genItems(t, "old"), genItems(t, "new")
			other := []item{{Kind: "a", No: 1, Text: "somebody else's"}}
			var got, neighbour []item
			err := db.Tx(ctx, func(tx *store.Tx) error {
				if err := items.Save(ctx, tx, owner, nil, old); err != nil {
					return err
				}
				if err := items.Save(ctx, tx, owner+1, nil, other); err != nil {
					return err
				}
				if err := items.Save(ctx, tx, owner, old, now); err != nil {
					return err
				}
				var err error
				if got, err = items.Load(ctx, tx, owner); err != nil {
					return err
				}
				many, err := items.LoadMany(ctx, tx, []int64{owner, owner + 1, owner + 999_999})
				if d := cmp.Diff(got, many[owner]); d != "" {
					t.Fatalf("LoadMany and Load differ: %s", d)
				}
				neighbour = many[owner+1]
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if d := items.Diff(owner, now, got); len(d) > 0 {
				t.Fatalf("after Save: %v", d)
			}
			if d := items.Diff(owner+1, other, neighbour); len(d) > 0 {
				t.Fatalf("a neighbour changed: %v", d)
			}
		})
	})
}

func TestLoadOrdersByKey(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		in := []item{{Kind: "b", No: 2}, {Kind: "a", No: 3}, {Kind: "b", No: 1}, {Kind: "a", No: 20}}
		want := []item{{Kind: "a", No: 3}, {Kind: "a", No: 20}, {Kind: "b", No: 1}, {Kind: "b", No: 2}}
		var got []item
		if err := db.Tx(ctx, func(tx *store.Tx) (err error) {
			if err = items.Save(ctx, tx, 1, nil, in); err == nil {
				got, err = items.Load(ctx, tx, 1)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

// Insert in bulk and Save write the same rows.
func TestValuesAreWhatSaveWrites(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		in := []item{{Kind: "a", No: 1, Flag: 1, Text: "x", Bytes: []byte{0, 255}}, {Kind: "a", No: 2}}
		var got []item
		if err := db.Tx(ctx, func(tx *store.Tx) (err error) {
			var all [][]any
			for i := range in {
				all = append(all, items.Values(7, &in[i]))
			}
			if err = tx.InsertMany(ctx, items.Name(), items.Columns(), all); err == nil {
				got, err = items.Load(ctx, tx, 7)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(in, got); d != "" {
			t.Error(d)
		}
	})
}

func TestDiffNamesRowAndColumn(t *testing.T) {
	want := []item{{Kind: "a", No: 1, Text: "x", Bytes: []byte{1}}, {Kind: "a", No: 2}, {Kind: "b", No: 1}}
	got := []item{{Kind: "a", No: 1, Text: "y", Bytes: []byte{2}}, {Kind: "b", No: 1}, {Kind: "c", No: 9}}
	diff := []rows.Difference{
		{Problem: rows.Changed, Table: "item", Key: "thing=5 kind=a no=1", Column: "bytes", Want: "01", Got: "02"},
		{Problem: rows.Changed, Table: "item", Key: "thing=5 kind=a no=1", Column: "text", Want: "x", Got: "y"},
		{Problem: rows.Missing, Table: "item", Key: "thing=5 kind=a no=2"},
		{Problem: rows.Unrecorded, Table: "item", Key: "thing=5 kind=c no=9"},
	}
	if d := cmp.Diff(diff, items.Diff(5, want, got)); d != "" {
		t.Error(d)
	}
}

func TestStraysAreRowsWithoutAStream(t *testing.T) {
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var got []rows.Difference
		if err := db.Tx(ctx, func(tx *store.Tx) (err error) {
			for _, id := range []int64{3, 30} {
				if err := things.Save(ctx, tx, id, nil, []thing{{ID: id, Name: "n"}}); err != nil {
					return err
				}
			}
			if _, err := tx.Exec(ctx, `INSERT INTO entry (stream, n) VALUES ('thing/30', 1), ('thing/3', 2)`); err != nil {
				return err
			}
			got, err = things.Strays(ctx, tx, "thing", 10)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		want := []rows.Difference{{Problem: rows.Unrecorded, Table: "thing", Key: "id=3"}}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
}

func TestWhatCannotBeKeptIsRefusedAtStart(t *testing.T) {
	for name, make := range map[string]func(){
		"no key": func() {
			rows.Of[struct {
				A string `db:"a"`
			}]("x", "y")
		},
		"a bool": func() {
			rows.Of[struct {
				A bool `db:"a,key"`
			}]("x", "y")
		},
		"not a struct": func() { rows.Of[int64]("x", "y") },
		"a list of text": func() {
			rows.Of[struct {
				A []string `db:"a,key"`
			}]("x", "y")
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("accepted")
				}
			}()
			make()
		})
	}
}
