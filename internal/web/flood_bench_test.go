package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/intake"
	"plumbline/internal/testing/world"
)

// What a flood does to honest people, over HTTP and with everything behind it, in the worst case: all senders, the flood
// and the honest, come from one address, as behind an onion service.
const (
	floodAMinute = 10_000
	floodLasts   = 36 * time.Second
	honestPeople = 100
)

// BenchmarkFlood sends bogus filings at a steady rate, whether they are answered or not, while people walk through the
// form at human speed. It tells how long their last step took, when they sent the report.
func BenchmarkFlood(b *testing.B) {
	for _, tt := range []struct {
		name   string
		limits intake.Limits
	}{
		{"usual", intake.Limits{}},
		{"all-taken", intake.Limits{Pace: -1}}, // no pace: every bogus filing that there is room for is sealed and written too
	} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				flood(b, tt.limits)
			}
		})
	}
}

func flood(b *testing.B, limits intake.Limits) {
	db := world.Open(b, "sqlite:"+filepath.Join(b.TempDir(), "plumbline.db"))
	w := newPublicWorld(b, db).with(func(s *Server) {
		s.gate = intake.NewGate(limits, time.Now)
		s.walks = intake.NewWalks([]byte("key"), time.Now)
	})
	ctx, stop := context.WithTimeout(b.Context(), floodLasts)
	defer stop()
	begun := time.Now()

	var all sync.WaitGroup
	var offered, taken, turned, unanswered, other atomic.Int64
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 30 * time.Second}
	all.Go(func() {
		for n := 0; ; n++ {
			due := begun.Add(time.Duration(n) * time.Minute / floodAMinute) // when it is late, it catches up
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
			offered.Add(1)
			all.Go(func() {
				switch bogus(client, w.srv.URL, n) {
				case http.StatusOK:
					taken.Add(1)
				case http.StatusServiceUnavailable:
					turned.Add(1)
				case 0:
					unanswered.Add(1) // the sender gave up: the machine was too busy with others
				default:
					other.Add(1)
				}
			})
		}
	})
	var mu sync.Mutex
	var sends, pages []float64
	failed := 0
	for i := range honestPeople {
		all.Go(func() {
			// They begin at different moments, all early enough to be done before the flood ends.
			time.Sleep(time.Duration(i) * (floodLasts - 22*time.Second) / honestPeople)
			send, slowest, err := honest(ctx, b, w.srv.URL, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed++
				b.Logf("an honest filing failed: %v", err)
				return
			}
			sends, pages = append(sends, send.Seconds()), append(pages, slowest.Seconds())
		})
	}
	all.Wait()
	if failed > 0 || len(sends) == 0 {
		b.Fatalf("%d honest filings failed", failed)
	}
	if other.Load() > 0 {
		b.Fatalf("%d of %d bogus filings met something else than the gate", other.Load(), offered.Load())
	}
	minutes := min(time.Since(begun), floodLasts).Minutes()
	b.ReportMetric(percentile(sends, 0.99), "honest-p99-s")
	b.ReportMetric(percentile(sends, 0.5), "honest-median-s")
	b.ReportMetric(percentile(pages, 0.99), "slowest-page-p99-s")
	b.ReportMetric(float64(offered.Load())/minutes, "bogus/min")
	b.ReportMetric(100*float64(unanswered.Load())/float64(offered.Load()), "%bogus-unanswered")
	b.ReportMetric(100*float64(taken.Load())/float64(offered.Load()), "%bogus-taken")
}

func percentile(x []float64, p float64) float64 {
	slices.Sort(x)
	return x[min(len(x)-1, int(p*float64(len(x))))]
}

// bogus posts a whole report at once, as a program does that knows the form.
func bogus(client *http.Client, base string, n int) int {
	values := url.Values{ctlTo: {"send"}}
	for k, v := range usual {
		values.Set(k, v)
	}
	values.Set("story", fmt.Sprintf("bogus %d %s", n, strings.Repeat(fmt.Sprintf("word%d ", n%977), 200)))
	res, err := client.PostForm(base+"/report/report", values)
	if err != nil {
		return 0
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// honest walks through the form like a person who is quick, and sends. A page that says that the report could not be
// taken yet is pressed again after a moment; the time counts from the first press to the receipt.
func honest(ctx context.Context, b *testing.B, base string, i int) (send, slowest time.Duration, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return 0, 0, err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	fetch := func(r *http.Request) (string, int, error) {
		begun := time.Now()
		res, err := client.Do(r)
		if err != nil {
			return "", 0, err
		}
		defer func() { _ = res.Body.Close() }()
		page, err := io.ReadAll(res.Body)
		slowest = max(slowest, time.Since(begun))
		return string(page), res.StatusCode, err
	}
	r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, base+"/report/report", nil)
	if err != nil {
		return 0, 0, err
	}
	page, _, err := fetch(r)
	if err != nil {
		return 0, 0, err
	}
	answers := telling(fmt.Sprintf("%s It was seen by %d people who wait in front of the building every day.", usual["story"], i))
	for range 40 {
		p := &person{t: b, page: page}
		f := p.forms()["answers"]
		if f == nil {
			return 0, 0, fmt.Errorf("there is no form on the page")
		}
		has := func(value string) bool {
			return slices.ContainsFunc(f.buttons, func(b htmlButton) bool { return b.value == value })
		}
		values := f.values
		press, given := "next", 0
		for name, v := range answers {
			if strings.Contains(page, ` name="`+name+`"`) {
				values.Set(name, v)
				given++
			}
		}
		switch {
		case has("send"):
			press = "send"
		case given == 0 && has("skip"):
			press = "skip"
		}
		values.Set(ctlTo, press)
		time.Sleep(1100 * time.Millisecond) // a quick reader
		begun := time.Now()
		for {
			r, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, base+"/report/report", strings.NewReader(values.Encode()))
			if err != nil {
				return 0, 0, err
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			var status int
			page, status, err = fetch(r)
			switch {
			case err != nil:
				return 0, 0, err
			case status == http.StatusServiceUnavailable && time.Since(begun) < 20*time.Second:
				time.Sleep(200 * time.Millisecond)
				continue
			case status != http.StatusOK:
				return 0, 0, fmt.Errorf("the page after %q has the status %d", press, status)
			}
			break
		}
		if press == "send" {
			return time.Since(begun), slowest, nil
		}
	}
	return 0, 0, fmt.Errorf("the form does not end")
}
