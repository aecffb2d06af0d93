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
		kept, err := m.Codec.Encode(time.Time{}, map[string]any{account.SessionAccount: "7", "data": data})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Store.Commit("token", kept, expiry); err != nil {
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

func TestSessionsOfNobodyAreNotKeptForLong(t *testing.T) {
	db := world.SQLite(t)
	m := account.NewSessions(db, false, nil)
	for _, tt := range []struct {
		values map[string]any
		long   bool
	}{{map[string]any{"ceremony": "x"}, false}, {map[string]any{account.SessionAccount: "7"}, true}} {
		data, err := m.Codec.Encode(time.Now().Add(time.Hour), tt.values)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Store.Commit("token", data, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		var expires int64
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT expires FROM session`).Scan(&expires)
		}); err != nil {
			t.Fatal(err)
		}
		if long := time.Until(time.UnixMicro(expires)) > 16*time.Minute; long != tt.long {
			t.Errorf("%v is kept until %s", tt.values, time.UnixMicro(expires))
		}
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
