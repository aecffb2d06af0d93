package demo

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/store"
	"plumbline/internal/tally"
	databases "plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// fill makes a demo that ends at a given moment.
func fill(t *testing.T, now time.Time) Office {
	t.Helper()
	ctx := context.Background()
	db := databases.SQLite(t)
	clock := &Clock{}
	clock.Reset(now)
	o, err := office.Open(ctx, db, office.WithClock(clock.Now))
	if err != nil && !errors.Is(err, office.ErrEmpty) {
		t.Fatal(err)
	}
	out := Office{DB: db, Office: o, Accounts: account.New(db, o, clock.Now), Engine: matter.New(db, o, clock.Now, vault.New(db, vault.NewOfficeKey(), clock.Now)), Clock: clock}
	if err := Fill(ctx, out, now, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// The demo is made by steps that the rules allow, whatever day of the week it is started on.
func TestDemoCanBeMadeOnAnyDay(t *testing.T) {
	days := 7
	if testing.Short() {
		days = 1
	}
	for i := range days {
		now := time.Date(2026, 11, 16+i, 15, 20, 0, 0, time.UTC)
		t.Run(now.Weekday().String(), func(t *testing.T) { fill(t, now) })
	}
}

// Whoever starts the demo sees every stage: open and closed, overdue, due soon, waiting, heard and decided.
func TestDemoIsAlive(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 11, 18, 10, 0, 0, 0, time.UTC)
	o := fill(t, now)
	count := func(query string, args ...any) int {
		t.Helper()
		var n int
		if err := o.DB.Read(ctx, func(tx *store.Tx) error { return tx.QueryRow(ctx, query, args...).Scan(&n) }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(`SELECT count(*) FROM matter WHERE kind = 'report'`); n < 38 {
		t.Errorf("%d reports, want about forty", n)
	}
	for _, state := range []string{"received", "screened", "verifying", "verified", "ending", "closed", "case-opened", "merged", "transferred"} {
		if count(`SELECT count(*) FROM matter WHERE kind = 'report' AND state = $1`, state) == 0 {
			t.Errorf("no report is %s", state)
		}
	}
	for _, state := range []string{"opened", "responding", "decided", "done"} {
		if count(`SELECT count(*) FROM matter WHERE kind = 'proceeding' AND state = $1`, state) == 0 {
			t.Errorf("no proceeding is %s", state)
		}
	}
	if n := count(`SELECT count(*) FROM matter WHERE overdue = 1 AND final = 0`); n < 2 || n > 12 {
		t.Errorf("%d matters are overdue, want a few", n)
	}
	if n := count(`SELECT count(*) FROM matter WHERE final = 0 AND due BETWEEN $1 AND $2`, now.UnixMicro(), now.AddDate(0, 0, 7).UnixMicro()); n < 4 {
		t.Errorf("%d matters are due within the week, want several", n)
	}
	if n := count(`SELECT count(*) FROM entry WHERE at > $1`, now.UnixMicro()); n != 0 {
		t.Errorf("%d entries lie in the future", n)
	}
	diffs, err := matter.Verify(ctx, o.DB, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diffs {
		t.Errorf("verify: %+v", d)
	}
	figures := tally.New(o.Office)
	if err := journal.NewFollowers(o.DB, slog.New(slog.DiscardHandler), figures).CatchUp(ctx, nil); err != nil {
		t.Fatal(err)
	}
}

// Every person who is shown can sign in with the password that is printed.
func TestPeopleCanSignIn(t *testing.T) {
	o := fill(t, time.Date(2026, 11, 18, 10, 0, 0, 0, time.UTC))
	people, err := People()
	if err != nil {
		t.Fatal(err)
	}
	if len(people) < 10 {
		t.Errorf("%d people are shown, want one for each role", len(people))
	}
	for _, p := range people {
		if _, err := o.Accounts.SignIn(context.Background(), account.Attempt{Login: p.Login, Password: Password}); err != nil {
			t.Errorf("%s: %v", p.Login, err)
		}
	}
}

// The texts stand in for a real office: no real place or network address may slip in.
func TestTextsAreInvented(t *testing.T) {
	for _, text := range []string{string(worldYAML), string(storiesYAML)} {
		for _, word := range []string{"http://", "https://", "@gmail", "New York", "Chicago", "London", "北京", "上海"} {
			if strings.Contains(text, word) {
				t.Errorf("the demo's texts contain %q", word)
			}
		}
	}
}
