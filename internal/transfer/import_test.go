package transfer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/register"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

// The complete example of the reference page does what the page says it does.
func TestReferencePageExample(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		m, files := exampleFiles(t, dir)
		o := bundled(t, "generic")
		s := importing(t, db, o, m, Options{Rejects: filepath.Join(dir, "rivertown-rejects.csv")}, files...)
		if want := (Account{Read: 11, Opened: 9, Rejected: 2}); s.Rows != want {
			t.Errorf("rows: %+v, want %+v", s.Rows, want)
		}
		if want := (Account{Read: 4, Opened: 3, Rejected: 1}); s.Matters != want {
			t.Errorf("matters: %+v, want %+v", s.Matters, want)
		}
		if s.Officials.Opened != 2 || s.Allegations != 6 || s.Bodies.Opened != 4 {
			t.Errorf("officials %d, allegations %d, bodies %d; want 2, 6, 4", s.Officials.Opened, s.Allegations, s.Bodies.Opened)
		}
		want := map[string]int64{"closed-before-received": 1, "unknown-officer": 1, "duplicate-rows:officers": 1,
			"bad-value:allegations.conduct": 1, "bad-value:party.data.age": 1}
		if d := cmp.Diff(want, flags(s)); d != "" {
			t.Errorf("flags: %s", d)
		}
		rejects, err := os.ReadFile(filepath.Join(dir, "rivertown-rejects-officers.csv"))
		if err != nil {
			t.Fatal(err)
		}
		const wantRejects = `file,line,reason,complaint,badge,first,last,unit,what,finding
officers.csv,9,"allegations: finding: table findings has no value for ""not proven""",24-003,311,ADA,FINCH,Harbor,Search,not proven
officers.csv,8,"complaints has no row with the key ""24-009"" that could be taken",24-009,117,MARIA,O'NEIL,Traffic,Insult,Exonerated
`
		if d := cmp.Diff(wantRejects, string(rejects)); d != "" {
			t.Errorf("rejects: %s", d)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM official WHERE name = 'Maria O''Neil'`); n != 1 {
			t.Errorf("%d officials called Maria O'Neil, want 1", n)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM allegation WHERE official = 0`); n != 1 {
			t.Errorf("%d allegations against nobody who is identified, want 1", n)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM matter WHERE state = 'imported' AND final = 1 AND source = 'rivertown-ombudsman'`); n != 3 {
			t.Errorf("%d matters are marked as imported, want 3", n)
		}
		clean(t, db)

		entries := number(t, db, `SELECT COUNT(*) FROM entry`)
		again := importing(t, db, o, m, Options{}, files...)
		if want := (Account{Read: 11, Unchanged: 9, Rejected: 2}); again.Rows != want {
			t.Errorf("again: %+v, want %+v", again.Rows, want)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM entry`); n != entries {
			t.Errorf("importing the same again wrote %d entries", n-entries)
		}
	})
}

func TestCheckWritesNothing(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		m, files := exampleFiles(t, dir)
		o := bundled(t, "generic")
		foreseen := importing(t, db, o, m, Options{Check: true, First: 2}, files...)
		if n := number(t, db, `SELECT COUNT(*) FROM entry`) + number(t, db, `SELECT COUNT(*) FROM import_run`); n != 0 {
			t.Errorf("a check wrote %d rows", n)
		}
		if got := foreseen.Preview.Matters; len(got) != 2 || got[0].Key != "24-001" || len(got[0].Allegations) != 2 || got[0].Allegations[0].Finding != "sustained" {
			t.Errorf("preview: %+v", got)
		}
		if got := foreseen.Preview.Rejects; len(got) != 2 {
			t.Errorf("rejects in the preview: %+v", got)
		}
		done := importing(t, db, o, m, Options{}, files...)
		foreseen.Preview = nil
		if d := cmp.Diff(comparable(foreseen), comparable(done)); d != "" {
			t.Errorf("what was foreseen and what was done: %s", d)
		}
		if again := importing(t, db, o, m, Options{Check: true}, files...); again.Rows.Unchanged != 9 {
			t.Errorf("a check after the import foresees %+v", again.Rows)
		}
	})
}

// A later release of the same data becomes history: nothing is lost, doubled or overwritten.
func TestRerelease(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		m, files := exampleFiles(t, dir)
		o := bundled(t, "generic")
		importing(t, db, o, m, Options{}, files...)
		ex := example(t)
		complaints := strings.Replace(ex["complaints.csv"], "24-002,03/11/2024,,", "24-002,03/11/2024,09/01/2024,", 1)
		complaints = strings.Replace(complaints, "24-003,04/02/2024,03/30/2024,,\n", "24-010,08/01/2024,,North,20\n", 1)
		officers := strings.Replace(ex["officers.csv"], "Insult,Not Sustained", "Insult,Sustained", 1) // a finding changed
		officers = strings.Replace(officers, "24-002,,UNKNOWN,UNKNOWN,,Excessive force,\n", "", 1)     // a row vanished
		officers = strings.ReplaceAll(officers, "245,SAM,REED,Traffic", "245,SAMUEL,REED,Harbor")      // renamed and moved
		officers = strings.Replace(officers, "24-003,311", "24-010,311", 1)                            // still a bad finding
		files = []string{write(t, dir, "complaints.csv", complaints), write(t, dir, "officers.csv", officers)}
		s := importing(t, db, o, m, Options{Released: "2025-08"}, files...)

		if want := (Account{Read: 4, Opened: 1, Updated: 2, Rejected: 1}); s.Matters != want {
			t.Errorf("matters: %+v, want %+v", s.Matters, want)
		}
		if want := (Account{Read: 2, Updated: 1, Unchanged: 1}); s.Officials != want {
			t.Errorf("officials: %+v, want %+v", s.Officials, want)
		}
		if s.Gone.Matters != 1 || s.Gone.Allegations != 1 || !slices.Contains(s.Gone.Examples, "24-003") {
			t.Errorf("gone: %+v", s.Gone)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM matter`); n != 4 {
			t.Errorf("%d matters, want 4: what vanished stays", n)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM allegation`); n != 6 {
			t.Errorf("%d allegations, want 6: the one that vanished stays, none is doubled", n)
		}
		got := grouped(t, db, `SELECT finding, COUNT(*) FROM allegation GROUP BY finding`)
		if d := cmp.Diff(map[string]int64{"sustained": 2, "unfounded": 3, "": 1}, got); d != "" {
			t.Errorf("findings: %s", d)
		}
		err := db.Read(t.Context(), func(tx *store.Tx) error {
			reed, err := register.OfficialBySource(t.Context(), tx, "rivertown-ombudsman", "245")
			if err != nil {
				return err
			}
			if reed.Name != "Samuel Reed" || len(reed.Names) != 2 || len(reed.Posts) != 2 || reed.Posts[0].To != "2025-08" || reed.Posts[1].From != "2025-08" {
				t.Errorf("the officer who moved: %+v", reed)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		clean(t, db)
		again := importing(t, db, o, m, Options{Released: "2025-08"}, files...)
		if again.Rows.Opened+again.Rows.Updated != 0 || again.Gone.Matters != 1 || again.Gone.Allegations != 1 {
			t.Errorf("the same release again: %+v, gone %+v", again.Rows, again.Gone)
		}
		// The reverse release: what vanished comes back as the same allegation.
		m, first := exampleFiles(t, t.TempDir())
		back := importing(t, db, o, m, Options{}, first...)
		if n := number(t, db, `SELECT COUNT(*) FROM allegation`); n != 6 || back.Gone.Allegations != 0 {
			t.Errorf("after the first release came again: %d allegations, gone %+v", n, back.Gone)
		}
		clean(t, db)
	})
}

// An import that fails at any write, with or without taking effect, ends with the same record when it is run again.
func TestEveryWriteMayFail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m, files := exampleFiles(t, dir)
	o := bundled(t, "generic")
	whole := comparable(importing(t, world.SQLite(t), o, m, Options{Batch: 1}, files...))
	for fail := 0; ; fail++ {
		broken := errors.New("broken on purpose")
		steps, failed := 0, false
		db := world.SQLite(t, store.WithHook(func(p store.Point) error {
			if p.Step != store.StepCommit && !strings.Contains(p.SQL, "(many rows)") && !strings.Contains(p.SQL, "import_run") {
				return nil
			}
			if strings.Contains(p.SQL, "store_") || failed || steps < 0 {
				return nil
			}
			if steps++; steps > 40+fail { // past the migrations and the lease
				failed = true
				return broken
			}
			return nil
		}))
		_, err := Run(t.Context(), db, o.p, m, files, Options{Batch: 1, Rejects: filepath.Join(dir, "r.csv")})
		if err == nil {
			if fail == 0 {
				t.Fatal("no write failed: the test tests nothing")
			}
			break
		}
		steps = -1
		ended := number(t, db, `SELECT COUNT(*) FROM import_run WHERE phase = 'done'`) == 1 // only the last answer was lost
		s := comparable(importing(t, db, o, m, Options{Batch: 1}, files...))
		if ended {
			if s.Rows.Unchanged != whole.Rows.Opened {
				t.Fatalf("after failure %d: %+v", fail, s.Rows)
			}
		} else if d := cmp.Diff(whole, s); d != "" {
			t.Fatalf("after failure %d: %s", fail, d)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM matter`); n != 3 {
			t.Fatalf("after failure %d: %d matters", fail, n)
		}
	}
}

// TestKilled kills a real process in the middle of its import, without a chance to clean up, and carries on.
func TestKilled(t *testing.T) {
	if os.Getenv("PLUMBLINE_IMPORT_DIES") != "" {
		importAndDie(t)
		return
	}
	t.Parallel()
	world.EachURL(t, func(t *testing.T, url string) {
		t.Parallel()
		dir := t.TempDir()
		_, files := exampleFiles(t, dir)
		db := world.Open(t, url)
		m := parse(t, example(t)["rivertown.yaml"])
		killed := 0
		for _, phase := range []string{phaseOfficials, phaseMatters} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
			cmd.Env = append(os.Environ(), "PLUMBLINE_IMPORT_DIES="+phase, "PLUMBLINE_IMPORT_URL="+url, "PLUMBLINE_IMPORT_FILES="+strings.Join(files, ","))
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the import was not killed: %v\n%s", err, out.String())
			}
			killed++
		}
		s := importing(t, db, bundled(t, "generic"), m, Options{Batch: 1}, files...)
		if !s.Resumed {
			t.Error("the import began anew instead of carrying on")
		}
		whole := importing(t, world.SQLite(t), bundled(t, "generic"), m, Options{}, files...)
		if d := cmp.Diff(comparable(whole), comparable(s)); d != "" {
			t.Errorf("killed %d times: %s", killed, d)
		}
		if n := number(t, db, `SELECT COUNT(*) FROM import_run`); n != 1 {
			t.Errorf("%d runs, want 1", n)
		}
		clean(t, db)
	})
}

// importAndDie is the child of TestKilled: it kills itself right after a transaction of the phase it is told.
func importAndDie(t *testing.T) {
	leaseTime = time.Second
	db, err := store.Open(t.Context(), os.Getenv("PLUMBLINE_IMPORT_URL"))
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, example(t)["rivertown.yaml"])
	_, err = Run(t.Context(), db, bundled(t, "generic").p, m, strings.Split(os.Getenv("PLUMBLINE_IMPORT_FILES"), ","), Options{
		Batch: 1, Rejects: filepath.Join(t.TempDir(), "r.csv"),
		stepped: func(phase string) {
			if phase == os.Getenv("PLUMBLINE_IMPORT_DIES") {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}})
	t.Fatalf("still alive: %v", err)
}

// Another release given while an import is unfinished ends that import; what it wrote is found unchanged.
func TestUnfinishedImportOfOtherFilesIsOver(t *testing.T) {
	t.Parallel()
	world.Each(t, func(t *testing.T, db *store.DB) {
		dir := t.TempDir()
		m, files := exampleFiles(t, dir)
		o := bundled(t, "generic")
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Run(ctx, db, o.p, m, files, Options{Batch: 1, Rejects: filepath.Join(dir, "r.csv"), stepped: func(phase string) {
			if phase == phaseMatters && number(t, db, `SELECT COUNT(*) FROM matter`) > 0 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
		write(t, dir, "complaints.csv", example(t)["complaints.csv"]+"24-020,05/01/2024,,North,44\n")
		s := importing(t, db, o, m, Options{}, files...)
		if s.Resumed || s.Matters.Opened+s.Matters.Unchanged != 4 || s.Matters.Unchanged == 0 {
			t.Errorf("resumed %v, %+v", s.Resumed, s.Matters)
		}
		clean(t, db)
	})
}

func TestRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	ex := example(t)
	csv := ex["complaints.csv"]
	for _, tt := range []struct {
		name, complaints, want string
	}{
		{"empty file", "", "is empty"},
		{"a spreadsheet", "PK\x03\x04\x14\x00", "save the sheet as CSV"},
		{"UTF-16", "\xff\xfeC\x00o\x00", "iconv -f UTF-16"},
		{"gzip cut off", gzipped(strings.Repeat(csv, 50))[:90], "cut off"},
		{"quotation mark never closed", csv + "\"24-008,03/05/2024\n1,2,3,4\n", "complaints.csv:5: a quotation mark is opened and never closed"},
		{"a column is missing", strings.Replace(csv, "Received", "Recieved", 1), `the file has no column "Received"; did you mean Recieved?`},
		{"two columns of one name", strings.ReplaceAll(strings.Replace(csv, "age\n", "age,Note,Note\n", 1), "34\n", "34,,\n"), `columns 6 and 7 are both called "Note"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := world.SQLite(t)
			dir := t.TempDir()
			m, files := exampleFiles(t, dir)
			write(t, dir, "complaints.csv", tt.complaints)
			_, err := Run(t.Context(), db, bundled(t, "generic").p, m, files, Options{Rejects: filepath.Join(dir, "r.csv")})
			var refused *Refused
			if !errors.As(err, &refused) {
				t.Fatalf("err = %v, want a refusal", err)
			}
			contains(t, err.Error(), tt.want)
			if n := number(t, db, `SELECT COUNT(*) FROM entry`) + number(t, db, `SELECT COUNT(*) FROM import_run`); n != 0 {
				t.Errorf("%d rows were written", n)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "r*")); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestFilesFindTheirSource(t *testing.T) {
	dir := t.TempDir()
	m, files := exampleFiles(t, dir)
	other := write(t, dir, "x.csv", example(t)["officers.csv"])
	for _, tt := range []struct {
		name  string
		files []string
		want  string
	}{
		{"by pattern", files, ""},
		{"by name", []string{files[0], "officers=" + other}, ""},
		{"one is missing", files[:1], "no file is given for the source officers: add a file named like officers*.csv*"},
		{"a name that fits nothing", []string{files[0], other}, "say which, as in complaints="},
		{"not there", []string{files[0], "officers=" + other + "x"}, "no such file"},
		{"a folder", []string{files[0], "officers=" + dir}, "is a folder"},
		{"twice", []string{files[0], files[1], files[1]}, "is given twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.assign(tt.files)
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want != "" && err == nil:
				t.Error("accepted")
			case tt.want != "":
				contains(t, err.Error(), tt.want)
			}
		})
	}
}

// Whoever imports stands in every entry, and every entry says that it came with an import.
func TestEntriesSayWhoAndHow(t *testing.T) {
	t.Parallel()
	db := world.SQLite(t)
	m, files := exampleFiles(t, t.TempDir())
	importing(t, db, bundled(t, "generic"), m, Options{Actor: journal.Actor{Account: 7, Duty: "admin"}}, files...)
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		var id int64
		if err := tx.QueryRow(t.Context(), `SELECT id FROM matter WHERE source_key = '24-001'`).Scan(&id); err != nil {
			return err
		}
		stream := "matter/" + strconv.FormatInt(id, 10)
		entries, err := journal.Stream(t.Context(), tx, stream)
		if err != nil {
			return err
		}
		if len(entries) != 1 || entries[0].Action != matter.ActionImport || entries[0].Via != journal.ViaImport || entries[0].By.Account != 7 {
			t.Errorf("entries of an imported matter: %+v", entries)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
