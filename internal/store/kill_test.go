package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

// childEnv makes a copy of the test binary the program that TestAcknowledgedWritesSurviveKill kills.
const childEnv = "PLUMBLINE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(childEnv); url != "" {
		if err := writeUntilKilled(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// writeUntilKilled writes a row into each of two tables in every transaction, from many goroutines, and prints the key of a
// transaction once it is acknowledged.
func writeUntilKilled(url string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	if err != nil {
		return err
	}
	if err := db.Migrate(ctx, noteTable); err != nil {
		return err
	}
	var mu sync.Mutex // one line at a time
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				k := db.NewID()
				err := db.Tx(ctx, func(tx *store.Tx) error {
					if err := addNote(ctx, tx, k); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `INSERT INTO echo (k, text) VALUES ($1, $2)`, k, "the same")
					return err
				})
				if err != nil {
					failed <- err
					return
				}
				mu.Lock()
				fmt.Println(k)
				mu.Unlock()
			}
		}()
	}
	return <-failed
}

func TestAcknowledgedWritesSurviveKill(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			rounds := 20
			if testing.Short() || kind.Name == "postgres" {
				rounds = 5 // on PostgreSQL only the client dies
			}
			url := kind.URL(t)
			acknowledged := map[int64]bool{}
			for round := range rounds {
				keys := runAndKill(t, url, time.Duration(20+rand.IntN(180))*time.Millisecond)
				if len(keys) == 0 {
					t.Errorf("round %d: nothing was written before the kill", round)
				}
				for _, k := range keys {
					acknowledged[k] = true
				}
				checkAfterKill(t, url, acknowledged)
			}
			t.Logf("%d transactions acknowledged over %d kills, all there", len(acknowledged), rounds)
		})
	}
}

// runAndKill starts the writing child, kills it some time after its first acknowledgement, and returns the acknowledged keys.
func runAndKill(t *testing.T, url string, after time.Duration) (keys []int64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+url)
	var said strings.Builder
	child.Stderr = &said
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		if timer == nil {
			timer = time.AfterFunc(after, func() { _ = child.Process.Kill() }) // it may have died by itself, which is found below
		}
		var k int64
		if n, err := fmt.Sscanf(lines.Text(), "%d", &k); n == 1 && err == nil {
			keys = append(keys, k)
		}
	}
	_ = child.Wait() // "signal: killed" is what we want
	if said.Len() > 0 {
		t.Fatalf("the child said: %s", said.String())
	}
	return keys
}

func checkAfterKill(t *testing.T, url string, acknowledged map[int64]bool) {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Check(ctx); err != nil {
		t.Fatal(err)
	}
	var notes, echoes []int64
	// One state for both: the server may still be carrying out the last words of the child.
	err = db.Read(ctx, func(tx *store.Tx) error {
		for table, into := range map[string]*[]int64{"note": &notes, "echo": &echoes} {
			rows, err := tx.Query(ctx, `SELECT k FROM `+table+` ORDER BY k`)
			if err != nil {
				return err
			}
			*into, err = store.Collect(rows, func(r *store.Rows) (k int64, err error) { return k, r.Scan(&k) })
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(notes, echoes) {
		t.Fatalf("half a transaction is there: %d rows in one table, %d in the other", len(notes), len(echoes))
	}
	for k := range acknowledged {
		if _, there := slices.BinarySearch(notes, k); !there {
			t.Fatalf("row %d was acknowledged and is gone", k)
		}
	}
}
