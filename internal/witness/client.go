package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// A Client asks the witnesses of a policy for cosignatures. It is safe for use by many goroutines.
type Client struct {
	policy *Policy
	opts   Options
	http   *http.Client

	mu     sync.Mutex
	states []Status // as the policy lists them
}

// Options of NewClient; the zero value of each means "as usual".
type Options struct {
	Log     *slog.Logger
	Timeout time.Duration // most that one witness may take; 10 seconds
	Grace   time.Duration // how long others are waited for once the policy is met; a quarter of a second
	Now     func() time.Time
}

// Outcome is what became of asking a witness.
type Outcome string

const (
	NotAsked    Outcome = "not-asked"   // no address in the policy, or nothing to ask yet
	Cosigned    Outcome = "cosigned"    // it cosigned
	NotWaited   Outcome = "not-waited"  // others were enough before it answered
	Unreachable Outcome = "unreachable" // no answer in time, or one that is none of this protocol
	UnknownLog  Outcome = "unknown-log" // it does not know the log
	Refused     Outcome = "refused"     // it does not accept the log's key, or our request
	Ahead       Outcome = "ahead"       // it has seen a larger log than ours
	Forked      Outcome = "forked"      // it has seen another history than ours
)

// Status is what is known of a witness.
type Status struct {
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	Outcome Outcome   `json:"outcome"`
	Detail  string    `json:"detail,omitempty"` // for the operator
	At      time.Time `json:"at,omitzero"`      // when it was last asked
	Last    time.Time `json:"last,omitzero"`    // when it last cosigned
	Size    uint64    `json:"size,omitempty"`   // of the newest head that it is known to have
	Failing time.Time `json:"failing,omitzero"` // since when it has not cosigned; zero while it does
	line    []byte    // its cosignature of this round
}

// OK tells that nothing has to be done about the witness.
func (s Status) OK() bool {
	return s.Outcome == Cosigned || s.Outcome == NotWaited || s.Outcome == NotAsked
}

// NewClient returns a client for the witnesses of a policy. Those without an address are not asked; a policy that cannot
// be met without them is refused.
func NewClient(p *Policy, opts Options) (*Client, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Grace <= 0 {
		opts.Grace = 250 * time.Millisecond
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	c := &Client{policy: p, opts: opts, http: &http.Client{
		// A witness that sends us elsewhere is not the one the policy names.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	reachable := map[string]bool{}
	for _, w := range p.Witnesses {
		reachable[w.Name] = w.URL != ""
		c.states = append(c.states, Status{Name: w.Name, URL: w.URL, Outcome: NotAsked})
	}
	if !p.Met(func(name string) bool { return reachable[name] }) {
		return nil, errors.New("the quorum of the policy cannot be met: too few of its witnesses have an address")
	}
	return c, nil
}

// Policy returns the policy.
func (c *Client) Policy() *Policy { return c.policy }

// Status tells of each witness what became of asking it last.
func (c *Client) Status() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Status(nil), c.states...)
}

// ErrNotMet is in the chain when too few witnesses have cosigned.
var ErrNotMet = errors.New("witness: too few witnesses have cosigned")

// Prove gives the proof that the log whose head is to be cosigned begins with the log of size old, which is neither zero
// nor larger. It may be called by several goroutines at once.
type Prove func(ctx context.Context, old uint64) ([]verify.Hash, error)

// Cosign asks all witnesses at once to cosign a signed head, and returns their cosignatures, each a line to be put after
// the signatures of the head. It returns when every witness has answered, or shortly after the policy is met. Met tells
// whether it is; if not, the error says what each witness answered, and the cosignatures there are come with it. Nothing
// is lost by asking again later with a larger head.
func (c *Client) Cosign(ctx context.Context, signed []byte, prove Prove) (cosignatures [][]byte, met bool, err error) {
	text, err := noteText(signed)
	if err != nil {
		return nil, false, err
	}
	head, err := verify.ParseCheckpoint(text)
	if err != nil {
		return nil, false, err
	}
	round, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	answers := make(chan answer, len(c.states))
	asked := 0
	for i, s := range c.Status() {
		if s.URL == "" {
			continue
		}
		asked++
		go func() { answers <- answer{i, c.ask(round, i, s, head, signed, prove)} }()
	}
	cosigned := map[string]bool{}
	waiting := map[int]bool{}
	for i, s := range c.Status() {
		waiting[i] = s.URL != ""
	}
	met = c.policy.Met(func(name string) bool { return cosigned[name] })
	var enough <-chan time.Time
	if met { // a quorum of none: whoever answers in time is welcome
		enough = time.After(c.opts.Grace)
	}
collect:
	for range asked {
		select {
		case a := <-answers:
			waiting[a.witness] = false
			c.note(a.witness, a.status)
			if a.status.Outcome != Cosigned {
				continue
			}
			cosignatures = append(cosignatures, a.status.line)
			cosigned[a.status.Name] = true
			if !met && c.policy.Met(func(name string) bool { return cosigned[name] }) {
				met, enough = true, time.After(c.opts.Grace)
			}
		case <-enough:
			break collect
		}
	}
	for i, still := range waiting {
		if s := c.Status()[i]; still {
			s.Outcome, s.Detail, s.At = NotWaited, "the others were enough before it answered", c.opts.Now().UTC()
			c.note(i, s)
		}
	}
	if !met {
		return cosignatures, false, c.notMet()
	}
	return cosignatures, true, nil
}

type answer struct {
	witness int
	status  Status
}

// note keeps what became of asking a witness, and logs when that changes.
func (c *Client) note(i int, s Status) {
	c.mu.Lock()
	before := c.states[i]
	if s.OK() {
		s.Failing = time.Time{}
	} else if s.Failing = before.Failing; s.Failing.IsZero() {
		s.Failing = s.At
	}
	c.states[i] = s
	c.states[i].line = nil
	c.mu.Unlock()
	switch {
	case s.OK() && !before.OK():
		c.opts.Log.Info("a witness cosigns again", "witness", s.Name)
	case !s.OK() && s.Outcome != before.Outcome:
		c.opts.Log.Warn("a witness does not cosign", "witness", s.Name, "outcome", string(s.Outcome), "detail", s.Detail)
	}
}

func (c *Client) notMet() error {
	var said []string
	for _, s := range c.Status() {
		if s.Detail != "" {
			said = append(said, s.Name+": "+s.Detail)
		}
	}
	return fmt.Errorf("%w for the policy (%s)", ErrNotMet, strings.Join(said, "; "))
}

// ask asks one witness, again where it has another head than we thought.
func (c *Client) ask(ctx context.Context, i int, s Status, head verify.Checkpoint, signed []byte, prove Prove) Status {
	key := c.policy.Witnesses[i].Key
	s.At, s.Detail, s.line = c.opts.Now().UTC(), "", nil
	failed := func(o Outcome, format string, args ...any) Status {
		s.Outcome, s.Detail = o, fmt.Sprintf(format, args...)
		return s
	}
	for attempt := 0; attempt < 3; attempt++ { // a third time if another instance of the log asked in between
		if s.Size > head.Size {
			// It is asked all the same, with the size that is surely wrong: it may have been set up anew since.
			s.Size = 0
		}
		r := Request{Old: s.Size, Checkpoint: signed}
		if r.Old > 0 && r.Old < head.Size {
			var err error
			if r.Proof, err = prove(ctx, r.Old); err != nil {
				return failed(Unreachable, "no proof from size %d could be made: %v", r.Old, err)
			}
		}
		reply, err := c.post(ctx, s.URL+"/add-checkpoint", r.Marshal())
		if err != nil {
			return failed(Unreachable, "it does not answer: %v", err)
		}
		switch reply.code {
		case http.StatusOK:
			line, err := cosignatureOf(signed, reply.body, key, c.opts.Now())
			if err != nil {
				return failed(Refused, "its answer is not a cosignature by %s: %v", key.Name(), err)
			}
			s.Outcome, s.Size, s.Last, s.line = Cosigned, head.Size, s.At, line
			return s
		case http.StatusConflict:
			size, err := parseSize(strings.TrimSuffix(string(reply.body), "\n"))
			if err != nil || reply.kind != "text/x.tlog.size" || !bytes.HasSuffix(reply.body, []byte("\n")) {
				return failed(Unreachable, "it answers 409 without saying which size it has")
			}
			s.Size = size
			if size > head.Size {
				return failed(Ahead, "it has seen %d entries of this log, and we have %d: an older copy of the log is running here, or a second one elsewhere", size, head.Size)
			}
		case http.StatusNotFound:
			return failed(UnknownLog, "it does not know the log %s: its operator has to add it with our key", head.Origin)
		case http.StatusForbidden:
			return failed(Refused, "it does not accept the signature of %s: its operator has to add our new key", head.Origin)
		case http.StatusUnprocessableEntity:
			return failed(Forked, "it has seen another history of this log, of %d entries, which ours does not continue", r.Old)
		default:
			return failed(Unreachable, "it answers with the status %d", reply.code)
		}
	}
	return failed(Unreachable, "its head moves while we ask: is another instance of this log asking as well?")
}

type reply struct {
	code int
	kind string // content type
	body []byte
}

const maxReply = 64 << 10

func (c *Client) post(ctx context.Context, url string, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	req.Header.Set("User-Agent", "plumbline")
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return reply{}, errors.New("not in time")
		}
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return reply{}, err
	}
	if len(content) > maxReply {
		return reply{}, errors.New("the answer is too long")
	}
	return reply{code: resp.StatusCode, kind: resp.Header.Get("Content-Type"), body: content}, nil
}

// cosignatureOf finds the cosignature by key among the lines of an answer, and checks it.
func cosignatureOf(signed, lines []byte, key note.Verifier, now time.Time) ([]byte, error) {
	text, err := noteText(signed)
	if err != nil {
		return nil, err
	}
	n, err := note.Open(append([]byte(text+"\n"), lines...), note.VerifierList(key))
	if err != nil {
		return nil, err
	}
	s := n.Sigs[0]
	at, err := cosignedAt(s)
	if err != nil {
		return nil, err
	}
	if at.After(now.Add(time.Hour)) {
		return nil, fmt.Errorf("it is of %s, which has not come yet: a clock is wrong", at.Format(time.RFC3339))
	}
	return []byte(line(s)), nil
}
