package store_test

import (
	"context"
	"errors"
	"testing"

	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

func TestPostgresConnectionLostInsideATransaction(t *testing.T) {
	url := storetest.PostgresURL(t)
	db, other := openNotes(t, url), storetest.Open(t, url)
	ctx := t.Context()
	err := db.Tx(ctx, func(tx *store.Tx) error {
		if err := addNote(ctx, tx, 1); err != nil {
			return err
		}
		var pid int64
		if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		if err := other.Read(ctx, func(tx *store.Tx) error {
			var gone bool
			return tx.QueryRow(ctx, `SELECT pg_terminate_backend($1)`, pid).Scan(&gone)
		}); err != nil {
			return err
		}
		return addNote(ctx, tx, 2)
	})
	if faultKey(err) != "store.lost" || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("got %v, want the fault that the connection is lost, with nothing done", err)
	}
	if n := countNotes(t, db); n != 0 {
		t.Errorf("%d notes of a lost transaction", n)
	}
	if err := db.Tx(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 3) }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestPostgresConnectionLostBeforeCommit(t *testing.T) {
	url := storetest.PostgresURL(t)
	db, other := openNotes(t, url), storetest.Open(t, url)
	ctx := t.Context()
	err := db.Tx(ctx, func(tx *store.Tx) error {
		var pid int64
		if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
			return err
		}
		if err := addNote(ctx, tx, 1); err != nil {
			return err
		}
		return other.Read(ctx, func(tx *store.Tx) error {
			var gone bool
			return tx.QueryRow(ctx, `SELECT pg_terminate_backend($1)`, pid).Scan(&gone)
		})
	})
	if !errors.Is(err, store.ErrOutcomeUnknown) || faultKey(err) != "store.outcome-unknown" {
		t.Errorf("got %v; nobody can know from here whether the commit arrived", err)
	}
}

func TestPostgresLostRaceHiddenByItsFunctionIsRunAgain(t *testing.T) {
	db := openNotes(t, storetest.PostgresURL(t))
	ctx := context.Background()
	if err := db.Tx(ctx, func(tx *store.Tx) error { return addNote(ctx, tx, 1) }); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := db.Tx(ctx, func(tx *store.Tx) error {
		runs++
		var text string
		if err := tx.QueryRow(ctx, `SELECT text FROM note WHERE k = 1`).Scan(&text); err != nil {
			return err
		}
		if runs == 1 { // somebody else is faster
			faster := make(chan error)
			go func() {
				faster <- db.Tx(ctx, func(tx *store.Tx) error {
					_, err := tx.Exec(ctx, `UPDATE note SET text = 'theirs' WHERE k = 1`)
					return err
				})
			}()
			if err := <-faster; err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE note SET text = $1 WHERE k = 1`, text+" and ours"); err != nil {
			return errors.New("words of the function that say nothing of the cause")
		}
		return nil
	})
	if err != nil || runs != 2 {
		t.Fatalf("ran %d times and gave %v, want success at the second run", runs, err)
	}
	var text string
	if err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT text FROM note WHERE k = 1`).Scan(&text)
	}); err != nil || text != "theirs and ours" {
		t.Errorf("the note says %q (%v), want both", text, err)
	}
}
