package monitor

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/witness"
	"plumbline/verify"
)

// Config is what a monitor is told.
type Config struct {
	URL    string          // of the log, or of the office that has it
	Keys   []string        // verifier keys of the log that are trusted; none: what the history or else the log itself says
	Dir    string          // of the history; "": it is kept in memory alone
	Policy *witness.Policy // whose cosignatures every head must bear; nil: nobody's
	Heads  []string        // files or addresses of heads that others have seen
	All    bool            // read the whole log at the first look and once a day, not only what is new

	Timeout time.Duration // for one answer; 20 seconds
	Confirm time.Duration // pause before what an intermediary could have garbled is looked at again; 2 seconds
	Now     func() time.Time
}

// A Monitor follows one log. It is for one goroutine.
type Monitor struct {
	c      Config
	h      *history
	fetch  *fetcher
	prefix string // where the log is, once that is known

	strangers string    // keys that sign the head too, and whom no trusted key handed over to
	readAll   time.Time // when the whole log was read
	suspect   int       // how often in a row something was wrong that an intermediary could have garbled
	since     *Gone     // the outage that goes on, nil if none does
}

// Gone is an outage.
type Gone struct {
	Since time.Time
	Why   string
}

// A Report says what a look at the log found.
type Report struct {
	At        time.Time `json:"at"`
	Origin    string    `json:"origin"`
	Size      uint64    `json:"size"`
	Root      string    `json:"root"`
	Before    uint64    `json:"before"`          // the size at the look before
	Tiles     int       `json:"tiles"`           // pieces of up to 256 entries that were read and found to be those of the head
	Signed    time.Time `json:"signed,omitzero"` // the newest time in a signature of the head by a key that is trusted; zero if none has a time
	Witnesses []string  `json:"witnesses,omitempty"`
	Compared  int       `json:"compared,omitempty"` // heads from elsewhere that agree
	NewKeys   []string  `json:"new_keys,omitempty"` // that the log handed over to
	First     bool      `json:"first,omitempty"`    // there was no history
	TookKey   bool      `json:"took_key,omitempty"` // nobody had given a key: the one that the log itself shows was taken
}

// A Kind is a way in which a log is not what it should be.
type Kind string

const (
	Rollback  Kind = "rollback"  // it shows less than it has shown
	Fork      Kind = "fork"      // it shows another history than it has shown
	Unsigned  Kind = "unsigned"  // the head is not signed by a key that is trusted
	Origin    Kind = "origin"    // the head is of another log
	Tile      Kind = "tile"      // what it serves is not what it signed
	Witnesses Kind = "witnesses" // the head does not bear the cosignatures that the policy wants
	Key       Kind = "key"       // its keys cannot be followed
)

// Wrong is what a monitor exists to find.
type Wrong struct {
	Kind     Kind
	Text     string   // what is wrong
	Remedy   string   // what to do
	Evidence string   // file with signed heads that prove it; "" if there are none
	heads    [][]byte // of the evidence
	sure     bool     // it is signed by the log: no intermediary could have garbled it
}

func (w *Wrong) Error() string { return fmt.Sprintf("%s: %s", w.Kind, w.Text) }

// remedies say what to do about each kind.
var remedies = map[Kind]string{
	Rollback:  "records may have been lost or taken away. Ask the office whether it restored a backup, and which records are missing; tell those who hold receipts, and keep this history",
	Fork:      "the office, or whoever has its key, shows two histories. The evidence proves it to anybody: publish it, and believe neither history until it is explained",
	Unsigned:  "either this is not the log, or its key was replaced without being handed over. Ask the office, by another way than its server, for its key, and compare",
	Origin:    "the address shows another log. If the office has made a new one, ask why, and follow it in a folder of its own; the old history still binds it",
	Tile:      "the server, or something in front of it, changed what was signed. Ask the office to run plumbline verify; look again from another network",
	Witnesses: "the office publishes what its witnesses have not cosigned. Ask it and them why; until then, do not rely on what is new",
	Key:       "ask the office, by another way than its server, which key it signs with, and give it with --key",
}

func wrong(k Kind, sure bool, heads [][]byte, format string, args ...any) *Wrong {
	return &Wrong{Kind: k, Text: fmt.Sprintf(format, args...), Remedy: remedies[k], heads: heads, sure: sure}
}

// ErrUsage is in the chain of what is wrong with a Config, not with a log.
var ErrUsage = errors.New("monitor")

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, args...))
}

// Open reads the history and returns a monitor that goes on from there.
func Open(c Config) (*Monitor, error) {
	if c.Timeout <= 0 {
		c.Timeout = 20 * time.Second
	}
	if c.Confirm <= 0 {
		c.Confirm = 2 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	u, err := ParseURL(c.URL)
	if err != nil {
		return nil, usage("%v", err)
	}
	c.URL = u
	for _, v := range c.Keys {
		if _, err := witness.ParseLogKey(v); err != nil {
			return nil, usage("%v", err)
		}
	}
	h, err := openHistory(c.Dir)
	if err != nil {
		return nil, err
	}
	m := &Monitor{c: c, h: h, fetch: newFetcher(c.Timeout), prefix: h.prefix}
	if err := m.begin(); err != nil {
		return nil, errors.Join(err, h.close())
	}
	return m, nil
}

// begin makes the history and what the monitor was told fit together.
func (m *Monitor) begin() error {
	switch m.h.url {
	case "":
		if err := m.h.append(Event{At: m.c.Now().UTC(), What: eventBegun, URL: m.c.URL}); err != nil {
			return err
		}
	case m.c.URL:
	default:
		return usage("the history in %s is of %s; use another folder for %s", m.c.Dir, m.h.url, m.c.URL)
	}
	return m.trust("given", m.c.Keys)
}

// trust keeps keys that are new.
func (m *Monitor) trust(how string, vkeys []string) error {
	for _, v := range vkeys {
		if m.h.knows(v) {
			continue
		}
		if err := m.h.append(Event{At: m.c.Now().UTC(), What: eventKey, Key: v, How: how}); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the history.
func (m *Monitor) Close() error { return m.h.close() }

// Keys returns the verifier keys that are trusted.
func (m *Monitor) Keys() []string { return append([]string(nil), m.h.vkeys...) }

// Found tells what the look before the first one of this program found wrong, "" if nothing.
func (m *Monitor) Found() string {
	if m.h.wrong == nil {
		return ""
	}
	return m.h.wrong.At.Format(time.RFC3339) + ", " + m.h.wrong.Text
}

// Gone tells since when the log cannot be looked at, nil if it can.
func (m *Monitor) Gone() *Gone { return m.since }

// How often something must be seen in a row that an intermediary could have garbled.
const certain = 3

// Check looks at the log once, again after a pause where something is wrong that an intermediary could have garbled. It returns
// *Wrong, *Unreachable, or an error of our own.
func (m *Monitor) Check(ctx context.Context) (Report, error) {
	for {
		report, err := m.look(ctx)
		var bad *Wrong
		var gone *Unreachable
		switch {
		case err == nil:
			m.suspect, m.since = 0, nil
			return report, nil
		case errors.As(err, &bad):
			m.since = nil
			if m.suspect++; bad.sure || m.suspect >= certain {
				return report, m.found(bad)
			}
		case errors.As(err, &gone):
			// What was suspicious before stays so: else a server could be unreachable in between for ever.
			if m.since == nil {
				m.since = &Gone{Since: m.c.Now().UTC()}
			}
			m.since.Why = gone.Error()
			return report, err
		default:
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(m.c.Confirm):
		}
	}
}

// found keeps what was found, with its evidence.
func (m *Monitor) found(bad *Wrong) error {
	at := m.c.Now().UTC()
	if len(bad.heads) > 0 && m.c.Dir != "" {
		path := filepath.Join(m.c.Dir, fmt.Sprintf("evidence-%s-%s.txt", bad.Kind, at.Format("20060102T150405")))
		var b strings.Builder
		fmt.Fprintf(&b, "%s\n%s\n\nSeen at %s, checked with the keys\n%s\n", bad.Text, m.c.URL, at.Format(time.RFC3339), strings.Join(m.h.vkeys, "\n"))
		for i, head := range bad.heads {
			fmt.Fprintf(&b, "\n---- head %d ----\n%s", i+1, head)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return errors.Join(bad, err)
		}
		_, err = f.WriteString(b.String())
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(bad, err)
		}
		syncFolder(m.c.Dir)
		bad.Evidence = path
	}
	head := ""
	if len(bad.heads) > 0 {
		head = string(bad.heads[len(bad.heads)-1])
	}
	if err := m.h.append(Event{At: at, What: eventWrong, Text: bad.Error(), Head: head}); err != nil {
		return errors.Join(bad, err)
	}
	return bad
}

const maxHead = 256 << 10

// look fetches the head and checks everything about it.
func (m *Monitor) look(ctx context.Context) (Report, error) {
	report := Report{At: m.c.Now().UTC(), Before: m.h.last.Size, First: m.h.note == nil}
	signed, err := m.head(ctx)
	if err != nil {
		return report, err
	}
	if len(m.h.keys) == 0 {
		if err := m.firstKeys(ctx, signed); err != nil {
			return report, err
		}
		report.TookKey = true
	}
	head, err := m.open(ctx, signed, &report)
	if err != nil {
		return report, err
	}
	report.Origin, report.Size, report.Root = head.Origin, head.Size, head.Root.String()
	t := m.tiles(ctx, head.Size)
	tree, err := verify.NewTree(head, t.read)
	if err != nil {
		return report, wrong(Tile, true, [][]byte{signed}, "the head of a log without entries has the root of something")
	}
	if err := m.continues(head, signed, tree); err != nil {
		return report, err
	}
	if m.c.Policy != nil {
		names, met, err := m.c.Policy.Check(signed)
		if err != nil {
			return report, wrong(Witnesses, false, [][]byte{signed}, "the head of %d entries bears a cosignature that is false: %v", head.Size, err)
		}
		if report.Witnesses = names; !met {
			return report, wrong(Witnesses, false, [][]byte{signed}, "the head of %d entries is cosigned by %s, which is not enough for the policy", head.Size, orNobody(names))
		}
	}
	if report.Compared, err = m.compare(ctx, head, signed, tree); err != nil {
		return report, err
	}
	from := m.h.last.Size
	all := m.c.All && report.At.Sub(m.readAll) >= 24*time.Hour
	if all {
		from = 0
	}
	if report.Tiles, err = t.readFrom(tree, from, head.Size); err != nil {
		return report, m.tileError(err, signed)
	}
	if all {
		m.readAll = report.At
	}
	if m.h.note == nil || head.Size > m.h.last.Size || m.h.wrong != nil {
		err = m.h.append(Event{At: report.At, What: eventHead, URL: m.prefix, Head: string(signed)})
	}
	return report, err
}

func orNobody(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// head fetches the signed head. The first time it finds out whether the log is at the address or below it.
func (m *Monitor) head(ctx context.Context) ([]byte, error) {
	if m.prefix != "" {
		return m.headAt(ctx, m.prefix)
	}
	signed, err := m.headAt(ctx, m.c.URL)
	if err == nil {
		m.prefix = m.c.URL
		return signed, nil
	}
	if !isMissing(err) && !errors.As(err, new(*Wrong)) {
		return nil, err
	}
	below, e := m.headAt(ctx, m.c.URL+"/log") // what was there was a page of the office
	if isMissing(e) {
		return nil, err
	}
	if e == nil {
		m.prefix = m.c.URL + "/log"
	}
	return below, e
}

// headAt fetches a head, signed by whomever.
func (m *Monitor) headAt(ctx context.Context, place string) ([]byte, error) {
	signed, err := m.fetch.get(ctx, place+"/checkpoint", maxHead)
	if errors.Is(err, errLong) {
		return nil, wrong(Unsigned, false, nil, "instead of a signed head, the server sends more than %d bytes", maxHead)
	}
	if err != nil {
		return nil, err
	}
	if _, _, err := verify.ReadCheckpoint(signed); err != nil {
		return nil, wrong(Unsigned, false, nil, "what the server shows is not a signed head%s", detail(err))
	}
	return signed, nil
}

// firstKeys takes the keys of a log that nobody has given: from the head they cannot be told, so the log is asked for them.
func (m *Monitor) firstKeys(ctx context.Context, signed []byte) error {
	keys, err := m.logKeys(ctx)
	if isMissing(err) {
		return usage("the log does not publish its keys: give the one you trust with --key")
	}
	if err != nil {
		return err
	}
	var trusted []note.Verifier
	for _, v := range keys.Current {
		k, err := verify.ParseKey(v)
		if err != nil {
			return wrong(Key, false, nil, "the keys that the log publishes cannot be read: %v", err)
		}
		trusted = append(trusted, k)
	}
	if _, _, err := verify.OpenCheckpointBy(signed, trusted, nil); err != nil {
		return wrong(Unsigned, false, nil, "the head is not signed by the keys that the log itself publishes%s", detail(err))
	}
	return m.trust("first contact", keys.Current)
}

const maxKeys = 64 << 20

// logKeys fetches the keys that the log publishes, with the proofs of how they were handed over.
func (m *Monitor) logKeys(ctx context.Context) (verify.Keys, error) {
	text, err := m.fetch.get(ctx, m.prefix+"/keys", maxKeys)
	if errors.Is(err, errLong) {
		return verify.Keys{}, wrong(Key, false, nil, "the list of keys that the log publishes is longer than any")
	}
	if err != nil {
		return verify.Keys{}, err
	}
	keys, err := verify.ParseLogKeys(text)
	if err != nil {
		return verify.Keys{}, wrong(Key, false, nil, "the list of keys that the log publishes cannot be read: %v", err)
	}
	return keys, nil
}

// open checks who signed the head, and follows the log to new keys where it handed over.
func (m *Monitor) open(ctx context.Context, signed []byte, report *Report) (verify.Checkpoint, error) {
	head, n, err := verify.OpenCheckpointBy(signed, m.h.keys, nil)
	if err == nil && m.h.note != nil && head.Origin != m.h.last.Origin {
		return head, wrong(Origin, true, [][]byte{m.h.note, signed}, "the head is of %q, and the log followed here is %q", head.Origin, m.h.last.Origin)
	}
	strangers := ""
	if err == nil {
		strangers = unknownKeys(n, head.Origin)
	}
	stranger := strangers != m.strangers
	var flaw *verify.Flaw
	if errors.As(err, &flaw) && flaw.Code == verify.FlawUnsigned {
		stranger = true
	}
	if stranger {
		followed, failed := m.follow(ctx)
		if failed == nil || isMissing(failed) {
			m.strangers = strangers // there is nothing more to learn of them
		} else if err != nil && errors.As(failed, new(*Unreachable)) {
			return head, failed
		}
		if len(followed) > 0 {
			if err := m.trust("handed over", followed); err != nil {
				return head, err
			}
			report.NewKeys = followed
			head, n, err = verify.OpenCheckpointBy(signed, m.h.keys, nil)
		}
	}
	if err == nil {
		report.Signed = signedAt(n)
		return head, nil
	}
	if !errors.As(err, &flaw) {
		return head, err
	}
	switch flaw.Code {
	case verify.FlawUnknownLog:
		return head, wrong(Origin, false, nil, "the head is of %q, and the log followed here is %q", flaw.Detail, m.h.keys[0].Name())
	case verify.FlawUnsigned:
		return head, wrong(Unsigned, false, [][]byte{signed}, "the head is not signed by any key of %s that is trusted, nor by one that was handed over to", m.h.keys[0].Name())
	case verify.FlawSignature:
		return head, wrong(Unsigned, false, [][]byte{signed}, "a signature of the head is false (%s)", flaw.Detail)
	}
	return head, wrong(Unsigned, false, nil, "what the server shows is not a signed head%s", detail(flaw))
}

// detail says what is wrong with a head without the advice that goes with it, which is for holders of receipts.
func detail(err error) string {
	var flaw *verify.Flaw
	if errors.As(err, &flaw) && flaw.Detail != "" {
		return ": " + flaw.Detail
	}
	return ""
}

// signedAt returns the newest time in the signatures that held. Ed25519 signatures of logs, 4+64 bytes, have none.
func signedAt(n *note.Note) (newest time.Time) {
	for _, s := range n.Sigs {
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		if err != nil || len(raw) <= 4+64 {
			continue
		}
		if sec := binary.BigEndian.Uint64(raw[4:]); sec < 1<<40 && int64(sec) > newest.Unix() {
			newest = time.Unix(int64(sec), 0).UTC()
		}
	}
	return newest
}

// unknownKeys names the keys that signed for the log as well and are not trusted: it may be handing over to them.
func unknownKeys(n *note.Note, origin string) string {
	ids := ""
	for _, s := range n.UnverifiedSigs {
		if s.Name == origin {
			ids += fmt.Sprintf(" %08x", s.Hash)
		}
	}
	return ids
}

// follow returns the keys that the trusted ones handed over to and that are not known yet.
func (m *Monitor) follow(ctx context.Context) (fresh []string, err error) {
	keys, err := m.logKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, known := range m.h.keys {
		trusted, e := keys.Follow(known)
		if e != nil {
			err = e
		}
		for _, vkey := range handedOver(keys) {
			k, e := verify.ParseKey(vkey)
			if e != nil || m.h.knows(vkey) {
				continue
			}
			for _, t := range trusted {
				if t.Name() == k.Name() && t.KeyHash() == k.KeyHash() && !contains(fresh, vkey) {
					fresh = append(fresh, vkey)
				}
			}
		}
	}
	return fresh, err
}

// handedOver lists every key that the log says it signs or has signed with.
func handedOver(keys verify.Keys) []string {
	all := append([]string(nil), keys.Current...)
	for _, r := range keys.Rotations {
		if r.Opening.Whole.Content == nil {
			continue
		}
		if handed, err := verify.ParseRotation(r.Opening.Whole.Content); err == nil {
			all = append(all, handed.Keys...)
		}
	}
	return all
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// continues checks that a head continues all that was seen.
func (m *Monitor) continues(head verify.Checkpoint, signed []byte, tree *verify.Tree) error {
	last := m.h.last
	if m.h.note == nil {
		return nil
	}
	both := [][]byte{m.h.note, signed}
	if root, seen := m.h.roots[head.Size]; seen && root != head.Root {
		return wrong(Fork, true, both, "two different heads of %d entries are signed", head.Size)
	}
	if head.Size < last.Size {
		return wrong(Rollback, false, both, "the log shows %d entries, and %d were seen before", head.Size, last.Size)
	}
	if head.Size == last.Size {
		return nil
	}
	root, err := tree.RootAt(last.Size)
	if err != nil {
		return m.tileError(err, signed)
	}
	if root != last.Root {
		return wrong(Fork, true, both, "the log of %d entries does not begin with the %d that were seen before", head.Size, last.Size)
	}
	return nil
}

// tileError says what a failure to read the tree means: nothing if the server was not reached, else that what it serves
// does not hash to what it signed.
func (m *Monitor) tileError(err error, signed []byte) error {
	var gone *Unreachable
	if errors.As(err, &gone) && !isMissing(err) {
		return err
	}
	return wrong(Tile, false, [][]byte{signed}, "what the server serves of the log is not what it signed: %v", err)
}

// compare checks that heads which others have seen are of the same history.
func (m *Monitor) compare(ctx context.Context, head verify.Checkpoint, signed []byte, tree *verify.Tree) (n int, err error) {
	for _, where := range m.c.Heads {
		other, err := m.elsewhere(ctx, where)
		if err != nil {
			return n, err
		}
		c, _, err := verify.OpenCheckpointBy(other, m.h.keys, nil)
		if err != nil {
			return n, usage("the head in %s proves nothing: it is not signed by a key of this log that is trusted%s", where, detail(err))
		}
		both := [][]byte{signed, other}
		if c.Size > head.Size {
			return n, wrong(Rollback, false, both, "the log shows %d entries here, and %d in %s", head.Size, c.Size, where)
		}
		root, err := tree.RootAt(c.Size)
		if err != nil {
			return n, m.tileError(err, signed)
		}
		if root != c.Root {
			return n, wrong(Fork, true, both, "the log of %d entries shown here does not begin with the %d shown in %s", head.Size, c.Size, where)
		}
		n++
	}
	return n, nil
}

// elsewhere reads a head from a file or an address.
func (m *Monitor) elsewhere(ctx context.Context, where string) ([]byte, error) {
	if strings.HasPrefix(where, "https://") || strings.HasPrefix(where, "http://") {
		text, err := m.fetch.get(ctx, where, maxHead)
		if errors.Is(err, errLong) {
			return nil, usage("%s is not a signed head", where)
		}
		return text, err
	}
	text, err := os.ReadFile(where)
	if err != nil {
		return nil, usage("%v", err)
	}
	return text, nil
}

// tiles reads the tiles of one head; those that are needed again and again are kept.
type tiles struct {
	m    *Monitor
	ctx  context.Context
	size uint64

	mu   sync.Mutex
	kept map[verify.Tile][]byte
}

func (m *Monitor) tiles(ctx context.Context, size uint64) *tiles {
	return &tiles{m: m, ctx: ctx, size: size, kept: map[verify.Tile][]byte{}}
}

const (
	maxTile   = verify.TileWidth * 32
	maxBundle = verify.TileWidth * (2 + 1<<16)
	ahead     = 8 // tiles fetched at the same time
)

func (t *tiles) read(tile verify.Tile) ([]byte, error) {
	t.mu.Lock()
	content, have := t.kept[tile]
	t.mu.Unlock()
	if have {
		return content, nil
	}
	limit := int64(maxTile)
	if tile.Level == verify.Entries {
		limit = maxBundle
	}
	content, err := t.m.fetch.get(t.ctx, t.m.prefix+"/"+tile.Path(), limit)
	if isMissing(err) && tile.Width < verify.TileWidth {
		// A log may drop a partial tile once the full one is there.
		full := tile
		full.Width = verify.TileWidth
		if whole, e := t.m.fetch.get(t.ctx, t.m.prefix+"/"+full.Path(), limit); e == nil {
			content, err = whole, nil
			if tile.Level == verify.Entries {
				content, err = beginning(full, whole, tile.Width)
			} else if len(content) > tile.Width*32 {
				content = content[:tile.Width*32]
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if tile.Level != verify.Entries && len(content) != tile.Width*32 {
		return nil, fmt.Errorf("tile %s is %d bytes long, not %d", tile.Path(), len(content), tile.Width*32)
	}
	if tile.Level > 0 || tile.Width < verify.TileWidth {
		t.mu.Lock()
		t.kept[tile] = content
		t.mu.Unlock()
	}
	return content, nil
}

// beginning cuts a bundle to its first entries.
func beginning(full verify.Tile, content []byte, width int) ([]byte, error) {
	entries, err := full.ParseBundle(content)
	if err != nil {
		return nil, err
	}
	return verify.MarshalBundle(entries[:width])
}

// readFrom reads everything that came between two sizes, entries and hashes, and checks that it is what the head stands
// for. A log need not serve its entries; its hashes it must. It returns how many bundles or tiles that were.
func (t *tiles) readFrom(tree *verify.Tree, old, size uint64) (n int, err error) {
	from, to := old/verify.TileWidth, (size+verify.TileWidth-1)/verify.TileWidth
	if old == size {
		return 0, nil
	}
	bundles := true
	for first := from; first < to; first += ahead {
		last := min(first+ahead, to)
		t.prefetch(first, last, bundles)
		for i := first; i < last; i++ {
			if bundles {
				_, err := tree.Bundle(i)
				if isMissing(err) && i == from {
					bundles = false
				} else if err != nil {
					return n, err
				}
			}
			if !bundles {
				if _, err := tree.Leaf(i * verify.TileWidth); err != nil {
					return n, err
				}
			}
			n++
		}
		t.forget(first, last)
	}
	return n, nil
}

// prefetch fetches tiles side by side. What fails is fetched again when it is needed, and fails there.
func (t *tiles) prefetch(first, last uint64, bundles bool) {
	var group sync.WaitGroup
	for i := first; i < last; i++ {
		for _, level := range []int{0, verify.Entries} {
			tile, ok := verify.Tile{Level: level, N: i}.In(t.size)
			if !ok || level == verify.Entries && !bundles {
				continue
			}
			group.Go(func() {
				content, err := t.read(tile)
				if err != nil {
					return
				}
				t.mu.Lock()
				t.kept[tile] = content
				t.mu.Unlock()
			})
		}
	}
	group.Wait()
}

func (t *tiles) forget(first, last uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := first; i < last; i++ {
		for _, level := range []int{0, verify.Entries} {
			delete(t.kept, verify.Tile{Level: level, N: i, Width: verify.TileWidth})
		}
	}
}
