package office_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/office"
	"plumbline/internal/pack"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// changed is the generic pack with one text replaced by another in every file.
func changed(t *testing.T, pairs ...string) *pack.Pack {
	t.Helper()
	src, err := pack.BundledFS("generic")
	if err != nil {
		t.Fatal(err)
	}
	files, hits := fstest.MapFS{}, 0
	err = fs.WalkDir(src, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := fs.ReadFile(src, name)
		for i := 0; i+1 < len(pairs); i += 2 {
			hits += bytes.Count(b, []byte(pairs[i]))
			b = bytes.ReplaceAll(b, []byte(pairs[i]), []byte(pairs[i+1]))
		}
		files[name] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if hits < len(pairs)/2 {
		t.Fatal("the generic pack no longer holds the text to replace")
	}
	p, err := pack.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t *testing.T, db *store.DB) *office.Office {
	t.Helper()
	o, err := office.Open(t.Context(), db)
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		t.Fatal(err)
	}
	return o
}

var operator = journal.Actor{Duty: "system"}

func TestAPackIsWhatItWasWhenItWasLoaded(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		o := open(t, db)
		if _, err := office.Open(ctx, db); !errors.Is(err, office.ErrEmpty) || o.Active() != nil {
			t.Fatalf("an empty database: %v", err)
		}
		v1 := changed(t)
		v2 := changed(t, "version: "+v1.Version, "version: 99.0.0")
		other := changed(t, "Office for the Oversight of Justice", "Another Office")
		for _, step := range []struct {
			name   string
			pack   *pack.Pack
			active bool
			want   fault.Kind // Internal stands for no error
		}{
			{"first", v1, true, fault.Internal},
			{"the same again", v1, true, fault.Internal},
			{"other bytes under the same version", other, true, fault.Conflict},
			{"a new version, for later", v2, false, fault.Internal},
		} {
			err := o.Load(ctx, operator, journal.ViaCLI, step.pack, step.active)
			if (err == nil) != (step.want == fault.Internal) || err != nil && !fault.Is(err, step.want) {
				t.Fatalf("%s: %v", step.name, err)
			}
		}
		if got := o.Active().ID(); got != office.ID(v1) {
			t.Errorf("active is %s", got)
		}
		if err := o.Activate(ctx, operator, journal.ViaCLI, "generic", "99.0.0"); err != nil {
			t.Fatal(err)
		}
		again := open(t, db)
		for id, want := range map[string]*pack.Pack{office.ID(v1): v1, "generic@99.0.0": v2} {
			p, err := again.Version(id)
			if err != nil || p.Digest != want.Digest {
				t.Errorf("%s came back as %v, %v", id, p, err)
			}
		}
		if again.Active().ID() != "generic@99.0.0" || len(again.Loaded()) != 2 {
			t.Errorf("after opening again: active %s, loaded %v", again.Active().ID(), again.Loaded())
		}
		if _, err := again.Version("generic@9.9.9"); !fault.Is(err, fault.NotFound) {
			t.Errorf("a version nobody loaded: %v", err)
		}
		refold(t, db, again)
	})
}

// refold holds the table to the entries.
func refold(t *testing.T, db *store.DB, o *office.Office) {
	t.Helper()
	var want []office.Loaded
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		entries, err := journal.Stream(t.Context(), tx, "pack/generic")
		for _, e := range entries {
			if want, err = office.FoldPacks(want, e.Entry); err != nil {
				return err
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := o.Loaded()
	slices.SortFunc(got, func(a, b office.Loaded) int { return strings.Compare(a.Version, b.Version) })
	if !slices.Equal(want, got) {
		t.Errorf("the table holds %v, the entries say %v", got, want)
	}
}

func TestAnUnfairPackIsNotLoaded(t *testing.T) {
	o := open(t, world.SQLite(t))
	err := o.Load(t.Context(), operator, journal.ViaCLI, changed(t, "inspected: [final]", "inspected: []"), true)
	var report office.Unfair
	if !fault.Is(err, fault.Invalid) || !errors.As(err, &report) || !strings.Contains(report.Error(), "F20") {
		t.Errorf("want the report with F20, got %v", err)
	}
	if o.Active() != nil || len(o.Loaded()) != 0 {
		t.Error("something of it was loaded all the same")
	}
}

func TestAPackChangedInTheDatabaseIsNotTrusted(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		if err := open(t, db).Load(t.Context(), operator, journal.ViaCLI, changed(t), true); err != nil {
			t.Fatal(err)
		}
		err := db.Tx(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE pack SET digest = 'sha256:00'`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := office.Open(t.Context(), db); err == nil || !strings.Contains(err.Error(), "behind the system's back") {
			t.Errorf("opened all the same: %v", err)
		}
	})
}

func TestSettings(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		o := open(t, db)
		if err := o.Load(t.Context(), operator, journal.ViaCLI, changed(t), true); err != nil {
			t.Fatal(err)
		}
		set := func(name, value string) error {
			return db.Tx(context.Background(), func(tx *store.Tx) error {
				return o.Set(context.Background(), tx, operator, journal.ViaCLI, name, value)
			})
		}
		if got := o.Name("zh-Hans"); got != "司法监督办公室" {
			t.Errorf("without a setting the pack's title counts, got %q", got)
		}
		for _, s := range [][2]string{{"name.en", "Harbour City Office"}, {"zone", "Asia/Shanghai"}, {"zone", "Asia/Shanghai"}} {
			if err := set(s[0], s[1]); err != nil {
				t.Fatal(err)
			}
		}
		if o.Name("en") != "Harbour City Office" || o.Zone().String() != "Asia/Shanghai" {
			t.Errorf("name %q, zone %s", o.Name("en"), o.Zone())
		}
		if open(t, db).Name("en") != "Harbour City Office" {
			t.Error("the name is forgotten")
		}
		for name, value := range map[string]string{"zone": "Mars/Olympus", "name.en": strings.Repeat("x", 300), "theme": "dark"} {
			if err := set(name, value); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s = %.20q: %v", name, value, err)
			}
		}
		if err := set("name.en", ""); err != nil || o.Name("en") != "Office for the Oversight of Justice" {
			t.Errorf("taken away: %v, %q", err, o.Name("en"))
		}
	})
}
