package web

import (
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plumbline/internal/exhibit"
)

// BenchmarkUpload sends 20 files of 200 MB at once through HTTP, and reports the most memory that the process took
// meanwhile: everything, the senders too. PLUMBLINE_UPLOAD_MB makes the files smaller for a quick look.
func BenchmarkUpload(b *testing.B) {
	const files = 20
	size := int64(200 << 20)
	if s := os.Getenv("PLUMBLINE_UPLOAD_MB"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		size = n << 20
	}
	w := publicSQLite(b)
	w.limitedTo(exhibit.Limits{File: 1 << 30, Matter: 5 << 30, Count: 100})
	people := make([]*person, files)
	for i := range people {
		people[i], _ = w.withReport()
	}
	debug.FreeOSMemory() // what setting up the office took is no part of it
	before := memory(b, "RssAnon")
	for b.Loop() {
		begun := time.Now()
		var heap atomic.Uint64
		var anon atomic.Int64
		stop, watched := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-stop:
					return
				case <-time.After(50 * time.Millisecond):
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					heap.Store(max(heap.Load(), m.HeapInuse))
					anon.Store(max(anon.Load(), memory(b, "RssAnon")))
				}
			}
		}()
		var all sync.WaitGroup
		for _, p := range people {
			all.Go(func() {
				if err := p.pour(size); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		took := time.Since(begun)
		close(stop)
		<-watched
		b.ReportMetric(float64(heap.Load())/(1<<20), "peak-heap-MB")
		if peak := anon.Load(); peak > 0 { // what the process holds, without the pages of its program file
			b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
			b.ReportMetric(float64(before)/(1<<20), "idle-MB")
		}
		b.ReportMetric(float64(files*size)/(1<<20)/took.Seconds(), "MB/s")
	}
	if n, half, _ := w.kept(); n < files || half != 0 {
		b.Fatalf("%d files arrived, %d half", n, half)
	}
}

// pour sends a file of zeros with a plain form, from one small buffer.
func (p *person) pour(size int64) error {
	pr, pw := io.Pipe()
	form := multipart.NewWriter(pw)
	go func() {
		part, err := form.CreateFormFile("file", "film.bin")
		if err == nil {
			_, err = io.CopyN(part, zeros{}, size)
		}
		if err == nil {
			err = form.Close()
		}
		_ = pw.CloseWithError(err) // always nil
	}()
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.w.srv.URL+"/follow/files", pr)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := p.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", res.StatusCode)
	}
	return err
}

// memory reads a line of /proc/self/status in bytes; 0 where there is none.
func memory(b *testing.B, name string) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				b.Fatal(err)
			}
			return n << 10
		}
	}
	return 0
}
