// Package pgtest gives tests fresh PostgreSQL databases.
//
// The server is the one that PLUMBLINE_TEST_POSTGRES names (a URL of a role that may create databases), else one
// that the package starts from an installed PostgreSQL, in a temporary folder, shared by all test processes of the
// user and stopped when none has used it for a while. It flushes to disk like a real one.
//
// Without a server the test is skipped, unless PLUMBLINE_REQUIRE names "postgres": then it fails.
package pgtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// URL creates an empty database, dropped when the test ends, and returns its URL.
func URL(t testing.TB) string {
	t.Helper()
	server, err := shared()
	if err != nil {
		if required() {
			t.Fatalf("PLUMBLINE_REQUIRE names postgres, but there is none: %v", err)
		}
		t.Skipf("no PostgreSQL for this test: %v (install the package postgresql, or set PLUMBLINE_TEST_POSTGRES)", err)
	}
	// template0 sorts by bytes as SQLite does; the installed template1 may hold anything.
	return create(t, server, "template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
}

// Copy makes a copy of a database that nobody is connected to, dropped when the test ends, and returns its URL.
func Copy(t testing.TB, of string) string {
	t.Helper()
	u, err := url.Parse(of)
	if err != nil {
		t.Fatal(err)
	}
	return create(t, of, strings.TrimPrefix(u.Path, "/"))
}

func create(t testing.TB, server, template string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	if template == strings.TrimPrefix(u.Path, "/") {
		u.Path = "/postgres" // a database is copied from another
		server = u.String()
	}
	name := "plumbline_test_" + randomName()
	admin := open(t, server)
	run(t, admin, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() {
		run(t, admin, "DROP DATABASE "+name+" WITH (FORCE)")
		_ = admin.Close() // the test is over
	})
	u.Path = "/" + name
	return u.String()
}

func required() bool {
	return slices.Contains(strings.Split(os.Getenv("PLUMBLINE_REQUIRE"), ","), "postgres")
}

// shared finds or starts the server once per process.
var shared = sync.OnceValues(func() (string, error) {
	if u := os.Getenv("PLUMBLINE_TEST_POSTGRES"); u != "" {
		return u, ping(u)
	}
	return join()
})

func ping(u string) error {
	db, err := sql.Open("pgx", u)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

func open(t testing.TB, u string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", u)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

func run(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func randomName() string {
	var b [6]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("no random numbers: %v", err))
	}
	return hex.EncodeToString(b[:])
}
