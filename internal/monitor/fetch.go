package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An Unreachable says that the log could not be looked at. It says nothing about the log.
type Unreachable struct {
	URL   string
	Why   string
	cause error
	code  int // the status of the answer, 0 if there was none
}

func (u *Unreachable) Error() string { return fmt.Sprintf("%s: %s", u.URL, u.Why) }
func (u *Unreachable) Unwrap() error { return u.cause }

// isMissing tells that the server answered, and said that there is no such thing.
func isMissing(err error) bool {
	var u *Unreachable
	return errors.As(err, &u) && (u.code == http.StatusNotFound || u.code == http.StatusGone)
}

// errLong says that an answer is longer than what was asked for can be.
var errLong = errors.New("the answer is longer than it can be")

// fetcher gets things from one host.
type fetcher struct {
	client  *http.Client
	timeout time.Duration // for one answer, to its end
}

func newFetcher(timeout time.Duration) *fetcher {
	return &fetcher{timeout: timeout, client: &http.Client{
		// Whoever can make the server redirect must not choose what the monitor looks at, nor reach machines through it.
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Host != via[0].URL.Host {
				return fmt.Errorf("it sends us to another host, %s; if the log has moved, start the monitor with its new address", r.URL.Host)
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("it sends us to an address without TLS")
			}
			if len(via) > 3 {
				return errors.New("it sends us on and on")
			}
			return nil
		},
	}}
}

// get returns the body of an answer of at most limit bytes.
func (f *fetcher) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	unreachable := func(code int, cause error, format string, args ...any) error {
		return &Unreachable{URL: address, Why: fmt.Sprintf(format, args...), cause: cause, code: code}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unreachable(0, err, "%v", err)
	}
	req.Header.Set("User-Agent", "plumbline-monitor")
	req.Header.Set("Cache-Control", "no-cache")
	resp, err := f.client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, unreachable(0, err, "no answer within %s", f.timeout)
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which stands in front already
		}
		return nil, unreachable(0, err, "%v", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	if resp.StatusCode != http.StatusOK {
		return nil, unreachable(resp.StatusCode, nil, "the server answers %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, unreachable(0, err, "the answer was not whole within %s", f.timeout)
	case err != nil:
		return nil, unreachable(0, err, "the answer broke off: %v", err)
	case int64(len(body)) > limit:
		return nil, fmt.Errorf("%s: %w", address, errLong)
	}
	return body, nil
}

// ParseURL reads the address of a log or of the office that has it.
func ParseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not the address of a log, such as https://complaints.example/log", s)
	}
	return strings.TrimRight(u.String(), "/"), nil
}
