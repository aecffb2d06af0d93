package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/witness"
)

// metrics is what an instance tells of itself: counts and durations, never who or what.
type metrics struct {
	db       *store.DB
	log      *slog.Logger
	handler  http.Handler
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	failures *prometheus.CounterVec

	witnesses func() []witness.Status

	signs bool      // this instance signs the log
	begun time.Time // when it began: what waited before that is not its fault

	mu    sync.Mutex
	moved map[string]position // by follower: where it was when healthz saw it move last
}

type position struct {
	idx int64
	at  time.Time
}

func newMetrics(c Config) *metrics {
	m := &metrics{
		db: c.DB, log: c.Log, moved: map[string]position{}, begun: time.Now(), witnesses: c.Witnesses,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumbline_http_requests_total", Help: "Requests answered, by route pattern, method and status.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "plumbline_http_request_seconds", Help: "How long answering took, by route pattern.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "plumbline_http_requests_in_flight", Help: "Requests being answered now.",
		}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "plumbline_part_failures_total", Help: "How often a background part failed and was started again.",
		}, []string{"part"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "plumbline_build_info", Help: "Always 1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": c.Version, "database": c.DB.Dialect().String()},
	})
	build.Set(1)
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.requests, m.duration, m.inFlight, m.failures, build, &office{db: c.DB, log: c.Log}, cosigning(c.witnessStatus),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, p := range c.Parts {
		m.signs = m.signs || p.Name == SigningPart
		m.failures.WithLabelValues(p.Name) // so that zero is shown before the first failure
	}
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// observe counts and times requests. The label is the pattern of the route, never the path: a path may hold a
// reference, and what may not be logged may not be counted by either.
func (m *metrics) observe(next http.Handler, route func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pattern := ""
		if route != nil {
			pattern = route(r)
		}
		begun := time.Now()
		m.inFlight.Inc()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			m.inFlight.Dec()
			if pattern == "" {
				pattern = r.Pattern
			}
			if pattern == "" || pattern == "/" {
				pattern = "other"
			}
			m.requests.WithLabelValues(pattern, method(r.Method), strconv.Itoa(rec.code())).Inc()
			m.duration.WithLabelValues(pattern).Observe(time.Since(begun).Seconds())
		}()
		next.ServeHTTP(rec, r)
	})
}

// method bounds a label that strangers choose.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// recorder remembers the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK // net/http answers 200 to a handler that wrote nothing
	}
	return r.status
}

// Lag is how far a follower is behind the record.
type Lag struct {
	Follower string  `json:"follower"`
	Entries  int64   `json:"entries"`           // behind the last numbered entry
	Dead     int64   `json:"dead"`              // entries it could not digest
	Seconds  float64 `json:"seconds,omitempty"` // age of the oldest entry it has not read
}

// status is what is known of an office's inner state at one moment.
type status struct {
	head     int64 // last numbered entry
	unplaced int64 // entries without a number yet
	waiting  float64
	lags     []Lag
	overdue  int64
	open     int64
	log      ledger.Standing
}

// readStatus asks the database. It takes a moment at most: everything it reads is indexed or small.
func readStatus(ctx context.Context, db *store.DB, now time.Time) (status, error) {
	const (
		head      = `SELECT idx FROM journal_head WHERE id = 1`
		unplaced  = `SELECT count(*), coalesce(min(at), 0) FROM entry WHERE idx IS NULL`
		followers = `SELECT f.name, f.idx, (SELECT count(*) FROM dead_letter d WHERE d.follower = f.name),
			coalesce((SELECT e.at FROM entry e WHERE e.idx = f.idx + 1), 0) FROM follower f ORDER BY f.name`
		matters = `SELECT count(*), coalesce(sum(overdue), 0) FROM matter WHERE final = 0`
	)
	var s status
	err := db.Read(ctx, func(tx *store.Tx) error {
		s = status{}
		if err := tx.QueryRow(ctx, head).Scan(&s.head); err != nil {
			return err
		}
		var oldest int64
		if err := tx.QueryRow(ctx, unplaced).Scan(&s.unplaced, &oldest); err != nil {
			return err
		}
		s.waiting = age(now, oldest)
		rows, err := tx.Query(ctx, followers)
		if err != nil {
			return err
		}
		s.lags, err = store.Collect(rows, func(r *store.Rows) (Lag, error) {
			var l Lag
			var idx, next int64
			if err := r.Scan(&l.Follower, &idx, &l.Dead, &next); err != nil {
				return l, err
			}
			l.Entries, l.Seconds = s.head-idx, age(now, next)
			return l, nil
		})
		if err != nil {
			return err
		}
		if s.log, err = ledger.New(db, ledger.Options{}).Standing(ctx, tx); err != nil {
			return err
		}
		return tx.QueryRow(ctx, matters).Scan(&s.open, &s.overdue)
	})
	return s, err
}

// age is how long ago a time in microseconds was; zero for no time and for one in the future (a clock set back).
func age(now time.Time, at int64) float64 {
	if at == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMicro(at)).Seconds())
}

// office collects the state of the office when it is asked for, at most every few seconds.
type office struct {
	db  *store.DB
	log *slog.Logger

	mu   sync.Mutex
	at   time.Time
	last status
}

var (
	descUp       = prometheus.NewDesc("plumbline_database_up", "1 if the database answered.", nil, nil)
	descHead     = prometheus.NewDesc("plumbline_journal_entries", "Entries of the record that have their number.", nil, nil)
	descUnplaced = prometheus.NewDesc("plumbline_journal_unnumbered", "Entries that wait for their number.", nil, nil)
	descLag      = prometheus.NewDesc("plumbline_follower_lag_entries", "Entries a follower has not read.", []string{"follower"}, nil)
	descLagTime  = prometheus.NewDesc("plumbline_follower_lag_seconds", "Age of the oldest entry a follower has not read.", []string{"follower"}, nil)
	descDead     = prometheus.NewDesc("plumbline_follower_dead_letters", "Entries a follower could not digest.", []string{"follower"}, nil)
	descOpen     = prometheus.NewDesc("plumbline_matters_open", "Matters that are not closed.", nil, nil)
	descOverdue  = prometheus.NewDesc("plumbline_matters_overdue", "Open matters with a clock that ran out.", nil, nil)
	descTree     = prometheus.NewDesc("plumbline_log_entries", "Entries in the tree of the public log.", nil, nil)
	descSigned   = prometheus.NewDesc("plumbline_log_published_entries", "Entries under the newest published checkpoint of the log.", nil, nil)
	descSignedAt = prometheus.NewDesc("plumbline_log_checkpoint_timestamp_seconds", "When the newest published checkpoint was signed; 0: there is none.", nil, nil)
	descUnsigned = prometheus.NewDesc("plumbline_log_waiting_seconds", "Age of the oldest entry that no published checkpoint covers.", nil, nil)
)

func (o *office) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descHead, descUnplaced, descLag, descLagTime, descDead, descOpen, descOverdue, descTree, descSigned, descSignedAt, descUnsigned} {
		ch <- d
	}
}

func (o *office) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s, err := o.status()
	if err != nil {
		o.log.Error("metrics: the database does not answer", "error", err)
		gauge(descUp, 0)
		return
	}
	gauge(descUp, 1)
	gauge(descHead, float64(s.head))
	gauge(descUnplaced, float64(s.unplaced))
	for _, l := range s.lags {
		gauge(descLag, float64(l.Entries), l.Follower)
		gauge(descLagTime, l.Seconds, l.Follower)
		gauge(descDead, float64(l.Dead), l.Follower)
	}
	gauge(descOpen, float64(s.open))
	gauge(descOverdue, float64(s.overdue))
	gauge(descTree, float64(s.log.Leaves))
	gauge(descSigned, float64(s.log.Published))
	signed, waiting := 0.0, 0.0
	if !s.log.At.IsZero() {
		signed = float64(s.log.At.Unix())
	}
	if !s.log.Oldest.IsZero() {
		waiting = max(0, time.Since(s.log.Oldest).Seconds())
	}
	gauge(descSignedAt, signed)
	gauge(descUnsigned, waiting)
}

// cosigning tells of the witnesses of the log.
type cosigning func() []witness.Status

var descWitness = prometheus.NewDesc("plumbline_witness_failing_seconds", "For how long a witness has not cosigned though it was asked; 0: it does.", []string{"witness"}, nil)

func (cosigning) Describe(ch chan<- *prometheus.Desc) { ch <- descWitness }

func (c cosigning) Collect(ch chan<- prometheus.Metric) {
	for _, w := range c() {
		failing := 0.0
		if !w.OK() {
			failing = max(1, time.Since(w.Failing).Seconds()) // never 0, which would say that all is well
		}
		ch <- prometheus.MustNewConstMetric(descWitness, prometheus.GaugeValue, failing, strings.ToValidUTF8(w.Name, "?"))
	}
}

func (c Config) witnessStatus() []witness.Status {
	if c.Witnesses == nil {
		return nil
	}
	return c.Witnesses()
}

func (o *office) status() (status, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) < 5*time.Second {
		return o.last, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	s, err := readStatus(ctx, o.db, time.Now())
	if err == nil {
		o.at, o.last = time.Now(), s
	}
	return s, err
}

// What /healthz tolerates: followers are usually within a second; after an import they may be busy for a while, which
// is no illness as long as they move. So only standing still counts.
const stuckAfter = 2 * time.Minute

// Health is the answer of /healthz.
type Health struct {
	Status    string `json:"status"` // "ok", or "failing" with status 503
	Why       string `json:"why,omitempty"`
	Numbered  int64  `json:"entries,omitempty"`
	Waiting   int64  `json:"unnumbered,omitempty"`
	Followers []Lag  `json:"followers,omitempty"`

	Witnesses []witness.Status `json:"witnesses,omitempty"`
}

// standing is for how long a follower has not moved, as far as this instance has seen.
func (m *metrics) standing(follower string, idx int64, now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	last, known := m.moved[follower]
	if !known || last.idx != idx {
		m.moved[follower] = position{idx, now}
		return 0
	}
	return now.Sub(last.at)
}

// healthz says whether this instance can do its work. Strangers learn that and no more.
func (m *metrics) healthz(w http.ResponseWriter, r *http.Request, direct bool) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	h := Health{Status: "ok"}
	s, err := readStatus(ctx, m.db, time.Now())
	switch {
	case err != nil:
		m.log.Error("healthz: the database does not answer", "error", err)
		h = Health{Status: "failing", Why: "the database does not answer"}
	case s.waiting > stuckAfter.Seconds():
		h = Health{Status: "failing", Why: "entries have waited too long for their number"}
	default:
		for _, l := range s.lags {
			if stands := m.standing(l.Follower, s.head-l.Entries, time.Now()); l.Entries > 0 && stands > stuckAfter {
				h = Health{Status: "failing", Why: "the follower " + l.Follower + " does not move"}
			}
		}
		if stuck := s.log.Stuck(time.Now()); h.Status == "ok" && stuck != "" && m.signs && time.Since(m.begun) > stuckAfter {
			h = Health{Status: "failing", Why: "the log: " + stuck + "; plumbline log status says more"}
		}
	}
	if direct && err == nil {
		h.Numbered, h.Waiting, h.Followers = s.head, s.unplaced, s.lags
		if m.witnesses != nil {
			h.Witnesses = m.witnesses()
		}
	}
	if !direct {
		h.Why = ""
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if h.Status != "ok" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // the caller has gone; nobody is left to tell
}
