package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/fault"
	"plumbline/verify"
)

type receiptCmd struct {
	Verify receiptVerifyCmd `cmd:"" help:"Check a receipt, offline, and say what it proves and what not."`
	Show   receiptShowCmd   `cmd:"" help:"Print what a receipt says, without checking it."`
}

func (receiptCmd) Help() string { return helpText("receipt") }

// receiptFile is a receipt as it was handed over: a file, standard input, or an address that carries it behind #.
type receiptFile struct {
	File string `arg:"" placeholder:"FILE" help:"The receipt: a file, - for standard input, or the address a QR code gave (…/verify#r1.…)."`
}

// read returns the receipt's text. A file larger than any receipt is not read to its end.
func (f receiptFile) read(t *terminal) ([]byte, error) {
	const most = 8 << 20
	if _, fragment, found := strings.Cut(f.File, "#"); found && strings.HasPrefix(fragment, "r1.") {
		return verify.ParseFragment(fragment)
	}
	in := t.in
	if f.File != "-" {
		file, err := os.Open(f.File)
		if err != nil {
			return nil, fmt.Errorf("read the receipt: %w", err)
		}
		defer file.Close()
		in = file
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, fmt.Errorf("read the receipt: %w", err)
	}
	return text, nil
}

type receiptVerifyCmd struct {
	receiptFile
	Key     []string `name:"key" required:"" sep:"none" placeholder:"KEY|@FILE" help:"The log's public key, from a source you trust, or a file of keys; may be given several times."`
	Witness []string `name:"witness" sep:"none" placeholder:"KEY|@FILE" help:"The public key of a witness, or a file of keys; may be given several times."`
	Against string   `name:"file" placeholder:"PATH" help:"A file to hold against the receipt of the entry that attached it. Needs --salt."`
	Salt    string   `name:"salt" placeholder:"HEX" help:"The salt that was shown with the file's hash."`
	JSON    bool     `name:"json" help:"Print JSON."`
}

func (receiptVerifyCmd) Help() string { return helpText("receipt-verify") }

// checked is the outcome for a machine.
type checked struct {
	Holds  bool           `json:"holds"`
	Proven *verify.Proven `json:"proven,omitempty"`
	Whole  *string        `json:"whole,omitempty"` // the exact entry the receipt is about, where it is opened
	Said   saidParts      `json:"said,omitempty"`  // what is sealed in it, by compartment, as far as it is opened
	File   *checkedFile   `json:"file,omitempty"`  // that was held against it
	Flaw   *saidFlaw      `json:"flaw,omitempty"`
}

// saidParts is what an entry seals, by compartment: the JSON itself, or a text where it is none that everybody reads alike.
type saidParts map[string]any

func saidOf(said map[string][]byte) saidParts {
	if len(said) == 0 {
		return nil
	}
	out := saidParts{}
	for compartment, content := range said {
		if _, err := verify.Fields(content); err == nil {
			out[compartment] = json.RawMessage(content)
		} else {
			out[compartment] = string(content)
		}
	}
	return out
}

// saySaid prints what an entry seals, field by field.
func saySaid(t *terminal, indent string, content []byte) {
	fields, err := verify.Fields(content)
	if err != nil {
		t.print("%s%s", indent, printableLines(string(content), indent))
		return
	}
	for _, f := range fields {
		value := string(f.Value)
		var text string
		if json.Unmarshal(f.Value, &text) == nil && value[0] == '"' {
			value = text
		}
		if strings.Contains(value, "\n") {
			t.print("%s%s:\n%s  %s", indent, printable(f.Name), indent, printableLines(value, indent+"  "))
		} else {
			t.print("%s%s: %s", indent, printable(f.Name), printable(value))
		}
	}
}

// printableLines is printable line by line, each under the one before.
func printableLines(s, indent string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n"+indent)
}

type saidFlaw struct {
	Code   string `json:"code"`
	Line   int    `json:"line,omitempty"`
	Entry  int    `json:"entry,omitempty"`
	Where  string `json:"where,omitempty"`
	Reason string `json:"reason"`
	Remedy string `json:"remedy"`
	Detail string `json:"detail,omitempty"`
}

func (c *receiptVerifyCmd) Run(t *terminal) error {
	var trust verify.Trust
	var err error
	if trust.Logs, _, err = keysOf("--key", c.Key); err != nil {
		return err
	}
	if trust.Witnesses, _, err = keysOf("--witness", c.Witness); err != nil {
		return err
	}
	proven, err := c.check(t, trust)
	var flaw *verify.Flaw
	if err != nil && !errors.As(err, &flaw) {
		return err
	}
	var file *checkedFile
	if c.Against != "" && flaw == nil {
		f, err := checkFile(proven.Entry.Whole, c.Against, c.Salt)
		if err != nil {
			return err
		}
		file = &f
	}
	switch {
	case c.JSON:
		out := outcome(proven, flaw)
		out.File = file
		if err := t.json(out); err != nil {
			return err
		}
	case flaw != nil:
		sayFlaw(t, flaw)
	default:
		sayProven(t, proven, trust.Witnesses)
		if file != nil {
			sayFile(t, c.Against, *file)
		}
	}
	if flaw != nil || file != nil && !file.Same {
		return errFoundWrong
	}
	return nil
}

func (c *receiptVerifyCmd) check(t *terminal, trust verify.Trust) (verify.Proven, error) {
	text, err := c.read(t)
	if err != nil {
		return verify.Proven{}, err
	}
	r, err := verify.ParseReceipt(text)
	if err != nil {
		return verify.Proven{}, err
	}
	return r.Check(trust)
}

func outcome(p verify.Proven, f *verify.Flaw) checked {
	if f != nil {
		return checked{Flaw: &saidFlaw{f.Code, f.Line, f.Entry, f.Where(), f.Reason(), f.Remedy(), f.Detail}}
	}
	out := checked{Holds: true, Proven: &p}
	if p.Entry.Whole != nil {
		whole := string(p.Entry.Whole)
		out.Whole = &whole
	}
	out.Said = saidOf(p.Entry.Said)
	return out
}

func sayFlaw(t *terminal, f *verify.Flaw) {
	t.print("The receipt does NOT hold. Nothing in it is proven.")
	t.print("")
	if where := f.Where(); where != "" {
		t.print("  Where:       %s", where)
	}
	reason := f.Reason()
	if f.Detail != "" {
		reason += " (" + printable(f.Detail) + ")"
	}
	t.print("  What:        %s", reason)
	t.print("  What to do:  %s", f.Remedy())
}

// sayProven says what a receipt proves, and what not.
func sayProven(t *terminal, p verify.Proven, witnesses []note.Verifier) {
	t.print("The receipt holds.")
	t.print("")
	t.print("What it proves")
	t.print("  - The log %s held %s, and signed that with its key %s.", p.Origin, plural(int64(p.Size), "entry", "entries"), keyIDs(p.SignedBy))
	t.print("  - The entry at position %d of it cannot be changed or taken out without this receipt showing it.", p.Entry.Position)
	t.print("  - That entry is %s.", stepWords(*p.Entry.Step))
	for _, compartment := range slices.Sorted(maps.Keys(p.Entry.Said)) {
		t.print("  - What was written, sealed in its part %q, is exactly:", compartment)
		saySaid(t, "      ", p.Entry.Said[compartment])
	}
	if p.Entry.Whole != nil {
		t.print("  - Its exact content is:")
		t.print("      %s", printable(string(p.Entry.Whole)))
	}
	for _, w := range p.Witnesses {
		t.print("  - The witness %s saw this state of the log, and dated it %s.", w.Name, moment(w.At))
	}
	sayFurther(t, p)
	t.print("")
	t.print("What it does not prove")
	if p.Entry.Whole == nil {
		t.print("  - What the entry says: this receipt does not open it.")
	}
	for _, compartment := range p.Entry.Closed {
		t.print("  - What the entry seals in its part %q: this receipt does not open it.", compartment)
	}
	for _, g := range p.Gaps {
		t.print("  - What %s of %s: this receipt does not open %s.", numbers(g), printable(p.Entry.Step.Stream), itThem(g))
	}
	t.print("  - That nothing happened later: get a newer receipt for that.")
	t.print("  - That what was recorded is true, or that the clock of the office was right.")
	if len(p.Witnesses) == 0 {
		t.print("  - That the office shows the same log to everybody: no witness whose key was given has signed.")
	} else {
		t.print("  - The exact time: a witness's date proves only that the entry was there by then.")
	}
	for _, w := range witnesses {
		if !signed(p.Witnesses, w) {
			t.print("  - Anything about the witness %s (key %08x): it has not signed this state of the log.", w.Name(), w.KeyHash())
		}
	}
}

func sayFurther(t *terminal, p verify.Proven) {
	if len(p.Further) > 0 {
		t.print("")
		t.print("Other entries, proven in the same way")
		tab := newTable("Position", "Entry", "Recorded", "Step").alignRight(0)
		for _, e := range p.Further {
			if e.Step == nil {
				tab.add(fmt.Sprint(e.Position), "", "", "(not opened)")
				continue
			}
			step := printable(e.Step.Action)
			if len(e.Step.Missed) > 0 {
				step += ": " + printable(strings.Join(e.Step.Missed, ", "))
			}
			if e.As == verify.AsLead {
				step += " (the first lead)"
			}
			tab.add(fmt.Sprint(e.Position), fmt.Sprintf("%s no. %d", printable(e.Step.Stream), e.Step.N), moment(e.Step.At), step)
		}
		tab.write(t.out)
	}
	if len(p.Missed) > 0 {
		t.print("")
		t.print("Time limits that ran out, as the office itself recorded")
		for _, m := range p.Missed {
			t.print("  - %s (entry no. %d, position %d)", printable(m.Clock), m.N, m.Position)
		}
	}
}

type receiptShowCmd struct {
	receiptFile
	JSON bool `name:"json" help:"Print JSON."`
}

func (receiptShowCmd) Help() string { return helpText("receipt-show") }

// shown is what a receipt says, unchecked.
type shown struct {
	Origin   string       `json:"origin"`
	Size     uint64       `json:"size"`
	Position uint64       `json:"position"`
	Step     *verify.Step `json:"step,omitempty"`
	Whole    *string      `json:"whole,omitempty"`
	Said     saidParts    `json:"said,omitempty"`
	Further  []shownStep  `json:"further"`
}

type shownStep struct {
	As       string       `json:"as"`
	Position uint64       `json:"position"`
	Step     *verify.Step `json:"step,omitempty"`
}

func (c *receiptShowCmd) Run(t *terminal) error {
	text, err := c.read(t)
	var r verify.Receipt
	if err == nil {
		r, err = verify.ParseReceipt(text)
	}
	var flaw *verify.Flaw
	if errors.As(err, &flaw) {
		return problemf(fault.Invalid, "this cannot be read as a receipt: %v", flaw)
	} else if err != nil {
		return err
	}
	s := show(r)
	if c.JSON {
		return t.json(s)
	}
	t.print("This is what the receipt says. It has NOT been checked: plumbline receipt verify does that.")
	t.print("")
	t.print("  Log:       %s, with %s", s.Origin, plural(int64(s.Size), "entry", "entries"))
	t.print("  Position:  %d", s.Position)
	if s.Step != nil {
		t.print("  Entry:     %s", stepWords(*s.Step))
	}
	if s.Whole != nil {
		t.print("  Content:   %s", printable(*s.Whole))
	}
	for _, compartment := range slices.Sorted(maps.Keys(r.Opening.Said)) {
		t.print("  Written, in the part %q:", compartment)
		saySaid(t, "    ", trimmed(r.Opening.Said[compartment]))
	}
	for _, f := range s.Further {
		what := "not opened"
		if f.Step != nil {
			what = stepWords(*f.Step)
		}
		t.print("  Position:  %d (%s)", f.Position, what)
	}
	return nil
}

func show(r verify.Receipt) shown {
	s := shown{Position: r.Proof.Index + 1, Further: []shownStep{}}
	if c, _, err := verify.ReadCheckpoint(r.Proof.Checkpoint); err == nil { // what is wrong with it is said by a check
		s.Origin, s.Size = c.Origin, c.Size
	}
	s.Step = stepIn(&r.Opening)
	if r.Opening.Whole.Hash == nil {
		whole := string(r.Opening.Whole.Content)
		s.Whole = &whole
	}
	said := map[string][]byte{}
	for compartment := range r.Opening.Said {
		said[compartment] = trimmed(r.Opening.Said[compartment])
	}
	s.Said = saidOf(said)
	for _, f := range r.Further {
		s.Further = append(s.Further, shownStep{As: f.As, Position: f.Index + 1, Step: stepIn(f.Opening)})
	}
	return s
}

// trimmed is what was sealed without the spaces that hide its size.
func trimmed(s verify.Said) []byte { return bytes.TrimRight(s.Content, " ") }

func stepIn(o *verify.Opening) *verify.Step {
	if o == nil {
		return nil
	}
	step, err := verify.ParseStep(string(o.Step.Content))
	if err != nil {
		return nil
	}
	return &step
}

func stepWords(s verify.Step) string {
	words := fmt.Sprintf("number %d of %s: %q, dated %s by the office", s.N, printable(s.Stream), s.Action, moment(s.At))
	if len(s.Missed) > 0 {
		words += "; the time limit " + printable(strings.Join(s.Missed, ", ")) + " had run out"
	}
	return words
}

// printable keeps what a stranger wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, s)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func keyIDs(sigs []verify.Signature) string {
	ids := make([]string, len(sigs))
	for i, s := range sigs {
		ids[i] = s.Key
	}
	return strings.Join(ids, " and ")
}

func signed(sigs []verify.Signature, key note.Verifier) bool {
	for _, s := range sigs {
		if s.Name == key.Name() && s.Key == fmt.Sprintf("%08x", key.KeyHash()) {
			return true
		}
	}
	return false
}

func numbers(g verify.Gap) string {
	if g.From == g.To {
		return fmt.Sprintf("is in entry %d", g.From)
	}
	return fmt.Sprintf("is in entries %d to %d", g.From, g.To)
}

func itThem(g verify.Gap) string {
	if g.From == g.To {
		return "it"
	}
	return "them"
}
