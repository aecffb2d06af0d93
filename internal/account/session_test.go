package account_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
)

func TestSessionsAreKeptWithoutTheirToken(t *testing.T) {
	world.Each(t, func(t *testing.T, db *store.DB) {
		m := account.NewSessions(db, false, nil)
		var seen string
		h := m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/in":
				m.Put(r.Context(), "account", "7")
				m.Put(r.Context(), "stamp", "9")
			case "/out":
				if err := m.Destroy(r.Context()); err != nil {
					t.Error(err)
				}
			}
			seen = m.GetString(r.Context(), "account")
		}))
		var cookie *http.Cookie
		get := func(path string) {
			r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
			if cookie != nil {
				r.AddCookie(cookie)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			for _, c := range w.Result().Cookies() {
				cookie = c
			}
		}
		get("/page")
		if cookie != nil {
			t.Error("looking at a page sets a cookie")
		}
		get("/in")
		if cookie == nil || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
			t.Fatalf("cookie %v", cookie)
		}
		get("/page")
		if seen != "7" {
			t.Errorf("the session says %q", seen)
		}
		token, data := row(t, db)
		if bytes.Contains(token, []byte(cookie.Value)) || bytes.Contains(data, []byte(cookie.Value)) {
			t.Error("the table holds the token itself")
		}
		old := *cookie
		get("/out")
		cookie = &old
		if get("/page"); seen != "" {
			t.Error("a session that was ended still opens")
		}
	})
}

func TestLookingAtPagesDoesNotWriteTheSessionEachTime(t *testing.T) {
	writes := 0
	db := world.SQLite(t, store.WithHook(func(p store.Point) error {
		if p.Step == store.StepCommit && !p.After {
			writes++
		}
		return nil
	}))
	m := account.NewSessions(db, false, nil)
	put := func(expiry time.Time, data string) int {
		before := writes
		if err := m.Store.Commit("token", []byte(data), expiry); err != nil {
			t.Fatal(err)
		}
		return writes - before
	}
	end := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name string
		got  int
		want int
	}{
		{"new", put(end, "a"), 1},
		{"seconds later", put(end.Add(30*time.Second), "a"), 0},
		{"other content", put(end.Add(30*time.Second), "b"), 1},
		{"minutes later", put(end.Add(3*time.Minute), "b"), 1},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %d writes, want %d", tt.name, tt.got, tt.want)
		}
	}
	if _, found, err := m.Store.Find("another token"); found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
}

func row(t *testing.T, db *store.DB) (token, data []byte) {
	t.Helper()
	err := db.Read(context.Background(), func(tx *store.Tx) error {
		return tx.QueryRow(context.Background(), `SELECT token, data FROM session`).Scan(&token, &data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return token, data
}
