package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/schema"
	"plumbline/internal/store"
)

// instance starts a server over a fresh database and returns its address and a function that stops it.
func instance(t *testing.T, change func(*Config)) (addr string, stop func() error) {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(t.TempDir(), "office.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(ctx, schema.FS); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /matters/{matter}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "matter") })
	ready := make(chan struct{})
	c := Config{
		DB: db, Handler: mux, Log: slog.New(slog.DiscardHandler), Version: "test", Listen: listen(t),
		Route: func(r *http.Request) string { _, p := mux.Handler(r); return p },
		Ready: func() { close(ready) },
	}
	if change != nil {
		change(&c)
	}
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	addr = "http://" + c.Listen.Addr().String()
	go func() { ended <- Run(running, c) }()
	<-ready
	stopped := false
	stop = func() error {
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if !stopped {
			_ = stop()
		}
	})
	return addr, stop
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func get(t *testing.T, url string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestMetricsCountRoutesNotPaths(t *testing.T) {
	addr, _ := instance(t, nil)
	get(t, addr+"/matters/R-SECRET")
	get(t, addr+"/nothing-here")
	_, text := get(t, addr+"/metrics")
	for _, want := range []string{
		`plumbline_http_requests_total{method="GET",route="GET /matters/{matter}",status="200"} 1`,
		`plumbline_http_requests_total{method="GET",route="other",status="404"} 1`,
		`plumbline_database_up 1`, `plumbline_matters_overdue 0`, `plumbline_journal_entries 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text, "SECRET") {
		t.Error("a path is in the metrics")
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	proxied, _ := instance(t, func(c *Config) { c.BehindProxy = true })
	direct, _ := instance(t, nil)
	for _, tt := range []struct {
		name   string
		addr   string
		header []string
		want   int
	}{
		{"a program on this machine", direct, nil, 200},
		{"somebody behind a proxy that says so", direct, []string{"X-Forwarded-For", "192.0.2.1"}, 404},
		{"somebody behind a proxy that we were told of", proxied, nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := get(t, tt.addr+"/metrics", tt.header...); got != tt.want {
				t.Errorf("GET /metrics = %d, want %d", got, tt.want)
			}
		})
	}
	if _, body := get(t, proxied+"/healthz"); strings.Contains(body, "followers") || !strings.Contains(body, `"ok"`) {
		t.Errorf("a stranger is told %s", body)
	}
}

func TestMetricsOnAnAddressOfTheirOwn(t *testing.T) {
	own := listen(t)
	url := "http://" + own.Addr().String()
	addr, _ := instance(t, func(c *Config) { c.Metrics = own })
	if got, _ := get(t, addr+"/metrics"); got != 404 {
		t.Errorf("GET /metrics on the public address = %d, want 404", got)
	}
	if got, _ := get(t, url+"/metrics"); got != 200 {
		t.Errorf("GET /metrics on its own address = %d, want 200", got)
	}
}

func TestHealthFailsWithTheDatabase(t *testing.T) {
	var db *store.DB
	addr, _ := instance(t, func(c *Config) { db = c.DB })
	if got, _ := get(t, addr+"/healthz"); got != 200 {
		t.Errorf("GET /healthz = %d, want 200", got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if got, body := get(t, addr+"/healthz"); got != 503 {
		t.Errorf("GET /healthz without a database = %d %s, want 503", got, body)
	}
}

func TestStoppingAnswersRequestsInFlight(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	addr, stop := instance(t, func(c *Config) {
		c.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "done")
		})
	})
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get(addr + "/slow")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	if got := <-answered; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestAFailingPartIsStartedAgain(t *testing.T) {
	var runs atomic.Int64
	twice := make(chan struct{})
	_, stop := instance(t, func(c *Config) {
		c.Parts = []Part{{Name: "fragile", Run: func(ctx context.Context) error {
			if runs.Add(1) == 1 {
				return errors.New("broken")
			}
			close(twice)
			<-ctx.Done()
			return ctx.Err()
		}}}
	})
	select {
	case <-twice:
	case <-time.After(30 * time.Second):
		t.Fatal("the part was not started again")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
