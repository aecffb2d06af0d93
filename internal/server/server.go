// Package server keeps one instance of Plumbline running: the pages, and beside them the work that follows the record
// (giving entries their place, figures, clocks that run out).
//
// Run says when it is ready, and only then; it ends when its context does, after requests in flight were answered and
// background work stopped between two transactions. A part that fails is started again after a pause and is
// never silently missing: its failures are logged and counted, and /healthz tells of followers that fall behind.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"plumbline/internal/store"
	"plumbline/internal/witness"
)

// A Part is background work that runs until its context ends.
type Part struct {
	Name string
	Run  func(context.Context) error
}

// SigningPart is the name of the part that signs the log. Where there is one, /healthz tells of a log that nobody signs.
const SigningPart = "log"

// Config is what an instance is made of.
type Config struct {
	DB      *store.DB
	Handler http.Handler
	Route   func(*http.Request) string // the pattern that a request matches, for metrics; "" if none
	Parts   []Part
	Log     *slog.Logger
	Version string

	// Witnesses tells how the witnesses of the log are doing, for /healthz and /metrics. Nil: it has none.
	Witnesses func() []witness.Status

	Listen      net.Listener // open already, so that the caller can choose what to do when the address is taken
	Metrics     net.Listener // nil: /metrics is served on Listen, to direct callers on this machine alone
	BehindProxy bool         // a proxy stands before Listen: nobody there can be told to be on this machine
	Drain       time.Duration
	Ready       func() // called once, when the first request can be answered
}

// noPage sets the headers of what programs ask and no browser shows.
func noPage(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// Run serves until ctx ends. It closes the listeners.
func Run(ctx context.Context, c Config) error {
	if c.Drain <= 0 {
		c.Drain = 20 * time.Second
	}
	m := newMetrics(c)
	root := http.NewServeMux()
	root.Handle("/", m.observe(c.Handler, c.Route))
	root.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { noPage(w); m.healthz(w, r, c.direct(r)) })
	if c.Metrics == nil {
		root.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
			if !c.direct(r) {
				c.Handler.ServeHTTP(w, r) // the office's own "no such page"
				return
			}
			noPage(w)
			m.handler.ServeHTTP(w, r)
		})
	}

	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var parts sync.WaitGroup
	for _, p := range c.Parts {
		parts.Add(1)
		go func() {
			defer parts.Done()
			m.keepRunning(work, p)
		}()
	}

	servers := []*http.Server{newServer(root, c.Log)}
	listeners := []net.Listener{c.Listen}
	if c.Metrics != nil {
		inner := http.NewServeMux()
		inner.Handle("GET /metrics", m.handler)
		inner.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) { m.healthz(w, r, true) })
		servers, listeners = append(servers, newServer(inner, c.Log)), append(listeners, c.Metrics)
	}
	failed := make(chan error, len(servers))
	for i, s := range servers {
		go func() { failed <- s.Serve(listeners[i]) }()
	}
	if c.Ready != nil {
		c.Ready()
	}

	var err error
	select {
	case <-ctx.Done():
		c.Log.Info("stopping: answering the requests that have begun", "at most", c.Drain.String())
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.Drain)
	defer cancel()
	for _, s := range servers {
		if e := s.Shutdown(drain); e != nil {
			err = errors.Join(err, fmt.Errorf("some requests were cut off: %w", e))
			_ = s.Close() // what is left is cut off; the error above says so
		}
	}
	stopWork()
	parts.Wait()
	c.Log.Info("stopped")
	return err
}

// direct reports whether a request comes from a program on this machine, with no proxy in between. Behind a proxy
// everybody seems to be on this machine, so there nobody is; a proxy that nobody told us about gives itself away
// by its headers.
func (c Config) direct(r *http.Request) bool {
	if c.BehindProxy {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       2 * time.Minute, // a slow phone may take a while to send a form
		WriteTimeout:      5 * time.Minute, // and to fetch a long list
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// What net/http complains about names the caller's network address, which is never kept: only the fact is.
		ErrorLog: slog.NewLogLogger(quiet{log.Handler()}, slog.LevelDebug),
	}
}

// quiet is a handler that keeps the fact of a message and drops its words.
type quiet struct{ slog.Handler }

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	return q.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, "a connection failed", r.PC))
}

// keepRunning runs a part until ctx ends, again after a pause when it fails.
func (m *metrics) keepRunning(ctx context.Context, p Part) {
	pause := time.Second
	for {
		begun := time.Now()
		err := p.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		m.failures.WithLabelValues(p.Name).Inc()
		if err == nil {
			err = errors.New("it ended by itself")
		}
		if time.Since(begun) > time.Minute {
			pause = time.Second // it worked for a while: begin with short pauses again
		}
		m.log.Error("a background part failed and will be started again", "part", p.Name, "error", err, "pause", pause.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Minute)
	}
}
