package office

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// PackFolder refolds the streams of packs and compares them with the table (see matter.Verify), the bytes of their
// files included: they must have the digest that was recorded when they were loaded.
type PackFolder struct{}

// Thing is the first part of the streams it knows.
func (PackFolder) Thing() string { return "pack" }

// Check compares the packs of some streams, by what follows the slash.
func (PackFolder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	var out []rows.Difference
	for _, name := range slices.Sorted(maps.Keys(streams)) {
		var want []Loaded
		for _, e := range streams[name] {
			now, err := FoldPacks(want, e)
			if err != nil {
				out = append(out, unreadable(e, err))
				continue
			}
			want = now
		}
		got, err := loadedVersions(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, PackTable.Diff(0, want, got)...)
		for _, l := range got {
			changed, err := filesChanged(ctx, tx, l)
			if err != nil {
				return nil, err
			}
			out = append(out, changed...)
		}
	}
	return out, nil
}

// filesChanged compares the files of a pack with its digest.
func filesChanged(ctx context.Context, tx *store.Tx, l Loaded) ([]rows.Difference, error) {
	var archive []byte
	err := tx.QueryRow(ctx, `SELECT files FROM pack WHERE name = $1 AND version = $2`, l.Name, l.Version).Scan(&archive)
	if err != nil {
		return nil, fmt.Errorf("office: verify pack %s@%s: %w", l.Name, l.Version, err)
	}
	got := "not readable"
	if files, err := unarchive(archive); err == nil {
		got = pack.Digest(files)
	}
	if got == l.Digest {
		return nil, nil
	}
	return []rows.Difference{{Problem: rows.Changed, Table: "pack", Key: fmt.Sprintf("name=%s version=%s", l.Name, l.Version),
		Column: "files", Want: l.Digest, Got: got}}, nil
}

// Strays finds packs that no entry loaded.
func (PackFolder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	const find = `SELECT p.name, p.version, p.digest, p.loaded, p.active FROM pack p
		WHERE NOT EXISTS (SELECT 1 FROM entry e WHERE e.stream = 'pack/' || p.name AND e.n = 1) ORDER BY p.name, p.version LIMIT $1`
	found, err := tx.Query(ctx, find, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("office: strays: %w", err)
	}
	got, err := store.Collect(found, func(r *store.Rows) (l Loaded, err error) {
		return l, r.Scan(&l.Name, &l.Version, &l.Digest, &l.Loaded, &l.Active)
	})
	return PackTable.Diff(0, nil, got), err
}

// SettingFolder refolds the settings of the office.
type SettingFolder struct{}

// Thing is the first part of the stream it knows.
func (SettingFolder) Thing() string { return "office" }

// Check compares the settings with their stream.
func (SettingFolder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	if _, here := streams["settings"]; !here {
		return nil, nil // another stream of the office's
	}
	var out []rows.Difference
	var want []Setting
	for _, e := range streams["settings"] {
		now, err := FoldSettings(want, e)
		if err != nil {
			out = append(out, unreadable(e, err))
			continue
		}
		want = now
	}
	got, err := settings(ctx, tx)
	return append(out, SettingTable.Diff(0, want, got)...), err
}

// Strays finds settings in an office that never set one.
func (SettingFolder) Strays(ctx context.Context, tx *store.Tx, _ int) ([]rows.Difference, error) {
	last, err := journal.Last(ctx, tx, settingsStream)
	if err != nil || last > 0 {
		return nil, err // Check has compared them
	}
	got, err := settings(ctx, tx)
	return SettingTable.Diff(0, nil, got), err
}

func settings(ctx context.Context, tx *store.Tx) ([]Setting, error) {
	found, err := tx.Query(ctx, `SELECT name, value FROM setting ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("office: settings: %w", err)
	}
	return store.Collect(found, func(r *store.Rows) (s Setting, err error) { return s, r.Scan(&s.Name, &s.Value) })
}

func unreadable(e journal.Entry, err error) rows.Difference {
	return rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()}
}
