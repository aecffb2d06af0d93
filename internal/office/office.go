// Package office keeps the rules an office works under: the packs loaded in its database, which of them new matters
// are opened under, and the few settings that are the office's own.
//
// A version of a pack never changes once it is loaded, and a pack that fails the fairness check is not loaded. Loading
// and choosing are entries on the stream pack/NAME with the pack's digest, so the rules cannot be changed quietly.
package office

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/pack"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// Loaded is a version of a pack in the database, as its table holds it. It is folded from the stream pack/NAME;
// only the files' bytes are kept beside.
type Loaded struct {
	Name    string `db:"name,key"`
	Version string `db:"version,key"`
	Digest  string `db:"digest"`
	Loaded  int64  `db:"loaded"` // microseconds UTC
	Active  int64  `db:"active"` // 1: new matters are opened under it
}

// Setting is one setting of the office, folded from the stream office/settings.
type Setting struct {
	Name  string `db:"name,key"`
	Value string `db:"value"`
}

// PackTable and SettingTable describe the rows, for verification.
var (
	PackTable    = rows.Of[Loaded]("pack", "")
	SettingTable = rows.Of[Setting]("setting", "")
)

// Streams and actions of the office's entries.
const (
	settingsStream = "office/settings"

	ActionLoad     = "pack.load"
	ActionActivate = "pack.activate"
	ActionSet      = "office.set"
)

// change is what an entry changes.
type change struct {
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"`
	Name    string `json:"name,omitempty"`
	Value   string `json:"value,omitempty"`
}

// FoldPacks applies an entry of a stream pack/NAME to the versions of that pack. That another pack is active no longer
// is an entry on that pack's own stream.
func FoldPacks(versions []Loaded, e journal.Entry) ([]Loaded, error) {
	var c change
	if err := json.Unmarshal(e.Changes, &c); err != nil {
		return nil, fmt.Errorf("office: entry %s/%d: %w", e.Stream, e.N, err)
	}
	out := slices.Clone(versions)
	name := strings.TrimPrefix(e.Stream, "pack/")
	i := slices.IndexFunc(out, func(l Loaded) bool { return l.Version == c.Version })
	switch e.Action {
	case ActionLoad:
		if i >= 0 {
			return nil, fmt.Errorf("office: entry %s/%d loads version %s a second time", e.Stream, e.N, c.Version)
		}
		out = append(out, Loaded{Name: name, Version: c.Version, Digest: c.Digest, Loaded: e.At.UnixMicro()})
		slices.SortFunc(out, func(a, b Loaded) int { return strings.Compare(a.Version, b.Version) })
	case ActionActivate:
		if i < 0 && c.Version != "" {
			return nil, fmt.Errorf("office: entry %s/%d activates version %s, which is not loaded", e.Stream, e.N, c.Version)
		}
		for j := range out {
			out[j].Active = 0
		}
		if i >= 0 {
			out[i].Active = 1
		}
	default:
		return nil, fmt.Errorf("office: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	return out, nil
}

// FoldSettings applies an entry of the stream office/settings.
func FoldSettings(settings []Setting, e journal.Entry) ([]Setting, error) {
	var c change
	if err := json.Unmarshal(e.Changes, &c); err != nil {
		return nil, fmt.Errorf("office: entry %s/%d: %w", e.Stream, e.N, err)
	}
	if e.Action != ActionSet {
		return nil, fmt.Errorf("office: entry %s/%d: unknown action %q", e.Stream, e.N, e.Action)
	}
	out := slices.DeleteFunc(slices.Clone(settings), func(s Setting) bool { return s.Name == c.Name })
	if c.Value != "" {
		out = append(out, Setting{Name: c.Name, Value: c.Value})
	}
	slices.SortFunc(out, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Office is the office of a database. It is safe for use by many goroutines.
type Office struct {
	db  *store.DB
	now func() time.Time

	mu       sync.RWMutex
	packs    map[string]*pack.Pack // by name@version; parsed when first needed, never dropped
	loaded   []Loaded
	active   *pack.Pack
	settings map[string]string
}

// ErrEmpty is returned by Open for a database in which no pack was loaded yet. The Office it comes with can load one.
var ErrEmpty = errors.New("no pack is loaded in this database yet; plumbline init loads one")

// ErrReplaced is in the chain when the text of a pack in the database is not what was loaded.
var ErrReplaced = errors.New("it was changed behind the system's back")

// An Option changes how an office is opened.
type Option func(*Office)

// WithClock gives the office another clock than the machine's: demos and tests live in a time of their own.
func WithClock(now func() time.Time) Option { return func(o *Office) { o.now = now } }

// Open reads the packs and settings of a database.
func Open(ctx context.Context, db *store.DB, opts ...Option) (*Office, error) {
	o := &Office{db: db, now: time.Now, packs: map[string]*pack.Pack{}, settings: map[string]string{}}
	for _, opt := range opts {
		opt(o)
	}
	if err := o.Refresh(ctx); err != nil {
		return nil, err
	}
	if o.Active() == nil {
		return o, ErrEmpty
	}
	return o, nil
}

// Refresh reads again what another process may have changed: which packs there are, which is active, the settings.
func (o *Office) Refresh(ctx context.Context) error {
	var loaded []Loaded
	settings := map[string]string{}
	err := o.db.Read(ctx, func(tx *store.Tx) error {
		found, err := tx.Query(ctx, `SELECT name, version, digest, loaded, active FROM pack ORDER BY loaded, name, version`)
		if err != nil {
			return err
		}
		if loaded, err = store.Collect(found, func(r *store.Rows) (l Loaded, err error) {
			return l, r.Scan(&l.Name, &l.Version, &l.Digest, &l.Loaded, &l.Active)
		}); err != nil {
			return err
		}
		found, err = tx.Query(ctx, `SELECT name, value FROM setting`)
		if err != nil {
			return err
		}
		all, err := store.Collect(found, func(r *store.Rows) (s Setting, err error) { return s, r.Scan(&s.Name, &s.Value) })
		for _, s := range all {
			settings[s.Name] = s.Value
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("office: %w", err)
	}
	var active *pack.Pack
	for _, l := range loaded {
		if l.Active == 0 {
			continue
		}
		if active, err = o.version(ctx, l.Name, l.Version); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loaded, o.settings, o.active = loaded, settings, active
	return nil
}

// Active is the pack that new matters are opened under; nil in a database without one.
func (o *Office) Active() *pack.Pack {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.active
}

// Loaded lists every version of every pack in the database, in the order of loading.
func (o *Office) Loaded() []Loaded {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return slices.Clone(o.loaded)
}

// Version returns the pack that "name@version" names: the rules a matter was opened under.
func (o *Office) Version(nameAtVersion string) (*pack.Pack, error) {
	name, version, ok := strings.Cut(nameAtVersion, "@")
	if !ok {
		return nil, fmt.Errorf("office: %q is not name@version", nameAtVersion)
	}
	return o.version(context.Background(), name, version)
}

func (o *Office) version(ctx context.Context, name, version string) (*pack.Pack, error) {
	key := name + "@" + version
	o.mu.RLock()
	p := o.packs[key]
	o.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	var digest string
	var archive []byte
	err := o.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT digest, files FROM pack WHERE name = $1 AND version = $2`, name, version).Scan(&digest, &archive)
	})
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.NotFound, "office.no-pack", fault.Args{"pack": key})
	}
	if err != nil {
		return nil, fmt.Errorf("office: pack %s: %w", key, err)
	}
	files, err := unarchive(archive)
	if err != nil {
		return nil, fmt.Errorf("office: pack %s: %w", key, err)
	}
	// The rules a matter runs under are only as good as their bytes: they must be those that were loaded.
	if got := pack.Digest(files); got != digest {
		return nil, fmt.Errorf("office: pack %s in the database has digest %s, but was loaded as %s: %w", key, got, digest, ErrReplaced)
	}
	p, err = pack.Load(filesFS(files))
	if err != nil {
		return nil, fmt.Errorf("office: pack %s: %w", key, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if first := o.packs[key]; first != nil {
		return first, nil
	}
	o.packs[key] = p
	return p, nil
}

// ID is how entries and matters name a pack: "generic@1.0.0".
func ID(p *pack.Pack) string { return p.Name + "@" + p.Version }

// Duty returns a duty by id: of the active pack, else of the pack loaded last that has it, since matters still run
// under the rules they were opened under.
func (o *Office) Duty(id string) (*pack.Duty, bool) {
	if d, ok := dutyIn(o.Active(), id); ok {
		return d, true
	}
	loaded := o.Loaded()
	for i := len(loaded) - 1; i >= 0; i-- {
		p, err := o.version(context.Background(), loaded[i].Name, loaded[i].Version)
		if err != nil {
			continue // a pack that cannot be read entitles nobody to anything
		}
		if d, ok := dutyIn(p, id); ok {
			return d, true
		}
	}
	return nil, false
}

func dutyIn(p *pack.Pack, id string) (*pack.Duty, bool) {
	if p == nil {
		return nil, false
	}
	for i := range p.Duties {
		if p.Duties[i].ID == id {
			return &p.Duties[i], true
		}
	}
	return nil, false
}

// Zone is the time zone of the office: its setting if it has one, else the active pack's.
func (o *Office) Zone() *time.Location {
	if name := o.Setting("zone"); name != "" {
		if z, err := time.LoadLocation(name); err == nil {
			return z
		}
	}
	if p := o.Active(); p != nil && p.Calendar.Zone != "" {
		if z, err := time.LoadLocation(p.Calendar.Zone); err == nil {
			return z
		}
	}
	return time.UTC
}

// Setting returns a setting, empty if it is not set.
func (o *Office) Setting(name string) string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.settings[name]
}

// Name is the office's name in a language: its setting, else the pack's title.
func (o *Office) Name(lang string) string {
	if n := o.Setting("name." + lang); n != "" {
		return n
	}
	p := o.Active()
	if p == nil {
		return "Plumbline"
	}
	for _, l := range append([]string{lang}, p.Languages...) {
		if n := o.Setting("name." + l); n != "" {
			return n
		}
		if t := p.Title[l]; t != "" {
			return t
		}
	}
	return "Plumbline"
}

// Settings that an office may have: its name by language ("name.en"), its time zone, and whether everybody has to show
// a second factor when they sign in.
func checkSetting(name, value string) error {
	bad := func(key string) error { return fault.InvalidFields([]fault.Field{{Name: name, Key: key}}) }
	switch {
	case name == "zone":
		if _, err := time.LoadLocation(value); err != nil || value == "Local" {
			return bad("office.zone-unknown")
		}
	case strings.HasPrefix(name, "name."):
		if len(value) > 200 {
			return bad("office.name-long")
		}
	case name == "second-factor":
		if value != "" && value != "required" {
			return bad("office.setting-unknown")
		}
	default:
		return bad("office.setting-unknown")
	}
	return nil
}

// Set changes a setting; an empty value removes it. Call Refresh when the transaction has committed, or wait for the
// next round of it.
func (o *Office) Set(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, name, value string) error {
	value = strings.TrimSpace(value)
	if err := checkSetting(name, value); err != nil {
		return err
	}
	found, err := tx.Query(ctx, `SELECT name, value FROM setting ORDER BY name`)
	if err != nil {
		return err
	}
	old, err := store.Collect(found, func(r *store.Rows) (s Setting, err error) { return s, r.Scan(&s.Name, &s.Value) })
	if err != nil {
		return err
	}
	e, err := o.entry(ctx, tx, settingsStream, by, via, ActionSet, map[string]any{"name": name, "value": value}, change{Name: name, Value: value})
	if err != nil {
		return err
	}
	now, err := FoldSettings(old, e)
	if err != nil || slices.Equal(old, now) {
		return err
	}
	if err := journal.Append(ctx, tx, e); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM setting WHERE name = $1`, name); err != nil {
		return err
	}
	if value != "" {
		if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, name, value); err != nil {
			return err
		}
	}
	tx.AfterCommit(o.refreshQuietly)
	return nil
}

// Unfair is the report on a pack that breaks rules of fairness.
type Unfair []pack.Violation

func (u Unfair) Error() string {
	lines := make([]string, len(u))
	for i, v := range u {
		lines[i] = v.String()
	}
	return strings.Join(lines, "\n")
}

// Load brings a pack into the database and, with activate, opens new matters under it from now on. A pack that is not
// fair is refused with the report (a fault whose Cause is Unfair); a version that is there already must have
// the same digest.
func (o *Office) Load(ctx context.Context, by journal.Actor, via journal.Via, p *pack.Pack, activate bool) error {
	if broken := pack.Check(p); len(broken) > 0 {
		return fault.Wrap(Unfair(broken), fault.Invalid, "office.unfair", fault.Args{"pack": ID(p), "count": len(broken)})
	}
	archive, err := archived(p.Files)
	if err != nil {
		return fmt.Errorf("office: pack %s: %w", ID(p), err)
	}
	err = o.db.Tx(ctx, func(tx *store.Tx) error {
		versions, err := loadedVersions(ctx, tx, p.Name)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(versions, func(l Loaded) bool { return l.Version == p.Version })
		switch {
		case i >= 0 && versions[i].Digest != p.Digest:
			return fault.New(fault.Conflict, "office.pack-changed", fault.Args{"pack": ID(p), "is": versions[i].Digest, "given": p.Digest})
		case i < 0:
			fields := map[string]any{"version": p.Version, "digest": p.Digest}
			if rules := waived(p); rules != "" {
				fields["waived"] = rules
			}
			e, err := o.entry(ctx, tx, "pack/"+p.Name, by, via, ActionLoad, fields, change{Version: p.Version, Digest: p.Digest})
			if err != nil {
				return err
			}
			if err := journal.Append(ctx, tx, e); err != nil {
				return err
			}
			const put = `INSERT INTO pack (name, version, digest, loaded, active, files) VALUES ($1, $2, $3, $4, 0, $5)`
			if _, err := tx.Exec(ctx, put, p.Name, p.Version, p.Digest, e.At.UnixMicro(), archive); err != nil {
				return err
			}
		}
		if activate {
			return o.activate(ctx, tx, by, via, p.Name, p.Version)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return o.Refresh(ctx)
}

// Activate opens new matters under a version that is loaded.
func (o *Office) Activate(ctx context.Context, by journal.Actor, via journal.Via, name, version string) error {
	if _, err := o.version(ctx, name, version); err != nil {
		return err
	}
	if err := o.db.Tx(ctx, func(tx *store.Tx) error { return o.activate(ctx, tx, by, via, name, version) }); err != nil {
		return err
	}
	return o.Refresh(ctx)
}

func (o *Office) activate(ctx context.Context, tx *store.Tx, by journal.Actor, via journal.Via, name, version string) error {
	var was, wasVersion string
	err := tx.QueryRow(ctx, `SELECT name, version FROM pack WHERE active = 1`).Scan(&was, &wasVersion)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if was == name && wasVersion == version {
		return nil
	}
	steps := []struct{ stream, version string }{{"pack/" + name, version}}
	if was != "" && was != name {
		steps = append(steps, struct{ stream, version string }{"pack/" + was, ""})
	}
	for _, s := range steps {
		e, err := o.entry(ctx, tx, s.stream, by, via, ActionActivate, map[string]any{"version": s.version}, change{Version: s.version})
		if err != nil {
			return err
		}
		if err := journal.Append(ctx, tx, e); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `UPDATE pack SET active = 0 WHERE active = 1`); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE pack SET active = 1 WHERE name = $1 AND version = $2`, name, version)
	return err
}

func (o *Office) entry(ctx context.Context, tx *store.Tx, stream string, by journal.Actor, via journal.Via, action string, fields map[string]any, c change) (journal.Entry, error) {
	last, err := journal.Last(ctx, tx, stream)
	if err != nil {
		return journal.Entry{}, err
	}
	changes, err := json.Marshal(c)
	if err != nil {
		return journal.Entry{}, err
	}
	return journal.Entry{V: 1, Stream: stream, N: last + 1, At: o.now().UTC().Truncate(time.Microsecond), By: by, Via: via,
		Action: action, Fields: fields, Changes: changes}, nil
}

// refreshQuietly follows a commit; if it fails, the next Refresh of the timer makes up for it.
func (o *Office) refreshQuietly() { _ = o.Refresh(context.Background()) }

func loadedVersions(ctx context.Context, tx *store.Tx, name string) ([]Loaded, error) {
	found, err := tx.Query(ctx, `SELECT name, version, digest, loaded, active FROM pack WHERE name = $1 ORDER BY version`, name)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, func(r *store.Rows) (l Loaded, err error) {
		return l, r.Scan(&l.Name, &l.Version, &l.Digest, &l.Loaded, &l.Active)
	})
}

func waived(p *pack.Pack) string {
	var rules []string
	for _, w := range p.Waivers {
		r := w.Rule
		if w.Kind != "" {
			r += " (" + w.Kind + ")"
		}
		rules = append(rules, r)
	}
	return strings.Join(rules, ", ")
}

// archived packs files into a zip whose bytes depend on nothing but them.
func archived(files map[string][]byte) ([]byte, error) {
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, n := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: n, Method: zip.Deflate})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(files[n]); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func unarchive(b []byte) (map[string][]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		files[f.Name], err = io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// filesFS reads files out of memory, by way of a zip reader: it knows folders, a map does not.
func filesFS(files map[string][]byte) fs.FS {
	b, err := archived(files)
	if err != nil {
		panic(err) // writing to memory does not fail
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		panic(err) // it was written a moment ago
	}
	return z
}
