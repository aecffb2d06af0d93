package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/logtest"
	"plumbline/verify"
)

// serving starts a witness for logs and returns its line in a policy.
func serving(t *testing.T, name string, logs ...*logtest.Log) string {
	t.Helper()
	key := newKey(t)
	s := httptest.NewServer(watching(t, storetest.OpenSQLite(t), key, logs...).Handler())
	t.Cleanup(s.Close)
	return fmt.Sprintf("witness %s %s %s\n", name, key.Public()[len(name)%2], s.URL)
}

// pretending starts something that answers as told instead of a witness.
func pretending(t *testing.T, name string, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return fmt.Sprintf("witness %s %s %s/\n", name, newKey(t).Public()[0], s.URL)
}

func client(t *testing.T, policy string) *Client {
	t.Helper()
	p, err := ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(p, Options{Timeout: 2 * time.Second, Grace: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func collect(t *testing.T, c *Client, l *logtest.Log, size uint64) ([][]byte, bool, error) {
	t.Helper()
	return c.Cosign(t.Context(), l.Signed(size), func(_ context.Context, old uint64) ([]verify.Hash, error) {
		return l.Consistency(old, size), nil
	})
}

func outcomes(c *Client) string {
	var all []string
	for _, s := range c.Status() {
		all = append(all, s.Name+"="+string(s.Outcome))
	}
	return strings.Join(all, " ")
}

// A log gets its cosignatures from witnesses that have seen nothing, that are behind, and that have seen as much; a client that
// was started anew finds out by itself.
func TestCosignaturesAreCollected(t *testing.T) {
	log := logtest.New(t, "log.example/office").Append(300)
	policy := serving(t, "a", log) + serving(t, "bb", log) + "group g all a bb\nquorum g\n"
	for _, size := range []uint64{0, 1, 2, 2, 255, 300} {
		c := client(t, policy) // one that remembers nothing
		lines, met, err := collect(t, c, log, size)
		if err != nil || !met || len(lines) != 2 {
			t.Fatalf("size %d: %d cosignatures, met %v, %v", size, len(lines), met, err)
		}
		signed := append(log.Signed(size), bytes.Join(lines, nil)...)
		if names, met, err := c.Policy().Check(signed); err != nil || !met || len(names) != 2 {
			t.Errorf("size %d: the head with its cosignatures: %v, %v, %v", size, names, met, err)
		}
		if _, _, err := verify.OpenCheckpoint(signed, log.Key(t)); err != nil {
			t.Error(err)
		}
	}
}

// Each way in which a witness fails is told apart, and does not keep the others from being enough.
func TestWitnessesThatDoNotCosign(t *testing.T) {
	log := logtest.New(t, "log.example/office").Append(8)
	fork := log.Fork().Append(5)
	ahead := log.Fork().Append(40)
	log.Append(8)
	hang := make(chan struct{})
	defer close(hang) // before the servers are closed, which wait for their handlers
	tests := []struct {
		name, line string
		want       Outcome
	}{
		{"unknown", serving(t, "x"), UnknownLog},
		{"other key", serving(t, "x", logtest.New(t, log.Origin)), Refused},
		{"hangs", pretending(t, "x", func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
		}), Unreachable},
		{"answers with a page", pretending(t, "x", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>welcome") }), Refused},
		{"answers without end", pretending(t, "x", func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 10 {
				if _, err := w.Write(bytes.Repeat([]byte("— x AAAAAA==\n"), 100)); err != nil {
					return
				}
			}
		}), Unreachable},
		{"sends elsewhere", pretending(t, "x", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
		}), Unreachable},
		{"a conflict without a size", pretending(t, "x", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(409) }), Unreachable},
		{"a conflict without end", pretending(t, "x", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/x.tlog.size")
			w.WriteHeader(409)
			fmt.Fprint(w, "3\n")
		}), Unreachable},
		{"cosigned by another", pretending(t, "x", func(w http.ResponseWriter, r *http.Request) {
			k, _ := NewKey("witness.example/w1")
			lines, _ := k.Cosign(log.Head(16))
			_, _ = w.Write(lines)
		}), Refused},
		{"nobody there", "witness x " + newKey(t).Public()[0] + " http://127.0.0.1:1\n", Unreachable},
	}
	for _, tt := range []struct {
		name string
		seen *logtest.Log
		want Outcome
	}{{"has seen a fork", fork, Forked}, {"has seen more", ahead, Ahead}} {
		line := serving(t, "x", log)
		if _, met, err := collect(t, client(t, line+"quorum x\n"), tt.seen, tt.seen.Size()); err != nil || !met {
			t.Fatal(err)
		}
		tests = append(tests, struct {
			name, line string
			want       Outcome
		}{tt.name, line, tt.want})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			good := serving(t, "good", log)
			c := client(t, tt.line+good+"group g all x good\nquorum g\n")
			lines, met, err := collect(t, c, log, 16)
			if met || !errors.Is(err, ErrNotMet) || len(lines) != 1 || outcomes(c) != "x="+string(tt.want)+" good=cosigned" {
				t.Errorf("all are needed: %d cosignatures, met %v, %s, %v", len(lines), met, outcomes(c), err)
			}
			if err != nil && !strings.Contains(err.Error(), "x: "+c.Status()[0].Detail) || c.Status()[0].Detail == "" {
				t.Errorf("the error does not say why: %v", err)
			}
			if since := c.Status()[0].Failing; since.IsZero() || !c.Status()[1].Failing.IsZero() {
				t.Errorf("failing since %v", since)
			}
			c = client(t, tt.line+good+"group g any x good\nquorum g\n")
			begun := time.Now()
			if lines, met, err := collect(t, c, log, 16); err != nil || !met || len(lines) != 1 {
				t.Errorf("one is enough: %d cosignatures, met %v, %v", len(lines), met, err)
			}
			if took := time.Since(begun); took > 1800*time.Millisecond {
				t.Errorf("one is enough, and it took %v", took)
			}
		})
	}
}

// A false cosignature never gets into a head: neither of another checkpoint nor without a time.
func TestFalseCosignatures(t *testing.T) {
	log := logtest.New(t, "log.example/office").Append(8)
	key := newKey(t)
	v := witnessKeys(t, key)[0]
	good, err := key.Cosign(log.Head(8))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := cosignatureOf(log.Signed(8), good, v, time.Now()); err != nil || !bytes.Contains(good, line) {
		t.Errorf("the good one: %q, %v", line, err)
	}
	if _, err := cosignatureOf(log.Signed(7), good, v, time.Now()); !errors.As(err, new(*note.InvalidSignatureError)) {
		t.Errorf("of another head: %v", err)
	}
	if _, err := cosignatureOf(log.Signed(8), good, v, time.Now().Add(-2*time.Hour)); err == nil {
		t.Error("a cosignature of times to come was accepted")
	}
	if _, err := cosignatureOf(log.Signed(8), append([]byte("— stranger AAAAAAAA\n"), good...), v, time.Now()); err != nil {
		t.Errorf("with lines of others: %v", err)
	}
}

// A policy that nobody could ever meet is refused at the start, not at the first head.
func TestPolicyWithoutAddresses(t *testing.T) {
	p, err := ParsePolicy([]byte("witness a " + newKey(t).Public()[0] + "\nwitness b " + newKey(t).Public()[0] + " http://127.0.0.1:1\ngroup g all a b\nquorum g\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(p, Options{}); err == nil {
		t.Error("accepted")
	}
	p, err = ParsePolicy([]byte("quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewClient(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if lines, met, err := collect(t, c, logtest.New(t, "log.example"), 0); err != nil || !met || len(lines) != 0 {
		t.Errorf("no witness at all: %v, %v, %v", lines, met, err)
	}
}
