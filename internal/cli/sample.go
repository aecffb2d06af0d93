package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/calendar"
	"plumbline/internal/fault"
	"plumbline/internal/journal"
	"plumbline/internal/register"
	"plumbline/internal/sample"
	"plumbline/internal/store"
	"plumbline/internal/words"
	"plumbline/verify"
)

type sampleCmd struct {
	Size   sampleSizeCmd   `cmd:"" help:"Say how many to draw, and how sure that makes one."`
	Define sampleDefineCmd `cmd:"" help:"Fix what is drawn from, and how chance will be asked."`
	Draw   sampleDrawCmd   `cmd:"" help:"Hold a draw: enter the random value and who saw it."`
	List   sampleListCmd   `cmd:"" help:"List every draw."`
	Show   sampleShowCmd   `cmd:"" help:"Show a draw and what its inspections came to."`
	Export sampleExportCmd `cmd:"" help:"Write the public file of a draw."`
	Verify sampleVerifyCmd `cmd:"" help:"Repeat a draw from its public file, without a server or a database."`
}

func (sampleCmd) Help() string { return helpText("sample") }

// percent is a share on the command line: "5%" or "0.05". It is kept as people write it.
type percent string

func (p *percent) UnmarshalText(text []byte) error {
	s, hundred := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	r, ok := new(big.Rat).SetString(strings.TrimSpace(s))
	if !ok || strings.ContainsAny(s, "/eExX_") {
		return fmt.Errorf("%q is no share; write 5%% or 0.05", text)
	}
	if hundred {
		r.Quo(r, big.NewRat(100, 1))
	}
	if r.Sign() <= 0 || r.Cmp(big.NewRat(1, 1)) > 0 {
		return fmt.Errorf("%q is not above 0 and up to 100%%", text)
	}
	digits := strings.TrimRight(strings.TrimRight(r.FloatString(6), "0"), ".")
	*p = percent(digits)
	return nil
}

func (p percent) float() float64 {
	f, err := strconv.ParseFloat(string(p), 64)
	if err != nil {
		return 0 // UnmarshalText has read it
	}
	return f
}

// strengthFlags say how sure a draw shall be.
type strengthFlags struct {
	Rate       percent `name:"rate" default:"5%" placeholder:"SHARE" help:"If this share were wrong: 5% or 0.05."`
	Confidence percent `name:"confidence" default:"95%" placeholder:"SHARE" help:"The draw shall find at least one with this chance."`
}

type sampleSizeCmd struct {
	strengthFlags
	Population []int64 `name:"population" required:"" placeholder:"N[,N]" help:"How many there are; several numbers for bodies that are drawn from by themselves."`
	Take       int64   `name:"take" placeholder:"N" help:"Draw so many, and say how sure that makes one."`
	JSON       bool    `name:"json" help:"Print JSON."`
}

func (sampleSizeCmd) Help() string { return helpText("sample-size") }

type sized struct {
	Population int64            `json:"population"`
	Rate       string           `json:"rate"`
	Confidence string           `json:"confidence"`
	Wrong      int64            `json:"wrong"`
	Take       int64            `json:"take"`
	Strength   float64          `json:"strength"`
	Parts      []verify.Stratum `json:"parts"`
}

func (c *sampleSizeCmd) Run(t *terminal) error {
	out := sized{Rate: string(c.Rate), Confidence: string(c.Confidence)}
	for _, n := range c.Population {
		out.Population += n
	}
	var err error
	if c.Take > 0 {
		if c.Take > out.Population {
			return problemf(fault.Invalid, "of %d only %d can be drawn", out.Population, out.Population)
		}
		out.Parts = verify.Allocate(c.Population, c.Take)
	} else if out.Parts, err = verify.SampleSize(c.Population, c.Rate.float(), c.Confidence.float()); err != nil {
		return problemf(fault.Invalid, "%v", err)
	}
	for _, p := range out.Parts {
		out.Take += p.Take
	}
	out.Wrong = verify.Wrong(out.Population, c.Rate.float())
	if out.Strength, err = verify.Strength(out.Parts, out.Wrong); err != nil {
		return problemf(fault.Invalid, "%v", err)
	}
	if c.JSON {
		return t.json(out)
	}
	t.print("%s", strengthInWords(speaker(), out.Rate, out.Wrong, out.Population, out.Take, out.Strength))
	if len(out.Parts) > 1 {
		tab := newTable("Part", "There are", "Drawn").alignRight(0, 1, 2)
		for i, p := range out.Parts {
			tab.add(number(int64(i+1)), number(p.Size), number(p.Take))
		}
		tab.write(t.out)
	}
	return nil
}

// strengthInWords says what a draw can show: "If 5 % of these were wrong (50 of 1,000), 57 drawn find …".
func strengthInWords(say *words.Speaker, rate string, wrong, population, take int64, strength float64) string {
	f, err := strconv.ParseFloat(rate, 64)
	if err != nil {
		f = 0 // only what was read before comes here
	}
	return say.T("sample.strength", "share", say.Percent(f), "wrong", wrong, "all", population, "take", take, "chance", percentOf(say, strength))
}

// percentOf never says 100 % of what is not certain.
func percentOf(say *words.Speaker, x float64) string {
	if x < 1 && x > 0.999 {
		return "> " + say.Percent(0.999)
	}
	return say.Percent(x)
}

// samples is what the commands of draws work with.
func (a *app) samples() *sample.Samples {
	return sample.New(a.db, a.engine, a.office, a.ledger, book())
}

type sampleDefineCmd struct {
	dbFlag
	strengthFlags
	Body   string        `name:"body" placeholder:"CODE" help:"Matters that this body or one below it has handled. All if absent."`
	Kind   string        `name:"kind" placeholder:"KIND" help:"Of this kind of the pack."`
	Ended  string        `name:"ended" placeholder:"STEP" help:"Closed by this step of the procedure."`
	From   calendar.Date `name:"from" placeholder:"DATE" help:"Closed on this day or later."`
	To     calendar.Date `name:"to" placeholder:"DATE" help:"Closed on this day or earlier."`
	ByBody bool          `name:"by-body" help:"Draw from each body by itself, the same share of each."`
	Take   int64         `name:"take" placeholder:"N" help:"Draw so many, instead of as many as the strength takes."`
	Chance string        `name:"chance" enum:"dice,lottery,beacon" default:"dice" placeholder:"KIND" help:"How chance will be asked: dice, lottery or beacon."`
	Plan   string        `name:"plan" placeholder:"TEXT" help:"Where, when and how chance will be asked, for the public."`
	Dry    bool          `name:"dry-run" help:"Say what it would come to, and record nothing."`
	JSON   bool          `name:"json" help:"Print JSON."`
}

func (sampleDefineCmd) Help() string { return helpText("sample-define") }

type definedSample struct {
	Number   int64                 `json:"number,omitempty"`
	Count    int64                 `json:"count"`
	Take     int64                 `json:"take"`
	Strength float64               `json:"strength"`
	Digest   string                `json:"digest,omitempty"`
	Log      verify.LogState       `json:"log"`
	Strata   []verify.SampleStrata `json:"strata"`
}

func (c *sampleDefineCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	r := sample.Request{Kind: c.Kind, Ended: c.Ended, ByBody: c.ByBody, Size: c.Take, Share: string(c.Rate), Sure: string(c.Confidence)}
	if !c.From.IsZero() {
		r.From = c.From.String()
	}
	if !c.To.IsZero() {
		r.To = c.To.String()
	}
	var plan sample.Plan
	out := definedSample{}
	work := func(tx *store.Tx) error {
		if c.Body != "" {
			b, err := register.BodyByCode(ctx, tx, c.Body)
			if err != nil {
				return err
			}
			r.Body = b.ID
		}
		var err error
		if plan, err = a.samples().Plan(ctx, tx, r); err != nil || c.Dry {
			return err
		}
		d, err := a.samples().Define(ctx, tx, sample.DefineCmd{Request: r, Kind: c.Chance, Plan: c.Plan, Actor: operator, Via: journal.ViaCLI})
		out.Number, out.Digest = d.Number, d.Def.Digest
		return err
	}
	if c.Dry {
		err = a.db.Read(ctx, work)
	} else {
		err = a.db.Tx(ctx, work)
	}
	if err != nil {
		return err
	}
	out.Count, out.Take, out.Strength, out.Log, out.Strata = int64(len(plan.Items)), plan.Take(), plan.Found, plan.Log, plan.Strata
	if c.JSON {
		return t.json(out)
	}
	t.print("%s closed matters, at %s entries of the log.", number(out.Count), number(int64(out.Log.Size)))
	t.print("%s", strengthInWords(speaker(), string(c.Rate), plan.Wrong, out.Count, out.Take, out.Strength))
	sayStrata(t, plan.Strata)
	if c.Dry {
		return nil
	}
	t.print("Draw %d is defined. Digest of the population: %s", out.Number, out.Digest)
	t.print("Let the observers note this digest. When the log has published it (plumbline sample show %d says so), hold the draw:", out.Number)
	t.print("  plumbline sample draw %d --seed '…' --observer NAME", out.Number)
	return nil
}

func sayStrata(t *terminal, strata []verify.SampleStrata) {
	if len(strata) < 2 {
		return
	}
	tab := newTable("Body", "Closed", "Drawn").alignRight(1, 2)
	for _, s := range strata {
		tab.add(s.Name, number(s.Size), number(s.Take))
	}
	tab.write(t.out)
}

type sampleDrawCmd struct {
	dbFlag
	Number   int64         `arg:"" help:"Number of the draw."`
	Seed     string        `name:"seed" required:"" placeholder:"VALUE" help:"The random value, exactly as it was thrown, announced or published."`
	Observer []string      `name:"observer" required:"" sep:"none" placeholder:"NAME" help:"Somebody who saw it. May be repeated. Names are published."`
	Wait     time.Duration `name:"wait" default:"0s" placeholder:"TIME" help:"Wait so long for the log to publish the definition."`
	JSON     bool          `name:"json" help:"Print JSON."`
}

func (sampleDrawCmd) Help() string { return helpText("sample-draw") }

type drawnSample struct {
	Number  int64    `json:"number"`
	Drawn   []uint64 `json:"drawn"`
	Opened  int      `json:"opened"`
	Waiting int      `json:"waiting"`
}

func (c *sampleDrawCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	s := a.samples()
	if c.Wait > 0 {
		if err := a.ledger.Wait(ctx, verify.SampleStream(c.Number), 1, c.Wait); err != nil && !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	var d sample.Draw
	err = a.db.Tx(ctx, func(tx *store.Tx) (err error) {
		d, err = s.Draw(ctx, tx, sample.DrawCmd{Number: c.Number, Seed: c.Seed, Observers: c.Observer, Actor: operator, Via: journal.ViaCLI})
		return err
	})
	if err != nil {
		return err
	}
	opened, err := s.OpenDrawn(ctx, c.Number)
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(drawnSample{c.Number, d.Record.Drawn, opened.Now, opened.Waiting})
	}
	t.print("Draw %d: %s drawn, %s opened.", c.Number, plural(int64(len(d.Record.Drawn)), "matter", "matters"), plural(int64(opened.Now), "inspection", "inspections"))
	if opened.Waiting > 0 {
		t.print("%s cannot be inspected yet: nobody holds the duty who never touched it. Give it to somebody who did not; the server opens them then.", plural(int64(opened.Waiting), "matter", "matters"))
	}
	return nil
}

type sampleListCmd struct {
	dbFlag
	JSON bool `name:"json" help:"Print JSON."`
}

func (sampleListCmd) Help() string { return helpText("sample-list") }

type listedSample struct {
	Number  int64  `json:"number"`
	Defined string `json:"defined"`
	Drawn   string `json:"drawn,omitempty"`
	Count   int64  `json:"count"`
	Take    int64  `json:"take"`
	What    string `json:"what"`
}

func listed(d sample.Draw, say *words.Speaker) listedSample {
	out := listedSample{Number: d.Number, Defined: d.DefinedAt().Format(time.RFC3339), Count: d.Def.Count, Take: d.Take(), What: d.Def.Filter.Words[say.Lang()]}
	if at := d.DrawnAt(); !at.IsZero() {
		out.Drawn = at.Format(time.RFC3339)
	}
	return out
}

func (c *sampleListCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var all []sample.Draw
	if err := a.db.Read(ctx, func(tx *store.Tx) (err error) { all, err = a.samples().All(ctx, tx); return err }); err != nil {
		return err
	}
	list := []listedSample{}
	for _, d := range all {
		list = append(list, listed(d, speaker()))
	}
	if c.JSON {
		return t.json(list)
	}
	tab := newTable("Draw", "Defined", "Held", "Of", "Drawn", "What").alignRight(0, 3, 4)
	for _, l := range list {
		held := l.Drawn
		if held == "" {
			held = "not yet"
		}
		tab.add(number(l.Number), l.Defined, held, number(l.Count), number(l.Take), l.What)
	}
	tab.write(t.out)
	return nil
}

type sampleShowCmd struct {
	dbFlag
	Number int64 `arg:"" help:"Number of the draw."`
	JSON   bool  `name:"json" help:"Print JSON."`
}

func (sampleShowCmd) Help() string { return helpText("sample-show") }

type shownSample struct {
	listedSample
	Definition verify.Definition  `json:"definition"`
	Ready      bool               `json:"ready"`
	Draw       *verify.DrawRecord `json:"draw,omitempty"`
	Bodies     []shownTally       `json:"bodies,omitempty"`
	All        *shownTally        `json:"all,omitempty"`
}

type shownTally struct {
	Body  string          `json:"body,omitempty"`
	Size  int64           `json:"size"`
	Drawn int64           `json:"drawn"`
	Done  int64           `json:"done"`
	Wrong int64           `json:"wrong"`
	Range verify.Interval `json:"range"`
}

func (c *sampleShowCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	say := speaker()
	var out shownSample
	var d sample.Draw
	err = a.db.Read(ctx, func(tx *store.Tx) error {
		s := a.samples()
		var err error
		if d, err = s.Load(ctx, tx, c.Number); err != nil {
			return err
		}
		out.listedSample, out.Definition, out.Draw = listed(d, say), d.Def, d.Record
		if out.Ready, err = s.Ready(ctx, tx, d); err != nil || d.Record == nil {
			return err
		}
		tree, err := a.engine.Tree(ctx, tx)
		if err != nil {
			return err
		}
		r, err := s.Results(ctx, tx, d)
		if err != nil {
			return err
		}
		one := func(x sample.Tally) shownTally {
			code := ""
			if b := tree.Body(x.Body); b != nil {
				code = b.Code
			}
			return shownTally{code, x.Size, x.Drawn, x.Done, x.Wrong, x.Range}
		}
		all := one(r.All)
		out.All = &all
		for _, b := range r.Bodies {
			out.Bodies = append(out.Bodies, one(b))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.json(out)
	}
	t.print("Draw %d: %s", d.Number, out.What)
	t.print("Population: %s closed matters at %s entries of the log, digest %s", number(d.Def.Count), number(int64(d.Def.Log.Size)), d.Def.Digest)
	share, err := strconv.ParseFloat(d.Def.Share, 64)
	if err != nil {
		return err
	}
	found, err := d.Def.Strength()
	if err != nil {
		return err
	}
	t.print("%s", strengthInWords(say, d.Def.Share, verify.Wrong(d.Def.Count, share), d.Def.Count, out.Take, found))
	t.print("Chance: %s. %s", d.Def.Seed.Kind, d.Def.Seed.Plan)
	switch {
	case d.Record != nil:
		t.print("Held on %s with %q; seen by %s.", d.DrawnAt().Format(time.RFC3339), d.Record.Seed, strings.Join(d.Record.Observers, ", "))
		tab := newTable("Body", "Closed", "Drawn", "Inspected", "Wrong", "Share wrong").alignRight(1, 2, 3, 4)
		for _, b := range append(slices.Clone(out.Bodies), *out.All) {
			name := b.Body
			if name == "" {
				name = "all"
			}
			share := say.Percent(b.Range.Low) + " to " + say.Percent(b.Range.High)
			if b.Done == 0 {
				share = "not known yet"
			}
			tab.add(name, number(b.Size), number(b.Drawn), number(b.Done), number(b.Wrong), share)
		}
		tab.write(t.out)
		sure, err := strconv.ParseFloat(d.Def.Confidence, 64)
		if err != nil {
			return err
		}
		t.print("The share wrong lies in this range with %s confidence; what is not inspected yet counts both ways.", say.Percent(sure))
	case out.Ready:
		t.print("The log has published the definition: the draw can be held.")
	default:
		t.print("The definition is in no published checkpoint yet: the server has to sign the log before the draw can be held.")
	}
	return nil
}

type sampleExportCmd struct {
	dbFlag
	Number int64  `arg:"" help:"Number of the draw."`
	Out    string `name:"out" short:"o" default:"-" placeholder:"FILE" help:"Where to write it; - is standard output."`
}

func (sampleExportCmd) Help() string { return helpText("sample-export") }

func (c *sampleExportCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	var f verify.Sample
	if err := a.db.Read(ctx, func(tx *store.Tx) (err error) { f, err = a.samples().File(ctx, tx, c.Number); return err }); err != nil {
		return err
	}
	text, err := f.Marshal()
	if err != nil {
		return err
	}
	if c.Out == "-" {
		_, err = t.out.Write(text)
		return err
	}
	return os.WriteFile(c.Out, text, 0o644)
}

type sampleVerifyCmd struct {
	File    string   `arg:"" placeholder:"FILE" help:"The public file of a draw; - is standard input."`
	Key     []string `name:"key" required:"" sep:"none" placeholder:"KEY|@FILE" help:"The log's public key, from a source you trust, or a file of keys; may be given several times."`
	Witness []string `name:"witness" sep:"none" placeholder:"KEY|@FILE" help:"The public key of a witness, or a file of keys; may be given several times."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

func (sampleVerifyCmd) Help() string { return helpText("sample-verify") }

type verifiedSample struct {
	Holds  bool                 `json:"holds"`
	Wrong  string               `json:"wrong,omitempty"`
	Number int64                `json:"number,omitempty"`
	Proven *verify.SampleProven `json:"proven,omitempty"`
	Drawn  []verify.DrawnAt     `json:"drawn,omitempty"`
}

func (c *sampleVerifyCmd) Run(t *terminal) error {
	var trust verify.Trust
	var err error
	if trust.Logs, _, err = keysOf("--key", c.Key); err != nil {
		return err
	}
	if trust.Witnesses, _, err = keysOf("--witness", c.Witness); err != nil {
		return err
	}
	text, err := c.read(t)
	if err != nil {
		return err
	}
	f, err := verify.ParseSample(text)
	var proven verify.SampleProven
	if err == nil {
		proven, err = f.Check(trust)
	}
	out := verifiedSample{Holds: err == nil, Number: f.Definition.Number}
	if err != nil {
		out.Wrong = err.Error()
	} else {
		out.Proven, out.Drawn = &proven, f.Drawn
	}
	if c.JSON {
		if err := t.json(out); err != nil {
			return err
		}
	} else if err != nil {
		t.print("This draw cannot be repeated: %s", strings.TrimPrefix(err.Error(), "sample: "))
		t.print("Do not rely on it. Get the file again from the office's page and compare; if it stays so, keep both files as evidence.")
	} else {
		saySample(t, f, proven)
	}
	if !out.Holds {
		return errFoundWrong
	}
	return nil
}

func (c *sampleVerifyCmd) read(t *terminal) ([]byte, error) {
	const most = 1 << 27
	in := t.in
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("read the file of the draw: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read the file of the draw: %w", err)
	}
	if len(text) > most {
		return nil, errors.New("the file is longer than any draw")
	}
	return text, nil
}

func saySample(t *terminal, f verify.Sample, p verify.SampleProven) {
	d := f.Definition
	t.print("Draw %d of the log %s.", d.Number, p.Origin)
	t.print("%s: %s closed matters, taken from the log at %s entries.", d.Filter.Words["en"], number(d.Count), number(int64(d.Log.Size)))
	t.print("The definition stands at position %d. The log was signed with it, and without any draw, at %s entries.", p.Defined, number(int64(p.Before.Size)))
	for _, w := range p.Witnesses {
		at := ""
		if !w.At.IsZero() {
			at = " on " + w.At.Format(time.RFC3339)
		}
		t.print("The witness %s saw that%s.", w.Name, at)
	}
	share, _ := strconv.ParseFloat(d.Share, 64) // Check has read it
	take := int64(0)
	for _, s := range d.Strata {
		take += s.Take
	}
	t.print("%s", strengthInWords(speaker(), d.Share, verify.Wrong(d.Count, share), d.Count, take, p.Strength))
	if f.Draw == nil {
		t.print("The draw has not been held: chance is to be asked by %s. %s", d.Seed.Kind, d.Seed.Plan)
		return
	}
	t.print("The draw was recorded at position %d, after that, with %s %q; seen by %s.", p.Recorded, f.Draw.Kind, f.Draw.Seed, strings.Join(f.Draw.Observers, ", "))
	t.print("Repeating the draw gives the same %s:", plural(int64(len(f.Drawn)), "position", "positions"))
	tab := newTable("Position", "Ticket", "From").alignRight(0)
	for _, x := range f.Drawn {
		tab.add(strconv.FormatUint(x.Position, 10), x.Ticket.Short(18), x.Stratum)
	}
	tab.write(t.out)
	t.print("Not proven: that the population is complete. Whoever holds a receipt of a closed matter can look for its position in the file.")
}
