package server

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whoever sends a byte now and then holds a connection for as long as the server says and no longer, be it in the middle of the
// headers or of a form; everybody else is answered meanwhile.
func TestSlowClientsAreCutOff(t *testing.T) {
	s := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	}), slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{"headers": s.ReadHeaderTimeout, "request": s.ReadTimeout, "answer": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 {
			t.Errorf("no limit for the %s", name)
		}
	}
	s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout = 300*time.Millisecond, 500*time.Millisecond, 300*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }() // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	for name, begin := range map[string]string{
		"headers":          "GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
		"a form":           "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
		"nothing at all":   "",
		"between requests": "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			cut := make(chan struct{})
			go func() { _, _ = io.Copy(io.Discard, c); close(cut) }() // until the server hangs up
			deadline := time.After(10 * time.Second)
			for drip := name == "headers" || name == "a form"; ; {
				select {
				case <-cut:
					return
				case <-deadline:
					t.Fatal("still connected after ten seconds")
				case <-time.After(50 * time.Millisecond):
					if drip {
						_, _ = io.WriteString(c, "a") // fails once it is cut
					}
				}
			}
		})
	}
	res, err := http.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("quick"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("somebody quick is answered %d", res.StatusCode)
	}
}
