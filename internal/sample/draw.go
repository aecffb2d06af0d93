package sample

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/verify"
)

// DrawCmd asks for the draw to be held.
type DrawCmd struct {
	Number    int64
	Seed      string // as it goes into the tickets, but for white space: none around it, and one space wherever there is any within
	Observers []string
	Viewer    access.Viewer
	Actor     journal.Actor
	Via       journal.Via
}

// Draw holds a draw: it records the random value, who saw it, and what was drawn. Opening the inspections is Resume's.
func (s *Samples) Draw(ctx context.Context, tx *store.Tx, cmd DrawCmd) (Draw, error) {
	d, err := s.Load(ctx, tx, cmd.Number)
	if err != nil {
		return Draw{}, err
	}
	tree, err := s.engine.Tree(ctx, tx)
	if err != nil {
		return Draw{}, err
	}
	by, err := s.may(tree, cmd.Viewer, cmd.Actor, d.Body)
	if err != nil {
		return Draw{}, err
	}
	if d.Record != nil {
		return Draw{}, fault.New(fault.Conflict, "sample.drawn", nil)
	}
	seed, observers, err := chance(d.Def.Seed.Kind, cmd.Seed, cmd.Observers)
	if err != nil {
		return Draw{}, err
	}
	receipt, err := s.log.Receipt(ctx, tx, ledger.Want{Stream: verify.SampleStream(d.Number), N: 1, Whole: true})
	if fault.Is(err, fault.Unavailable) {
		return Draw{}, fault.Wrap(err, fault.Conflict, "sample.not-yet", nil)
	}
	if err != nil {
		return Draw{}, err
	}
	text, at, err := under(receipt)
	if err != nil {
		return Draw{}, err
	}
	all, err := items.Load(ctx, tx, d.Number)
	if err != nil {
		return Draw{}, err
	}
	drawn, err := verify.DrawFrom(membersOf(all), d.Def.Strata, seed)
	if err != nil {
		return Draw{}, fmt.Errorf("sample %d: %w", d.Number, err)
	}
	rec := verify.DrawRecord{Number: d.Number, Kind: d.Def.Seed.Kind, Seed: seed, Observers: observers, Under: at}
	for _, w := range drawn {
		rec.Drawn = append(rec.Drawn, w.Position)
	}
	entry := journal.Entry{Stream: verify.SampleStream(d.Number), N: d.N + 1, At: s.engine.Now(), By: by, Via: cmd.Via, Action: verify.ActionDraw}
	if entry.Fields, err = fields(rec); err != nil {
		return Draw{}, err
	}
	if err := s.record(ctx, tx, &d, entry); err != nil {
		return Draw{}, err
	}
	if _, err := tx.Exec(ctx, `UPDATE sample SET receipt = $1 WHERE number = $2`, text, d.Number); err != nil {
		return Draw{}, fmt.Errorf("sample %d: receipt: %w", d.Number, err)
	}
	now := slices.Clone(all)
	for place, w := range drawn {
		i, _ := slices.BinarySearchFunc(now, int64(w.Position), func(x Item, p int64) int { return int(x.Position - p) })
		now[i].Place, now[i].Ticket = int64(place+1), string(w.Ticket)
	}
	return d, items.Save(ctx, tx, d.Number, all, now)
}

// under is a receipt as text, and the state of the log it proves its entry under.
func under(r verify.Receipt) ([]byte, verify.LogState, error) {
	text, err := r.Marshal()
	if err != nil {
		return nil, verify.LogState{}, err
	}
	signed, _, _ := bytes.Cut(r.Proof.Checkpoint, []byte("\n\n"))
	c, err := verify.ParseCheckpoint(string(signed) + "\n")
	return text, verify.LogState{Size: c.Size, Root: c.Root.String()}, err
}

// record appends an entry and keeps the row in step.
func (s *Samples) record(ctx context.Context, tx *store.Tx, d *Draw, e journal.Entry) error {
	if err := journal.Append(ctx, tx, e); err != nil {
		if journal.IsStale(err) {
			return fault.Wrap(err, fault.Conflict, "sample.stale", nil)
		}
		return err
	}
	now, err := fold(d.Row, e)
	if err != nil {
		return err
	}
	now.Body = d.Body
	if err := draws.Save(ctx, tx, 0, []Row{d.Row}, []Row{now}); err != nil {
		return err
	}
	*d, err = drawOf(now)
	return err
}

func membersOf(all []Item) []verify.Member {
	out := make([]verify.Member, len(all))
	for i, x := range all {
		out[i] = x.member()
	}
	return out
}

// chance holds a random value to what such a value looks like, and asks that somebody saw it.
func chance(kind, seed string, observers []string) (string, []string, error) {
	seed = strings.Join(strings.Fields(seed), " ")
	least := map[string]int{verify.SeedDice: 10, verify.SeedLottery: 6, verify.SeedBeacon: 32}[kind]
	signs := 0
	for _, r := range seed {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			signs++
		}
	}
	var wrong []fault.Field
	if signs < least || len(seed) > 1000 || strings.ContainsFunc(seed, unicode.IsControl) {
		wrong = append(wrong, fault.Field{Name: "seed", Key: "sample.seed." + kind, Args: fault.Args{"n": least}})
	}
	var names []string
	for _, o := range observers {
		if o = strings.Join(strings.Fields(o), " "); o != "" {
			names = append(names, o)
		}
	}
	if len(names) == 0 || slices.ContainsFunc(names, func(n string) bool { return len(n) > 200 || strings.ContainsFunc(n, unicode.IsControl) }) {
		wrong = append(wrong, fault.Field{Name: "observers", Key: "sample.observers"})
	}
	return seed, names, fault.InvalidFields(wrong)
}

// Opened is what came of opening the inspections of a draw.
type Opened struct {
	Now     int // opened just now
	Waiting int // not opened: nobody is there who never touched the matter
}

// OpenDrawn opens the inspections of a draw that are not open yet, each in a transaction of its own: whatever interrupts
// it, what is open is open once, and the rest is opened the next time. Call it outside of any transaction.
func (s *Samples) OpenDrawn(ctx context.Context, number int64) (Opened, error) {
	var out Opened
	var waiting []int64
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		found, err := tx.Query(ctx, `SELECT position FROM sample_item WHERE sample = $1 AND place > 0 AND inspection = 0 ORDER BY place`, number)
		if err != nil {
			return err
		}
		waiting, err = store.Collect(found, func(r *store.Rows) (p int64, err error) { return p, r.Scan(&p) })
		return err
	})
	if err != nil {
		return out, fmt.Errorf("sample %d: what is to be inspected: %w", number, err)
	}
	for _, position := range waiting {
		err := s.db.Tx(ctx, func(tx *store.Tx) error { return s.open(ctx, tx, number, position) })
		switch {
		case err == nil:
			out.Now++
		case nobody(err):
			out.Waiting++
		case fault.Is(err, fault.Conflict): // another process opens it
		default:
			return out, fmt.Errorf("sample %d: position %d: %w", number, position, err)
		}
	}
	return out, nil
}

func nobody(err error) bool {
	var f *fault.Error
	return errors.As(err, &f) && (f.Key == "matter.nobody-untouched" || f.Key == "matter.no-inspection")
}

// open opens one inspection, once.
func (s *Samples) open(ctx context.Context, tx *store.Tx, number, position int64) error {
	d, err := s.Load(ctx, tx, number)
	if err != nil {
		return err
	}
	var item Item
	err = tx.QueryRow(ctx, `SELECT matter, inspection FROM sample_item WHERE sample = $1 AND position = $2 AND place > 0`, number, position).
		Scan(&item.Matter, &item.Inspection)
	if err != nil || item.Inspection != 0 {
		return err
	}
	by := journal.Actor{Duty: matter.DutySystem}
	opened, err := s.engine.Inspect(ctx, tx, matter.InspectCmd{Matter: item.Matter, Actor: by, Via: journal.ViaTimer})
	if err != nil {
		return err
	}
	e := journal.Entry{Stream: verify.SampleStream(number), N: d.N + 1, At: s.engine.Now(), By: by, Via: journal.ViaTimer, Action: ActionOpen}
	if e.Fields, err = fields(openedFields{Position: position, Inspection: opened.Matter.ID}); err != nil {
		return err
	}
	if err := s.record(ctx, tx, &d, e); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE sample_item SET inspection = $1 WHERE sample = $2 AND position = $3`, int64(opened.Matter.ID), number, position); err != nil {
		return fmt.Errorf("inspection: %w", err)
	}
	return nil
}

type openedFields struct {
	Position   int64        `json:"position"`
	Inspection ref.MatterID `json:"inspection,string"`
}

// Resume opens what draws have left to open, for the background of a server.
func (s *Samples) Resume(ctx context.Context) (Opened, error) {
	var numbers []int64
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		found, err := tx.Query(ctx, `SELECT DISTINCT sample FROM sample_item WHERE place > 0 AND inspection = 0 ORDER BY sample`)
		if err != nil {
			return err
		}
		numbers, err = store.Collect(found, func(r *store.Rows) (n int64, err error) { return n, r.Scan(&n) })
		return err
	})
	if err != nil {
		return Opened{}, fmt.Errorf("sample: resume: %w", err)
	}
	var all Opened
	for _, n := range numbers {
		o, err := s.OpenDrawn(ctx, n)
		all.Now, all.Waiting = all.Now+o.Now, all.Waiting+o.Waiting
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// File is the public file of a draw: before it is held, or after. It is fault.Unavailable "ledger.notyet" while what it
// proves is in no published checkpoint.
func (s *Samples) File(ctx context.Context, tx *store.Tx, number int64) (verify.Sample, error) {
	d, err := s.Load(ctx, tx, number)
	if err != nil {
		return verify.Sample{}, err
	}
	all, err := items.Load(ctx, tx, number)
	if err != nil {
		return verify.Sample{}, err
	}
	out := verify.Sample{Version: 1, Definition: d.Def, Draw: d.Record, Stated: []string{}}
	for _, i := range all {
		out.Population = append(out.Population, i.member().String())
	}
	stream := verify.SampleStream(number)
	if d.Record == nil {
		receipt, err := s.log.Receipt(ctx, tx, ledger.Want{Stream: stream, N: 1, Whole: true})
		if err != nil {
			return verify.Sample{}, err
		}
		text, now, err := under(receipt)
		if err != nil {
			return verify.Sample{}, err
		}
		out.Defined = string(text)
		out.Stated, err = s.consistency(ctx, tx, d.Def.Log.Size, now.Size)
		return out, err
	}
	var defined []byte
	if err := tx.QueryRow(ctx, `SELECT receipt FROM sample WHERE number = $1`, number).Scan(&defined); err != nil {
		return verify.Sample{}, fmt.Errorf("sample %d: receipt: %w", number, err)
	}
	out.Defined = string(defined)
	if out.Stated, err = s.consistency(ctx, tx, d.Def.Log.Size, d.Record.Under.Size); err != nil {
		return verify.Sample{}, err
	}
	receipt, err := s.log.Receipt(ctx, tx, ledger.Want{Stream: stream, N: 2, Whole: true})
	if err != nil {
		return verify.Sample{}, err
	}
	text, now, err := under(receipt)
	if err != nil {
		return verify.Sample{}, err
	}
	out.Recorded = string(text)
	if out.Consistency, err = s.consistency(ctx, tx, d.Record.Under.Size, now.Size); err != nil {
		return verify.Sample{}, err
	}
	out.Drawn, err = verify.DrawFrom(membersOf(all), d.Def.Strata, d.Record.Seed)
	return out, err
}

func (s *Samples) consistency(ctx context.Context, tx *store.Tx, old, now uint64) ([]string, error) {
	path, err := s.log.Consistency(ctx, tx, old, now)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, h := range path {
		out = append(out, h.String())
	}
	return out, nil
}
