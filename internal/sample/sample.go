// Package sample draws closed matters at random for inspection, in a way that strangers can repeat.
//
// A draw has two steps, each an entry of the public log. First it is defined: the closed matters it is made from, at a
// stated size of the log, how many are drawn, and how chance will be asked. Only when that stands in a published
// checkpoint can the random value be entered, so that nobody, the office included, can fit the one to the other. What is
// drawn follows from the two alone (verify.TicketOf). For each matter drawn an inspection is opened with
// people who never touched it; that is taken up again wherever it was interrupted, and done once.
//
// Only matters closed under a procedure here can be drawn: of imported ones this office followed no procedure.
package sample

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/access"
	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/register"
	"plumbline/internal/rows"
	"plumbline/internal/store"
	"plumbline/internal/words"
	"plumbline/verify"
)

// Row is a draw as its table holds it, folded from the stream sample/NUMBER.
type Row struct {
	Number     int64      `db:"number,key"`
	N          int64      `db:"n"`          // of its last entry
	Body       ref.BodyID `db:"body"`       // whose matters, with those below; 0: all
	Definition string     `db:"definition"` // JSON
	Defined    int64      `db:"defined"`    // microseconds UTC
	Draw       string     `db:"draw"`       // JSON; empty before the draw
	Drawn      int64      `db:"drawn"`
}

// Item is a closed matter of a population.
type Item struct {
	Position   int64        `db:"position,key"` // of the entry that closed it, from 1
	Matter     ref.MatterID `db:"matter"`
	Body       ref.BodyID   `db:"body"` // that handled it
	Stratum    string       `db:"stratum"`
	Commitment []byte       `db:"commitment"`
	Place      int64        `db:"place"` // in the drawing order, from 1; 0: not drawn
	Ticket     string       `db:"ticket"`
	Inspection ref.MatterID `db:"inspection"` // 0: not opened yet
}

var (
	draws = rows.Of[Row]("sample", "")
	items = rows.Of[Item]("sample_item", "sample")
)

// ActionOpen is the entry by which the inspection of one matter drawn was opened. The other two are
// verify.ActionDefine and verify.ActionDraw.
const ActionOpen = "sample.open"

// Samples holds the draws of one database. It is safe for use by many goroutines.
type Samples struct {
	db     *store.DB
	engine *matter.Engine
	packs  matter.Packs
	log    *ledger.Ledger
	book   *words.Book
}

// New returns the draws of a database. The time of day is the engine's.
func New(db *store.DB, engine *matter.Engine, packs matter.Packs, log *ledger.Ledger, book *words.Book) *Samples {
	return &Samples{db: db, engine: engine, packs: packs, log: log, book: book}
}

// A Request says what to draw from and how much.
type Request struct {
	Body     ref.BodyID // whose matters, with those below; 0: all
	Kind     string
	Ended    string // the step that closed it
	From, To string // days of closing, ISO, both included
	ByBody   bool   // draw from each body by itself
	Size     int64  // how many; 0: as many as the strength takes
	Share    string // "0.05": if this share were wrong …
	Sure     string // "0.95": … one at least is found with this chance
}

// A Plan is what a request comes to.
type Plan struct {
	Request
	Log     verify.LogState
	Items   []Item // by position
	Strata  []verify.SampleStrata
	Wrong   int64   // how many of them would be wrong
	Found   float64 // the chance of drawing at least one of those
	members []string
}

// Take is how many are drawn.
func (p Plan) Take() int64 {
	n := int64(0)
	for _, s := range p.Strata {
		n += s.Take
	}
	return n
}

// WholeStratum is the name of the one stratum of a draw that is not made by body.
const WholeStratum = "all"

// The positions of the entries that closed the matters; one that has no position yet lies beyond every log.
const selectClosed = `SELECT m.id, m.body, m.kind, m.pack, m.state, MAX(COALESCE(e.idx, 9000000000000000)) FROM matter m
	JOIN entry e ON e.stream = 'matter/' || CAST(m.id AS TEXT) AND e.action = m.ended
	WHERE m.final = 1 AND m.source = ''`

// Plan says what a request comes to now: the population at the newest published checkpoint, and the size of the draw.
func (s *Samples) Plan(ctx context.Context, tx *store.Tx, r Request) (Plan, error) {
	return s.plan(ctx, tx, r, nil)
}

// Preview is Plan as somebody may see it before it is recorded for everybody. What does not exist for them is not counted:
// asked day by day, a number would tell whom a closed matter names that it was there.
func (s *Samples) Preview(ctx context.Context, tx *store.Tx, v access.Viewer, r Request) (Plan, error) {
	return s.plan(ctx, tx, r, func(firstArg int) (string, []any) { return access.Hidden(v, firstArg) })
}

func (s *Samples) plan(ctx context.Context, tx *store.Tx, r Request, without func(firstArg int) (string, []any)) (Plan, error) {
	p := Plan{Request: r}
	if err := r.check(); err != nil {
		return p, err
	}
	latest, err := s.log.Latest(ctx, tx)
	if err != nil {
		return p, err
	}
	root, err := s.log.Root(ctx, tx, latest.Size)
	if err != nil {
		return p, err
	}
	p.Log = verify.LogState{Size: latest.Size, Root: root.String()}
	tree, err := s.engine.Tree(ctx, tx)
	if err != nil {
		return p, err
	}
	if p.Items, err = s.population(ctx, tx, tree, r, latest.Size, without); err != nil {
		return p, err
	}
	if len(p.Items) == 0 {
		return p, fault.InvalidFields([]fault.Field{{Name: "kind", Key: "sample.empty"}})
	}
	for _, i := range p.Items {
		p.members = append(p.members, i.member().String())
	}
	return p, p.size()
}

func (i Item) member() verify.Member {
	return verify.Member{Position: uint64(i.Position), Commitment: verify.Hash(i.Commitment), Stratum: i.Stratum}
}

// check holds a request to what can be asked.
func (r Request) check() error {
	var wrong []fault.Field
	for _, d := range []struct{ name, value string }{{"from", r.From}, {"to", r.To}} {
		if d.value == "" {
			continue
		}
		if day, err := calendar.ParseDate(d.value); err != nil || !day.Exact() {
			wrong = append(wrong, fault.Field{Name: d.name, Key: "sample.day"})
		}
	}
	if len(wrong) == 0 && r.From != "" && r.To != "" && r.To < r.From {
		wrong = append(wrong, fault.Field{Name: "to", Key: "sample.days"})
	}
	if x, err := strconv.ParseFloat(r.Share, 64); err != nil || !(x > 0 && x <= 1) {
		wrong = append(wrong, fault.Field{Name: "share", Key: "sample.share"})
	}
	if x, err := strconv.ParseFloat(r.Sure, 64); err != nil || !(x > 0 && x < 1) {
		wrong = append(wrong, fault.Field{Name: "sure", Key: "sample.sure"})
	}
	if r.Size < 0 {
		wrong = append(wrong, fault.Field{Name: "size", Key: "sample.size"})
	}
	return fault.InvalidFields(wrong)
}

// population finds the closed matters a request names, in a log of the given size, but those that a query names, if there is one.
func (s *Samples) population(ctx context.Context, tx *store.Tx, tree *register.Tree, r Request, size uint64, without func(firstArg int) (string, []any)) ([]Item, error) {
	query, args := selectClosed, []any{}
	arg := func(v any) string { args = append(args, v); return "$" + strconv.Itoa(len(args)) }
	if r.Body != 0 {
		query += " AND m.body IN (SELECT body FROM body_above WHERE above = " + arg(int64(r.Body)) + ")"
	}
	if r.Kind != "" {
		query += " AND m.kind = " + arg(r.Kind)
	}
	if r.Ended != "" {
		query += " AND m.ended = " + arg(r.Ended)
	}
	if r.From != "" {
		query += " AND m.closed >= " + arg(r.From)
	}
	if r.To != "" {
		query += " AND m.closed <= " + arg(r.To)
	}
	if without != nil {
		if hidden, more := without(len(args) + 1); hidden != "" {
			query += " AND m.id NOT IN (" + hidden + ")"
			args = append(args, more...)
		}
	}
	query += " GROUP BY m.id, m.body, m.kind, m.pack, m.state HAVING MAX(COALESCE(e.idx, 9000000000000000)) <= " + arg(int64(size)) + " ORDER BY 6"
	found, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sample: population: %w", err)
	}
	type closed struct {
		item              Item
		kind, pack, state string
	}
	all, err := store.Collect(found, func(r *store.Rows) (c closed, err error) {
		return c, r.Scan(&c.item.Matter, &c.item.Body, &c.kind, &c.pack, &c.state, &c.item.Position)
	})
	if err != nil {
		return nil, fmt.Errorf("sample: population: %w", err)
	}
	drawn := map[string]bool{} // pack, kind and state: may be drawn
	var out []Item
	for _, c := range all {
		key := c.pack + " " + c.kind + " " + c.state
		may, known := drawn[key]
		if !known {
			if may, err = s.inspectable(c.pack, c.kind, c.state, r.Kind); err != nil {
				return nil, err
			}
			drawn[key] = may
		}
		if !may {
			continue
		}
		c.item.Stratum = WholeStratum
		if r.ByBody {
			b := tree.Body(c.item.Body)
			if b == nil {
				return nil, fmt.Errorf("sample: matter %d lies with body %d, which is not there", c.item.Matter, c.item.Body)
			}
			c.item.Stratum = b.Code
		}
		out = append(out, c.item)
	}
	return out, s.commitments(ctx, tx, out)
}

// inspectable reports whether the rules have the state among those inspections are drawn from. Inspections themselves
// are drawn only where they are asked for.
func (s *Samples) inspectable(pack, kind, state, asked string) (bool, error) {
	p, err := s.packs.Version(pack)
	if err != nil {
		return false, fmt.Errorf("sample: rules %s: %w", pack, err)
	}
	k := p.Kind(kind)
	return k != nil && slices.Contains(k.Inspected, state) && (k.Inspects == nil || asked == kind), nil
}

func (s *Samples) commitments(ctx context.Context, tx *store.Tx, all []Item) error {
	const atOnce = 500
	at := map[int64][]byte{}
	for part := range slices.Chunk(all, atOnce) {
		marks, args := make([]string, len(part)), make([]any, len(part))
		for i, it := range part {
			marks[i], args[i] = "$"+strconv.Itoa(i+1), it.Position
		}
		found, err := tx.Query(ctx, "SELECT idx, commitment FROM leaf WHERE idx IN ("+strings.Join(marks, ", ")+")", args...)
		if err != nil {
			return fmt.Errorf("sample: commitments: %w", err)
		}
		for found.Next() {
			var idx int64
			var c []byte
			if err := found.Scan(&idx, &c); err != nil {
				return fmt.Errorf("sample: commitments: %w", err)
			}
			at[idx] = c
		}
		if err := found.Close(); err != nil {
			return fmt.Errorf("sample: commitments: %w", err)
		}
	}
	for i := range all {
		if len(at[all[i].Position]) != len(verify.Hash{}) {
			return fmt.Errorf("sample: the log has no leaf for position %d", all[i].Position)
		}
		all[i].Commitment = at[all[i].Position]
	}
	return nil
}

// size says how many to draw from each stratum.
func (p *Plan) size() error {
	count := map[string]int64{}
	for _, i := range p.Items {
		count[i.Stratum]++
	}
	var sizes []int64
	p.Strata = nil
	for name, n := range count {
		p.Strata = append(p.Strata, verify.SampleStrata{Name: name, Size: n})
	}
	slices.SortFunc(p.Strata, func(a, b verify.SampleStrata) int { return strings.Compare(a.Name, b.Name) })
	for _, st := range p.Strata {
		sizes = append(sizes, st.Size)
	}
	share, err := strconv.ParseFloat(p.Share, 64)
	if err != nil {
		return err
	}
	var take []verify.Stratum
	if p.Size > 0 {
		if p.Size > int64(len(p.Items)) {
			return fault.InvalidFields([]fault.Field{{Name: "size", Key: "sample.too-many", Args: fault.Args{"n": len(p.Items)}}})
		}
		take = verify.Allocate(sizes, p.Size)
	} else {
		sure, err := strconv.ParseFloat(p.Sure, 64)
		if err != nil {
			return err
		}
		if take, err = verify.SampleSize(sizes, share, sure); err != nil {
			return err
		}
	}
	for i := range take {
		p.Strata[i].Take = take[i].Take
	}
	p.Wrong = verify.Wrong(int64(len(p.Items)), share)
	p.Found, err = verify.Strength(take, p.Wrong)
	return err
}

// DefineCmd asks for a draw to be defined.
type DefineCmd struct {
	Request
	Kind   string // of chance: verify.SeedDice, SeedLottery or SeedBeacon
	Plan   string // how it will be asked, for the public
	Viewer access.Viewer
	Actor  journal.Actor // without a viewer: the operator at the command line
	Via    journal.Via
}

// may says under which duty somebody draws, or that they may not.
func (s *Samples) may(tree *register.Tree, v access.Viewer, actor journal.Actor, body ref.BodyID) (journal.Actor, error) {
	if v.Account == 0 {
		if actor.Duty == "" {
			return actor, fault.New(fault.Forbidden, "sample.forbidden", nil)
		}
		return actor, nil
	}
	g, ok := access.MayDraw(v, tree.Above(body))
	if !ok {
		return journal.Actor{}, fault.New(fault.Forbidden, "sample.forbidden", nil)
	}
	return journal.Actor{Account: v.Account, Duty: g.Duty, Body: g.Body}, nil
}

// Define fixes what is drawn from. Its entry enters the log like every other; when a published checkpoint holds it, the
// draw can be held.
func (s *Samples) Define(ctx context.Context, tx *store.Tx, cmd DefineCmd) (Draw, error) {
	tree, err := s.engine.Tree(ctx, tx)
	if err != nil {
		return Draw{}, err
	}
	by, err := s.may(tree, cmd.Viewer, cmd.Actor, cmd.Body)
	if err != nil {
		return Draw{}, err
	}
	pk := s.packs.Active()
	if pk == nil || pk.Inspection() == nil {
		return Draw{}, fault.New(fault.Conflict, "matter.no-inspection", nil)
	}
	cmd.Plan = strings.TrimSpace(cmd.Plan)
	var wrong []fault.Field
	if !slices.Contains(seedKinds, cmd.Kind) {
		wrong = append(wrong, fault.Field{Name: "chance", Key: "sample.chance"})
	}
	if n := len([]rune(cmd.Plan)); n < 10 || n > 500 {
		wrong = append(wrong, fault.Field{Name: "plan", Key: "sample.plan"})
	}
	if err := fault.InvalidFields(wrong); err != nil {
		return Draw{}, err
	}
	p, err := s.Plan(ctx, tx, cmd.Request)
	if err != nil {
		return Draw{}, err
	}
	var last int64
	if err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(number), 0) FROM sample`).Scan(&last); err != nil {
		return Draw{}, fmt.Errorf("sample: number: %w", err)
	}
	def := verify.Definition{Number: last + 1, Rule: verify.SampleRule, Filter: s.filter(tree, cmd.Request), Log: p.Log, Count: int64(len(p.Items)),
		Digest: verify.PopulationDigest(p.members), Strata: p.Strata, Share: cmd.Share, Confidence: cmd.Sure,
		Seed: verify.SeedPlan{Kind: cmd.Kind, Plan: cmd.Plan}}
	entry := journal.Entry{Stream: verify.SampleStream(def.Number), N: 1, At: s.engine.Now(), By: by, Via: cmd.Via, Action: verify.ActionDefine}
	if entry.Fields, err = fields(def); err != nil {
		return Draw{}, err
	}
	if err := journal.Append(ctx, tx, entry); err != nil {
		return Draw{}, err
	}
	now, err := fold(Row{}, entry)
	if err != nil {
		return Draw{}, err
	}
	now.Body = cmd.Body
	if err := draws.Save(ctx, tx, 0, nil, []Row{now}); err != nil {
		return Draw{}, err
	}
	values := make([][]any, len(p.Items))
	for i := range p.Items {
		values[i] = items.Values(def.Number, &p.Items[i])
	}
	if err := tx.InsertMany(ctx, "sample_item", items.Columns(), values); err != nil {
		return Draw{}, fmt.Errorf("sample: items: %w", err)
	}
	return drawOf(now)
}

var seedKinds = []string{verify.SeedDice, verify.SeedLottery, verify.SeedBeacon}

// fields are the fields of an entry: whole numbers, texts, lists and maps.
func fields(v any) (map[string]any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	var out map[string]any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&out); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	return out, nil
}

// A Draw is a draw as it stands.
type Draw struct {
	Row
	Def    verify.Definition
	Record *verify.DrawRecord // nil before the draw
}

// DefinedAt and DrawnAt are when.
func (d Draw) DefinedAt() time.Time { return time.UnixMicro(d.Defined).UTC() }

// DrawnAt is when chance was asked; zero before.
func (d Draw) DrawnAt() time.Time {
	if d.Drawn == 0 {
		return time.Time{}
	}
	return time.UnixMicro(d.Drawn).UTC()
}

// Take is how many are drawn.
func (d Draw) Take() (n int64) {
	for _, s := range d.Def.Strata {
		n += s.Take
	}
	return n
}

func drawOf(r Row) (Draw, error) {
	d := Draw{Row: r}
	if err := json.Unmarshal([]byte(r.Definition), &d.Def); err != nil {
		return d, fmt.Errorf("sample %d: %w", r.Number, err)
	}
	if r.Draw != "" {
		d.Record = &verify.DrawRecord{}
		if err := json.Unmarshal([]byte(r.Draw), d.Record); err != nil {
			return d, fmt.Errorf("sample %d: %w", r.Number, err)
		}
	}
	return d, nil
}

// Load returns a draw.
func (s *Samples) Load(ctx context.Context, tx *store.Tx, number int64) (Draw, error) {
	found, err := draws.Load(ctx, tx, number)
	if err != nil {
		return Draw{}, err
	}
	if len(found) == 0 {
		return Draw{}, fault.New(fault.NotFound, "sample.not-found", fault.Args{"number": number})
	}
	return drawOf(found[0])
}

// All returns every draw, the newest first. None is ever left out: a draw that was defined and never held stays.
func (s *Samples) All(ctx context.Context, tx *store.Tx) ([]Draw, error) {
	found, err := tx.Query(ctx, `SELECT number, n, body, definition, defined, draw, drawn FROM sample ORDER BY number DESC`)
	if err != nil {
		return nil, fmt.Errorf("sample: list: %w", err)
	}
	all, err := store.Collect(found, func(r *store.Rows) (x Row, err error) {
		return x, r.Scan(&x.Number, &x.N, &x.Body, &x.Definition, &x.Defined, &x.Draw, &x.Drawn)
	})
	if err != nil {
		return nil, fmt.Errorf("sample: list: %w", err)
	}
	var out []Draw
	for _, r := range all {
		d, err := drawOf(r)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// Ready reports whether a published checkpoint holds the last step of the draw: the definition, so that chance may be
// asked; after the draw, what was drawn, so that its file can be had.
func (s *Samples) Ready(ctx context.Context, tx *store.Tx, d Draw) (bool, error) {
	n := int64(1)
	if d.Record != nil {
		n = 2
	}
	_, err := s.log.Receipt(ctx, tx, ledger.Want{Stream: verify.SampleStream(d.Number), N: n})
	if fault.Is(err, fault.Unavailable) {
		return false, nil
	}
	return err == nil, err
}
