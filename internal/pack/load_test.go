package pack

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"plumbline/internal/calendar"
)

func TestBundledPacksLoadAndAreFair(t *testing.T) {
	if len(BundledNames()) == 0 {
		t.Fatal("no pack is bundled")
	}
	for _, name := range BundledNames() {
		t.Run(name, func(t *testing.T) {
			r, err := Report(name)
			if err != nil {
				t.Fatal(err)
			}
			if !r.OK() {
				t.Fatal(r.Text())
			}
			if r.Pack.Name != name {
				t.Errorf("the pack in packs/%s calls itself %s", name, r.Pack.Name)
			}
		})
	}
}

func TestAFolderOverridesABundledPack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "generic")
	if err := os.CopyFS(dir, os.DirFS("testdata/fair")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	r, err := Report("generic")
	if err != nil {
		t.Fatal(err)
	}
	if r.Pack == nil || r.Pack.ID() != "fair@1.0.0" {
		t.Errorf("got %v, want the pack of the folder", r.Text())
	}
}

func TestUnknownPacksAreNamed(t *testing.T) {
	for _, name := range []string{"nowhere", "../generic", "", "generic/kinds"} {
		if _, err := Bundled(name); !errors.Is(err, ErrNoPack) {
			t.Errorf("Bundled(%q) gives %v, want ErrNoPack", name, err)
		}
	}
}

// What a careless hand writes is reported with its place and what was probably meant, and everything at once.
func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		want           []string
	}{
		{"a misspelt key", "reports: true", "report: true", []string{`pack.yaml:70:5: a kind has no key "report"; did you mean "reports"?`}},
		{"a key twice", "start: received", "start: received\n    start: received", []string{`pack.yaml:72:5: a kind: "start" stands here twice`}},
		{"no list", "languages: [en]", "languages: en", []string{"pack.yaml:4:12: languages: write a list, even of one: [ … ]"}},
		{"two mistakes", "within: 7d, tells: superior, label: {en: Acknowledge}", "within: 7days, tells: above, label: {en: Acknowledge}",
			[]string{`pack.yaml:87:79: within: "7days" is not a period: write a number and a unit, such as 7d, 5wd, 3mo or 2y`}},
		{"not YAML", "title: {en: Office}", "title: {en: Office", []string{"pack.yaml:6:1: this is not YAML: ',"}},
		{"an anchor", "title: {en: Office}", "title: &t {en: Office}", []string{"pack.yaml:5:8: title: anchors, aliases and tags are not allowed in a pack; write the value out"}},
		{"an unknown effect", "effects: [return]", "effects: [retrun]", []string{`an effect: there is no effect "retrun"; did you mean "return"?`}},
		{"an effect without its period", "{open-response: 10d}", "open-response", []string{"an effect: say how long: {open-response: 14d}"}},
		{"a period where there is none", "effects: [review, feedback]", "effects: [{review: 10wd}, feedback]", []string{"an effect: review stands alone; only open-response and open-appeal take a period"}},
		{"a state that does not exist", "to: verifying\n        effects: [acknowledge]", "to: verifing\n        effects: [acknowledge]", []string{`F19 kind report: action screen: there is no state "verifing"; did you mean "verifying"?`}},
		{"a day off that is none", "week: [mon, tue, wed, thu, fri]", "week: [mon]\n  holidays: [{on: 02-30}]", []string{`calendar: holidays[0]: "02-30" is not a day off`}},
		{"a zone that does not exist", "zone: UTC", "zone: Mars/Olympus", []string{`calendar: zone: "Mars/Olympus" is not a known time zone`}},
		{"two problems of names", "start: opened", "start: opend", []string{`F19 kind proceeding: start: there is no state "opend"; did you mean "opened"?`}},
		{"a condition of the wrong type", `when: "!allegations.exists(a, a.proven)"`, `when: size(allegations)`, []string{"F19 kind case: action close: when: this gives a int; it must give a bool"}},
		{"a condition over nothing", `when: "!allegations.exists(a, a.proven)"`, `when: "!allegation.proven"`, []string{`there is nothing called "allegation" in this condition; did you mean "allegations"?`}},
		{"a waiver of what cannot be waived", "letters:\n", "waive: [{rule: F9, because: {en: No.}}]\nletters:\n", []string{"F9 waive: F9 (who finds does not decide, who concludes does not review, who decides does not hear the appeal) cannot be switched off by any law"}},
		{"a letter that says what it cannot know", "", "", []string{"can't use field ReporterName"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := fairFiles(t)
			src := string(files[MainFile])
			if !strings.Contains(src, tt.old) {
				t.Fatalf("the fair pack has no %q", tt.old)
			}
			files[MainFile] = []byte(strings.Replace(src, tt.old, tt.new, 1))
			if tt.old == "" {
				files["letters/answer.en.md"] = []byte("Dear {{.ReporterName}}")
			}
			r := CheckFiles("x", files)
			if r.OK() || r.Pack != nil {
				t.Fatalf("it was loaded:\n%s", r.Text())
			}
			for _, want := range tt.want {
				if !strings.Contains(r.Text(), want) {
					t.Errorf("got:\n%swant a line with:\n%s", r.Text(), want)
				}
			}
		})
	}
}

func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	files := fairFiles(t)
	src := string(files[MainFile])
	for _, x := range [][2]string{{"staff: 2", "staf: 2"}, {"inspected: [final]", "inspectd: [final]"}, {"prefix: C", "prefx: C"}} {
		src = strings.Replace(src, x[0], x[1], 1)
	}
	files[MainFile] = []byte(src)
	if n := len(CheckFiles("x", files).Problems); n != 3 {
		t.Errorf("got %d problems, want 3", n)
	}
}

func TestAPackInSeveralFiles(t *testing.T) {
	files := fairFiles(t)
	src := string(files[MainFile])
	cut := strings.Index(src, "  - id: case\n")
	files["kinds/case.yaml"] = []byte("kinds:\n" + src[cut:])
	files[MainFile] = []byte(src[:cut])
	r := CheckFiles("x", files)
	if !r.OK() || len(r.Pack.Kinds) != 3 {
		t.Fatal(r.Text())
	}
	if at := r.Pack.Kind("case").Action("find").At; at.File != "kinds/case.yaml" || at.Line < 5 {
		t.Errorf("the action find stands at %v", at.Place)
	}
	files["more.yaml"] = []byte("version: 2.0.0\n")
	if r := CheckFiles("x", files); r.OK() || !strings.Contains(r.Text(), `more.yaml:1:1: "version" was said already in pack.yaml:3:1`) {
		t.Errorf("got %s", r.Text())
	}
}

func TestTheDigestCoversEveryFile(t *testing.T) {
	files := fairFiles(t)
	before := Digest(files)
	if before != Digest(fairFiles(t)) || !strings.HasPrefix(before, "sha256:") {
		t.Fatalf("the digest %s is not of the bytes alone", before)
	}
	files["scenarios/walk.txtar"] = []byte("x")
	if Digest(files) == before {
		t.Error("a further file does not change the digest")
	}
	same := Digest(map[string][]byte{"a": []byte("x"), "b": nil})
	if same == Digest(map[string][]byte{"a": nil, "b": []byte("x")}) {
		t.Error("two packs have one digest")
	}
}

func TestLoadReadsNoLinksAndNoHiddenFiles(t *testing.T) {
	fsys := fstest.MapFS{}
	for name, b := range fairFiles(t) {
		fsys[name] = &fstest.MapFile{Data: b}
	}
	fsys[".git/config"] = &fstest.MapFile{Data: []byte("x")}
	fsys["pack.yaml~"] = &fstest.MapFile{Data: []byte("x")}
	p, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Files) != len(fairFiles(t)) {
		t.Errorf("files: %d", len(p.Files))
	}
	fsys["secret.yaml"] = &fstest.MapFile{Data: []byte("/etc/passwd"), Mode: os.ModeSymlink}
	if _, err := Load(fsys); err == nil {
		t.Error("a link out of the folder was read")
	}
}

func TestConductIsInForceOnlyWithinItsDates(t *testing.T) {
	c := loaded(t, "fair").ConductEntry("force") // 2001-01-01 to 2010-12-31
	for date, want := range map[string]bool{
		"2000-12-31": false, "2001-01-01": true, "2010-12-31": true, "2011-01-01": false,
		"2000": false, "2001": true, "2010": true, "2010-12": true, "2011": false, "2011-01": false, "": true,
	} {
		var d calendar.Date
		if err := d.UnmarshalText([]byte(date)); err != nil {
			t.Fatal(err)
		}
		if got := c.InForce(d); got != want {
			t.Errorf("in force on %q: %v, want %v", date, got, want)
		}
	}
}

func TestConditions(t *testing.T) {
	p := loaded(t, "generic")
	report, kase := p.Kind("report"), p.Kind("case")
	confirm, openCase := report.Action("confirm").When, report.Action("open-case").When
	today, _ := calendar.ParseDate("2026-03-01")
	for _, tt := range []struct {
		name string
		kind *Kind
		expr Expr
		env  Env
		want bool
	}{
		{"nothing entered yet", report, confirm, Env{}, true},
		{"grounds", report, confirm, Env{F: map[string]any{"conclusion": "grounds"}}, false},
		{"grounds open a case", report, openCase, Env{F: map[string]any{"conclusion": "grounds"}}, true},
		{"acknowledged already", report, report.Action("acknowledge").When, Env{Matter: EnvMatter{Facts: []string{"acknowledge"}}}, false},
		{"nothing proven", kase, kase.Action("confirm").When, Env{Allegations: []EnvAllegation{{Identified: true, Finding: "unfounded"}}}, false},
		{"proven, official unknown", kase, kase.Action("confirm").When, Env{Allegations: []EnvAllegation{{Finding: "sustained"}}}, false},
		{"proven", kase, kase.Action("confirm").When, Env{Allegations: []EnvAllegation{{}, {Identified: true, Finding: "sustained"}}}, true},
		{"a proceeding is open", kase, kase.Action("close").When, Env{Links: []EnvLink{{Relation: "opens", Final: true}, {Relation: "opens"}}}, false},
		{"all are closed", kase, kase.Action("close").When, Env{Links: []EnvLink{{Relation: "opens", Final: true}, {Relation: "opened-by"}}}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.env.Today = today
			got, err := p.Holds(tt.kind, tt.expr, &tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("%s is %v, want %v", tt.expr, got, tt.want)
			}
		})
	}
	if _, err := p.Holds(report, "true", &Env{}); !errors.Is(err, ErrCondition) {
		t.Errorf("a condition that is not part of the pack gives %v", err)
	}
}

// Nobody is judged by their own body or chain of command.
func TestRoutesOfTheGenericPack(t *testing.T) {
	p := loaded(t, "generic")
	for _, tt := range []struct{ rank, level, sector, wantLevel, wantSector string }{
		{"", "", "", "local", "oversight"},
		{"staff", "local", "police", "local", "oversight"},
		{"local-head", "local", "court", "regional", "oversight"},
		{"staff", "national", "prison", "national", "oversight"},
		{"staff", "local", "oversight", "regional", "oversight"},
		{"staff", "regional", "oversight", "national", "oversight"},
		{"national-head", "national", "oversight", "national", "council"},
	} {
		r, err := p.Route(p.Kind("report"), &Env{Subject: EnvSubject{Rank: tt.rank, Level: tt.level, Sector: tt.sector}})
		if err != nil || r == nil {
			t.Fatalf("%+v: %v %v", tt, r, err)
		}
		if r.Level != tt.wantLevel || r.Sector != tt.wantSector {
			t.Errorf("%+v goes to %s %s", tt, r.Level, r.Sector)
		}
	}
}

func TestMeasuresAndDimensions(t *testing.T) {
	p := loaded(t, "generic")
	env := Env{Matter: EnvMatter{Kind: "proceeding", State: "done", Final: true, Imported: true},
		Allegation: &EnvAllegation{Conduct: "bribery", Finding: "sustained", Outcome: "dismissal"}}
	m := p.Measure("outcomes")
	if ok, err := p.Counts(m, &env); err != nil || !ok {
		t.Fatalf("not counted: %v", err)
	}
	for i, want := range []string{"third", "dismissal", "corruption"} {
		if got, err := p.DimValue(m, &m.By[i], &env); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", m.By[i].ID, got, err, want)
		}
	}
	env.Matter.State = "cleared"
	if ok, _ := p.Counts(m, &env); ok {
		t.Error("a proceeding that ended without outcome is counted")
	}
	env.Matter.Kind = "case"
	if ok, _ := p.Counts(m, &env); ok {
		t.Error("a kind that the measure does not name is counted")
	}
	reports := p.Measure("reports")
	env = Env{Matter: EnvMatter{Kind: "report", State: "received"}, F: map[string]any{"conduct": "delay"}}
	for i, want := range []string{"delay", "", "", "", "received"} {
		if got, err := p.DimValue(reports, &reports.By[i], &env); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", reports.By[i].ID, got, err, want)
		}
	}
}

func TestLettersAreComplete(t *testing.T) {
	p := loaded(t, "generic")
	for _, l := range p.Letters {
		for _, lang := range p.Languages {
			var b bytes.Buffer
			if err := p.WriteLetter(&b, l.ID, lang, LetterData{Office: "OFFICE", Reference: "R-1", Body: "BODY"}); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"OFFICE", "R-1"} {
				if !strings.Contains(b.String(), want) {
					t.Errorf("letter %s in %s does not say %s", l.ID, lang, want)
				}
			}
		}
	}
	if err := p.WriteLetter(&bytes.Buffer{}, "closing", "fr", LetterData{}); !errors.Is(err, ErrNoLetter) {
		t.Errorf("a language the pack does not have gives %v", err)
	}
}

func TestSmallestStaff(t *testing.T) {
	p := loaded(t, "fair")
	for kind, want := range map[string]int{"report": 2, "case": 2, "proceeding": 2} {
		if got := p.SmallestStaff(p.Kind(kind)); got != want {
			t.Errorf("%s needs %d people, want %d", kind, got, want)
		}
	}
	q := copyOf(p) // the decider may neither have screened nor reviewed: intake and reviewer are two already
	d := q.Kind("proceeding").Action("decide")
	d.NotBy = []string{"report.screen", "case.proceed"}
	if got := q.SmallestStaff(q.Kind("proceeding")); got != 3 {
		t.Errorf("with a third pair of eyes it needs %d people, want 3", got)
	}
}

func FuzzLoad(f *testing.F) {
	fair := fairFiles(f)
	f.Add(fair[MainFile])
	generic := loaded(f, "generic").Files
	f.Add(generic[MainFile])
	f.Add(generic["kinds/report.yaml"])
	for _, s := range []string{"", "a", "[]", "pack: x", "pack: &a [*a]", "kinds: [{id: x, states: [{}], actions: [{from: [open]}]}]", "conduct:\n  - - - -", "\xff\xfe", "a: {b: {c: {d: [", "? a\n: b", "--- a\n--- b", "<<: {pack: x}", "!!binary x: y"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		files := map[string][]byte{MainFile: src, "letters/answer.en.md": fair["letters/answer.en.md"]}
		r := CheckFiles("x", files)
		if (r.Pack == nil) == (len(r.Problems) == 0) {
			t.Fatal("neither a pack nor a reason why not")
		}
		_ = r.Text()
		if _, err := r.JSON(); err != nil {
			t.Fatal(err)
		}
		if r.Pack != nil {
			_ = r.Pack.Show("en")
		}
	})
}

// docs/reference/pack.md tells how to compute the digest with the tools of any Unix; this is what they give.
func TestTheDigestIsWhatSha256sumSays(t *testing.T) {
	got := Digest(map[string][]byte{"b.txt": []byte("b\n"), "a/x.md": []byte("x\n")})
	const want = "sha256:fd256ff563f7c657562ccf3bb4a4375466ff422df9fff8ede200d5b2148dd5d0"
	if got != want {
		t.Errorf("the digest is %s, want %s", got, want)
	}
}

// A stranger's file is refused with its place, quickly, and without taking the program down.
func TestWhatIsNoTextOrNestedWithoutEndIsRefused(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"not UTF-8", "lists:\n  - {id: caf\xe9}\n", "more.yaml:2: this is not text in UTF-8"},
		{"UTF-16", "\xff\xfel\x00i\x00", "more.yaml:1: this is not text in UTF-8"},
		{"a control character", "lists:\n  - {id: \"a\x00\"}\n", "more.yaml:2: the control character U+0000"},
		{"a control character in disguise", `letters: [{id: a, label: {en: "a\x01b"}}]`, "the control character U+0001"},
		{"lists in lists", "lists: " + strings.Repeat("[", 100_000), "more.yaml:1: this is nested too deeply"},
		{"keys in keys", "lists: " + strings.Repeat("{a: ", 100_000), "more.yaml:1: this is nested too deeply"},
		{"items in items", "lists: " + strings.Repeat("- ", 100_000), "more.yaml:1: this is nested too deeply"},
		{"a tab", "lists:\n\t- {id: a}\n", "more.yaml:2:1: this is not YAML: a tab stands here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fairFiles(t)
			files["more.yaml"] = []byte(c.text)
			if got := CheckFiles("fair", files).Text(); !strings.Contains(got, c.want) {
				t.Errorf("got %s\nwant %s", got, c.want)
			}
		})
	}
	t.Run("fine, a mark at the beginning and brackets in texts", func(t *testing.T) {
		files := fairFiles(t)
		files["more.yaml"] = []byte("\ufefflists:\r\n  - {id: odd, values: [{id: a, label: {en: '[[[ - - - {{'}}]}\r\n# " + strings.Repeat("-", 500) + " \r\n")
		if r := CheckFiles("fair", files); !r.OK() {
			t.Error(r.Text())
		}
	})
}

// What the expression language says is said in the words of the reference.
func TestWrongConditionsAreExplained(t *testing.T) {
	for when, want := range map[string]string{
		"subject.rank == 'chief'": "== cannot stand between a number and a text; a rank or level is compared with rank('…')",
		"subject.known && (":      "this cannot be read as a condition",
	} {
		files := fairFiles(t)
		main := strings.Replace(string(files[MainFile]), `"!allegations.exists(a, a.proven)"`, fmt.Sprintf("%q", when), 1)
		files[MainFile] = []byte(main)
		if got := CheckFiles("fair", files).Text(); !strings.Contains(got, want) || strings.Contains(got, "overload") || strings.Contains(got, "expecting") {
			t.Errorf("%s: got %s\nwant %s", when, got, want)
		}
	}
}
