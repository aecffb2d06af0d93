package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// A crime is an office as its operator, or whoever can write to its database, leaves it behind.
type crime struct {
	t   *testing.T
	db  *store.DB // of the office, open and without any guard
	url string
	key string // the office's own key, and beside it the note of what was signed last

	backup  string           // URL of a backup from the middle of its life; it is not to be written to
	receipt string           // file of a receipt that a reporter was given at the end of it
	places  map[string]int64 // what the report has to name
}

// old puts the backup in the place of the office.
func (c *crime) old() { c.url = storetest.Copy(c.t, c.backup) }

func (c *crime) exec(query string, args ...any) {
	c.t.Helper()
	err := c.db.Tx(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Exec(context.Background(), query, args...)
		return err
	})
	if err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
}

func (c *crime) number(query string, args ...any) (n int64) {
	c.t.Helper()
	if err := c.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), query, args...).Scan(&n)
	}); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	return n
}

func (c *crime) blob(query string, args ...any) (b []byte) {
	c.t.Helper()
	if err := c.db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), query, args...).Scan(&b)
	}); err != nil {
		c.t.Fatalf("%s: %v", query, err)
	}
	return b
}

// report is the place of the how manieth report that was filed, from 1.
func (c *crime) report(n int) int64 {
	c.t.Helper()
	return c.number(`SELECT idx FROM entry WHERE action = 'open' AND stream LIKE 'matter/%' ORDER BY idx LIMIT 1 OFFSET $1`, n-1)
}

// cut removes everything after a place, the tree and the notes of followers included, as somebody who knows the tables would.
func (c *crime) cut(last int64) {
	c.t.Helper()
	c.exec(`DELETE FROM entry WHERE idx > $1`, last)
	c.exec(`DELETE FROM leaf WHERE idx > $1`, last)
	c.exec(`UPDATE tile SET hashes = $1 WHERE level = 0 AND n = 0`, c.blob(`SELECT hashes FROM tile WHERE level = 0 AND n = 0`)[:32*last])
	c.exec(`UPDATE journal_head SET idx = $1`, last)
	c.exec(`UPDATE follower SET idx = $1`, last)
}

// attacks is the list of what nobody may do unseen. Each is really done, by SQL or by copying files, and each must be
// found and named by plumbline verify.
var attacks = []struct {
	name  string
	crime func(c *crime) (verify []string) // what verify is told besides
	found string                           // what the report must say, %d standing for the places that the crime notes
}{
	{"entry bytes changed", func(c *crime) []string {
		idx := c.report(3)
		c.places["at"] = idx
		was := c.blob(`SELECT bytes FROM entry WHERE idx = $1`, idx)
		now := bytes.Replace(was, []byte(`"box":"A`), []byte(`"box":"B`), 1) // one letter of what was sealed
		if bytes.Equal(was, now) {
			c.t.Fatalf("nothing to change in %s", was)
		}
		c.exec(`UPDATE entry SET bytes = $1 WHERE idx = $2`, now, idx)
		return nil
	}, `entry position=%d stream=matter/\d+ n=1: bytes was changed after it was logged`},

	{"entry bytes changed, and what the log committed to with them", func(c *crime) []string {
		idx := c.report(3)
		c.places["at"] = idx
		was := c.blob(`SELECT bytes FROM entry WHERE idx = $1`, idx)
		now := bytes.Replace(was, []byte(`"box":"A`), []byte(`"box":"B`), 1) // one letter of what was sealed
		secret := c.blob(`SELECT secret FROM leaf WHERE idx = $1`, idx)
		c.exec(`UPDATE entry SET bytes = $1 WHERE idx = $2`, now, idx)
		c.exec(`UPDATE leaf SET commitment = $1 WHERE idx = $2`, ledger.CommitmentOf(secret, now), idx)
		return nil
	}, `entry position=%d: with its leaf was changed after it was logged`},

	{"a matter's public key replaced, to read what is sealed to it", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MIN(matter) FROM vault_compartment WHERE compartment = 'reporter'`)
		c.exec(`UPDATE vault_compartment SET recipient = (SELECT recipient FROM vault_compartment WHERE matter = $1 AND compartment = 'file') WHERE matter = $1 AND compartment = 'reporter'`, c.places["at"])
		return nil
	}, `vault_compartment matter=%d compartment=reporter: recipient`},

	{"a desk's public key replaced, to read what comes", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MIN(id) FROM vault_desk`)
		c.exec(`UPDATE vault_desk SET recipient = (SELECT MIN(recipient) FROM vault_compartment) WHERE id = $1`, c.places["at"])
		return nil
	}, `vault_desk .*id=%d.*: recipient`},

	{"entry deleted", func(c *crime) []string {
		idx := c.report(4)
		c.places["at"] = idx
		c.exec(`DELETE FROM entry WHERE idx = $1`, idx)
		return nil
	}, `entry position=%d: it was logged and is not there any more`},

	{"tail cut off", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MAX(idx) FROM leaf`)
		c.cut(c.report(6))
		return nil
	}, `checkpoint size=%d: %[1]d entries were signed, and there are `},

	{"tail cut off, and the checkpoints with it", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MAX(idx) FROM leaf`)
		last := c.report(6)
		c.cut(last)
		c.exec(`DELETE FROM checkpoint WHERE size > $1`, last)
		return nil
	}, `file .*\.head: %d entries were signed, and there are `},

	{"two entries swapped", func(c *crime) []string {
		a, b := c.report(2), c.report(5)
		c.places["at"], c.places["other"] = a, b
		c.exec(`UPDATE entry SET idx = -1 WHERE idx = $1`, a)
		c.exec(`UPDATE entry SET idx = $1 WHERE idx = $2`, a, b)
		c.exec(`UPDATE entry SET idx = $1 WHERE idx = -1`, b)
		return nil
	}, `entry position=%[1]d stream=\S+ n=1: it was logged at position %[2]d and stands at %[1]d\n(.*\n)*entry position=%[2]d stream=\S+ n=1: it was logged at position %[1]d and stands at %[2]d`},

	{"tile changed", func(c *crime) []string {
		idx := c.report(2)
		c.places["at"] = idx
		hashes := c.blob(`SELECT hashes FROM tile WHERE level = 0 AND n = 0`)
		hashes[(idx-1)*32+5] ^= 1
		c.exec(`UPDATE tile SET hashes = $1 WHERE level = 0 AND n = 0`, hashes)
		return nil
	}, `tile level=0 n=0: hash of position=%d is `},

	{"leaf commitment changed", func(c *crime) []string {
		idx := c.report(2)
		c.places["at"] = idx
		commitment := c.blob(`SELECT commitment FROM leaf WHERE idx = $1`, idx)
		commitment[0] ^= 1
		c.exec(`UPDATE leaf SET commitment = $1 WHERE idx = $2`, commitment, idx)
		return nil
	}, `leaf position=%d: commitment is `},

	{"table row changed", func(c *crime) []string {
		c.exec(`UPDATE matter SET title = 'Nothing to see' WHERE id = (SELECT MIN(id) FROM matter)`)
		return nil
	}, `matter id=\d+: title is "Nothing to see"`},

	{"figure changed", func(c *crime) []string {
		c.exec(`UPDATE cell SET value = value + 1 WHERE measure = 'matters' AND body = 0 AND dims = '' AND period = 'all'`)
		return nil
	}, `cell .*measure=matters.*: value is `},

	{"index renumbered", func(c *crime) []string {
		from := c.report(7)
		c.places["at"], c.places["other"] = from, from+1
		c.exec(`UPDATE entry SET idx = -idx WHERE idx >= $1`, from)
		c.exec(`UPDATE entry SET idx = 1 - idx WHERE idx < 0`)
		c.exec(`UPDATE journal_head SET idx = idx + 1`)
		c.exec(`UPDATE follower SET idx = idx + 1 WHERE name <> 'ledger'`)
		return nil
	}, `entry position=%[2]d stream=\S+ n=\d+: it was logged at position %[1]d and stands at %[2]d`},

	{"whole database rolled back to an older backup", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MAX(idx) FROM leaf`)
		c.old()
		return nil
	}, `file .*\.head: %d entries were signed, and there are `},

	{"whole database rolled back, and the note beside the key with it: found by a receipt", func(c *crime) []string {
		c.places["at"] = c.number(`SELECT MAX(idx) FROM leaf`)
		c.old()
		if err := os.Remove(ledger.HeadPath(c.key)); err != nil {
			c.t.Fatal(err)
		}
		return []string{"--against", c.receipt}
	}, `file .*receipt: \d+ entries were signed, and there are `},

	{"a second server started from a copy: two checkpoints of one size, found by a receipt of the other", func(c *crime) []string {
		// The copy, with the key, goes on by itself from the backup; the note of what was signed is not copied with it.
		secret, err := os.ReadFile(c.key)
		if err != nil {
			c.t.Fatal(err)
		}
		copied := filepath.Join(c.t.TempDir(), "copied.key")
		if err := os.WriteFile(copied, secret, 0o600); err != nil {
			c.t.Fatal(err)
		}
		want := c.number(`SELECT MAX(idx) FROM leaf`)
		c.old()
		c.goOn(c.url, copied, want)
		c.key = copied
		return []string{"--against", c.receipt}
	}, `file .*receipt \(all agree up to position \d+\): another history was signed`},

	{"a pack replaced under the same version", func(c *crime) []string {
		c.exec(`UPDATE pack SET files = $1`, repack(c.t, c.blob(`SELECT files FROM pack`)))
		return nil
	}, `pack name=generic version=\S+: files is "sha256:[0-9a-f]+", the record says "sha256:`},

	{"a pack replaced under the same version, and its digest with it", func(c *crime) []string {
		c.exec(`UPDATE pack SET files = $1`, repack(c.t, c.blob(`SELECT files FROM pack`)))
		digest := regexp.MustCompile(`has digest (\S+), but`).FindStringSubmatch(complaint(c.t, c.url))
		if digest == nil {
			c.t.Fatal("the digest of the false pack is not known")
		}
		c.exec(`UPDATE pack SET digest = $1`, digest[1])
		return nil
	}, `pack name=generic version=\S+: digest is "sha256:[0-9a-f]+", the record says "sha256:`},
}

// complaint is what the program says to an office it cannot open.
func complaint(t *testing.T, url string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(t.Context(), &terminal{in: strings.NewReader(""), out: &out, err: &errs}, []string{"stats", "--db", url}); code == exitOK {
		t.Fatal("it works with rules that were replaced")
	}
	return errs.String()
}

// repack changes one word in the text of a pack.
func repack(t *testing.T, archive []byte) []byte {
	t.Helper()
	from, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, f := range from.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "pack.yaml" {
			text = append(text, "\n# and one word more\n"...)
		}
		w, err := to.Create(f.Name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// goOn lets a database grow by itself to a size, and signs it.
func (c *crime) goOn(url, key string, size int64) {
	c.t.Helper()
	db, err := store.Open(c.t.Context(), url)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was used, and is done with
	l := ledger.New(db, ledger.Options{})
	var have int64
	if err := db.Tx(c.t.Context(), func(tx *store.Tx) error {
		if have, _, err = journal.Head(c.t.Context(), tx); err != nil {
			return err
		}
		var more []journal.Entry
		for i := have; i < size; i++ {
			more = append(more, journal.Entry{Stream: "note/1", N: i - have + 1, At: time.Now(), By: journal.Actor{Duty: "system"}, Via: journal.ViaCLI, Action: "note"})
		}
		return journal.AppendMany(c.t.Context(), tx, more)
	}); err != nil {
		c.t.Fatal(err)
	}
	if err := journal.NewFollowers(db, slog.New(slog.DiscardHandler), l.Follower()).CatchUp(c.t.Context(), nil); err != nil {
		c.t.Fatal(err)
	}
	if worked, err := ledger.NewSigner(l, key, nil).Once(c.t.Context()); err != nil || !worked {
		c.t.Fatalf("the copy does not sign: %v, %v", worked, err)
	}
}

// Every attack of the list is found and named, on both databases; and before any, there is nothing to find.
func TestEveryAttackIsFound(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			key := filepath.Join(t.TempDir(), "log.key")
			url := kind.URL(t)
			old, receipt := lifeOfAnOffice(t, url, key)
			sound := func(t *testing.T, url string, more ...string) (int, string) {
				t.Helper()
				var out, errs bytes.Buffer
				code := run(t.Context(), &terminal{in: strings.NewReader(""), out: &out, err: &errs}, append([]string{"verify", "-q", "--db", url}, more...))
				return code, out.String() + errs.String()
			}
			if code, said := sound(t, url, "--log-key", key, "--against", receipt); code != exitOK || !strings.Contains(said, "agrees with the log") {
				t.Fatalf("without any attack, exit code %d:\n%s", code, said)
			}
			for _, a := range attacks {
				t.Run(a.name, func(t *testing.T) {
					c := &crime{t: t, url: storetest.Copy(t, url), backup: old, receipt: receipt, places: map[string]int64{}}
					c.key = filepath.Join(t.TempDir(), "log.key")
					for _, end := range []string{"", ".head"} {
						content, err := os.ReadFile(key + end)
						if err == nil {
							err = os.WriteFile(c.key+end, content, 0o600)
						}
						if err != nil {
							t.Fatal(err)
						}
					}
					var err error
					if c.db, err = store.Open(t.Context(), c.url); err != nil {
						t.Fatal(err)
					}
					more := a.crime(c)
					if err := c.db.Close(); err != nil {
						t.Fatal(err)
					}
					code, said := sound(t, c.url, append([]string{"--log-key", c.key}, more...)...)
					want := a.found
					if strings.Contains(want, "%") {
						args := []any{c.places["at"]}
						if strings.Contains(want, "%[2]d") {
							args = append(args, c.places["other"])
						}
						want = fmt.Sprintf(want, args...)
					}
					if code != exitWrong || !regexp.MustCompile(want).MatchString(said) || !strings.Contains(said, "    -> ") {
						t.Errorf("exit code %d, and it does not say %s:\n%s", code, want, said)
					}
				})
			}
		})
	}
}

// lifeOfAnOffice files reports in a real server that signs its log, and takes a backup in between. The receipt is for
// the last report.
func lifeOfAnOffice(t *testing.T, url, key string) (backup, receipt string) {
	t.Helper()
	t.Setenv("PLUMBLINE_LOG_KEY", key)
	t.Setenv("PLUMBLINE_OFFICE_KEY", key+".office")
	succeed(t, "init", "--db", url, "--pack", "generic", "--admin", "admin", "--origin", "office.example/log")
	n := 0
	for part := range 2 {
		cmd, addr := startServe(t, url)
		for range 5 {
			n++
			if _, err := fileReport(addr, fmt.Sprintf("Report number %d.", n)); err != nil {
				t.Fatal(err)
			}
		}
		waitPublished(t, url)
		if part == 0 {
			time.Sleep(1100 * time.Millisecond) // so that a further checkpoint is signed
			if _, err := fileReport(addr, "Report between."); err != nil {
				t.Fatal(err)
			}
			waitPublished(t, url)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if part == 0 {
			backup = storetest.Copy(t, url)
		}
	}
	receipt = filepath.Join(t.TempDir(), "receipt")
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was only read
	err = db.Read(t.Context(), func(tx *store.Tx) error {
		var stream string
		if err := tx.QueryRow(t.Context(), `SELECT stream FROM entry WHERE action = 'open' ORDER BY idx DESC LIMIT 1`).Scan(&stream); err != nil {
			return err
		}
		r, err := ledger.New(db, ledger.Options{}).Receipt(t.Context(), tx, ledger.Want{Stream: stream, N: 1})
		if err != nil {
			return err
		}
		text, err := r.Marshal()
		if err != nil {
			return err
		}
		return os.WriteFile(receipt, text, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return backup, receipt
}

// waitPublished waits until everything that is recorded stands under a published checkpoint and in the figures.
func waitPublished(t *testing.T, url string) {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was only read
	for range 100 {
		var waiting int64
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM entry) - (SELECT COALESCE(MAX(size), 0) FROM checkpoint) + (SELECT MAX(idx) - MIN(idx) FROM follower)`).Scan(&waiting)
		}); err != nil {
			t.Fatal(err)
		}
		if waiting == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("what was recorded was not published within five seconds")
}
