package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/ledger"
	"plumbline/internal/office"
	"plumbline/internal/server"
	"plumbline/internal/web"
	"plumbline/internal/witness"
	"plumbline/verify"
)

type serveCmd struct {
	dbFlag
	logKeyFlag
	oidcFlags
	fileFlags
	guardFlags
	Listen      string        `name:"listen" env:"PLUMBLINE_LISTEN" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address of the pages."`
	BehindProxy bool          `name:"behind-proxy" env:"PLUMBLINE_BEHIND_PROXY" help:"A web server that speaks TLS stands in front: cookies are marked as secure, and /metrics is not served on this address."`
	Metrics     string        `name:"metrics" env:"PLUMBLINE_METRICS" placeholder:"ADDR" help:"Serve /metrics on an address of its own."`
	Drain       time.Duration `name:"drain" default:"20s" help:"How long a graceful stop waits for requests that have begun."`
	ExitURL     string        `name:"exit-url" env:"PLUMBLINE_EXIT_URL" placeholder:"URL" help:"Where \"Leave this page quickly\" leads: a harmless site that is common where you are."`

	WitnessPolicy string `name:"witness-policy" env:"PLUMBLINE_WITNESS_POLICY" placeholder:"FILE" help:"Publish no head of the log before the witnesses in this policy (C2SP tlog-policy) have cosigned it."`
}

func (serveCmd) Help() string { return helpText("serve") }

func (c *serveCmd) Run(ctx context.Context, t *terminal) (err error) {
	a, err := c.open(ctx, t, wantOffice)
	if err != nil {
		return err
	}
	defer a.closing(&err)
	signer, err := a.signer(ctx, t, c.path(c.DB), c.DB, c.WitnessPolicy)
	if err != nil {
		return err
	}
	if err := a.keptWithoutKey(ctx); err != nil {
		return err
	}
	elsewhere, err := c.elsewhere()
	if err != nil {
		return err
	}
	l, err := listen(c.Listen)
	if err != nil {
		return err
	}
	opts := serveOptions{oidc: elsewhere, listener: l, signer: signer, secure: c.BehindProxy, behindProxy: c.BehindProxy, drain: c.Drain, exitURL: c.ExitURL, files: a.files(t, c.DB, c.limits())}
	if opts.guarded, err = c.guarded(a, t); err != nil {
		return errors.Join(err, l.Close())
	}
	if c.Metrics != "" {
		if opts.metrics, err = listen(c.Metrics); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if !c.BehindProxy && !isLoopback(l.Addr()) {
		t.log.Warn("pages are served without TLS to other machines; put a web server in front and use --behind-proxy")
	}
	opts.ready = func() {
		t.log.Info("ready", "address", "http://"+l.Addr().String(), "database", safeURL(c.DB), "pack", office.ID(a.office.Active()), "version", readBuild().Version)
	}
	return a.serve(ctx, t, opts)
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot listen on " + addr, cause: err}
	}
	return l, nil
}

func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

type serveOptions struct {
	listener    net.Listener
	signer      *ledger.Signer
	metrics     net.Listener
	secure      bool
	behindProxy bool
	drain       time.Duration
	exitURL     string
	oidc        *web.OIDC
	files       *exhibit.Files
	guarded     guarded
	ready       func()
}

// How often background work looks around by itself.
const (
	clockEvery  = 5 * time.Second  // clocks that ran out
	officeEvery = 10 * time.Second // packs and settings that another process changed

	keysEvery        = 10 * time.Minute // duties that began or ended with the day
	inspectionsEvery = time.Minute      // what a draw has left to open
)

// serve runs the pages and everything that goes on behind them.
func (a *app) serve(ctx context.Context, t *terminal, o serveOptions) error {
	if err := noCoreDump(); err != nil {
		t.log.Warn("a crash could leave what was open in memory on the disk", "error", err)
	}
	if o.files == nil {
		o.files = exhibit.New(a.db, exhibit.Options{Log: t.log, Now: a.now})
	}
	handler, err := web.New(web.Deps{
		DB: a.db, Engine: a.engine, Files: o.files, Office: a.office, Accounts: a.accounts, Figures: a.tally, Ledger: a.ledger,
		Book: book(), Log: t.log, Now: a.now, Secure: o.secure, ExitURL: o.exitURL, OIDC: o.oidc,
		Notices: o.guarded.notices, Onion: o.guarded.onion, Flood: o.guarded.flood,
	})
	if err != nil {
		return err
	}
	followers := a.followers
	if o.guarded.notices != nil {
		followers = followers.With(o.guarded.notices)
	}
	config := server.Config{
		DB: a.db, Handler: handler, Log: t.log, Version: readBuild().Version,
		Listen: o.listener, Metrics: o.metrics, BehindProxy: o.behindProxy, Drain: o.drain, Ready: o.ready,
		Parts: []server.Part{
			{Name: "followers", Run: followers.Run},
			{Name: server.SigningPart, Run: o.signer.Run},
			{Name: "clocks", Run: every(clockEvery, func(ctx context.Context) error {
				n, err := a.engine.RunClocks(ctx)
				if n > 0 {
					t.log.Info("clocks ran out or pauses ended", "matters", n)
				}
				return err
			})},
			filesPart(t, o.files),
			{Name: "keys", Run: every(keysEvery, func(ctx context.Context) error {
				_, err := a.accounts.KeysFollowDays(ctx)
				return err
			})},
			{Name: "office", Run: every(officeEvery, a.office.Refresh)},
			{Name: "inspections", Run: every(inspectionsEvery, func(ctx context.Context) error {
				opened, err := a.samples().Resume(ctx)
				if opened.Now > 0 {
					t.log.Info("inspections of matters drawn at random opened", "matters", opened.Now)
				}
				return err
			})},
		},
	}
	config.Parts = append(config.Parts, o.guarded.parts(a)...)
	if a.witnesses != nil {
		config.Witnesses = a.witnesses.Status
	}
	if routed, ok := handler.(interface{ Route(*http.Request) string }); ok {
		config.Route = routed.Route
	}
	return server.Run(ctx, config)
}

// every makes a part that does something at once and then again after each pause.
func every(pause time.Duration, do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for {
			if err := do(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("every %s: %w", pause, err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(pause):
			}
		}
	}
}

// signer makes what signs the log. It refuses to begin without the log's own key, since a server that takes reports and
// gives no receipts keeps no promise.
func (a *app) signer(ctx context.Context, t *terminal, keyPath, db, policyPath string) (*ledger.Signer, error) {
	key, err := openLogKey(keyPath, db)
	if err != nil {
		return nil, err
	}
	origin, keys, err := a.keysInForce(ctx)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, problemf(fault.NotFound, "the log of this office has no key yet; make it with: plumbline log key new --db %s", safeURL(db))
	}
	if origin != key.Origin() || !key.SignsWith(keys) {
		return nil, problemf(fault.Conflict, "the key in %s is not the one the log %s is signed with: name its file with --log-key", keyPath, origin)
	}
	var cosigner ledger.Cosigner
	if policyPath != "" {
		text, err := os.ReadFile(policyPath)
		if err != nil {
			return nil, &problem{kind: fault.NotFound, text: "cannot read the policy of witnesses", cause: err}
		}
		policy, err := witness.ParsePolicy(text)
		if err != nil {
			return nil, &problem{kind: fault.Invalid, text: policyPath + " is no policy that can be used", cause: err}
		}
		client, err := witness.NewClient(policy, witness.Options{Log: t.log})
		if err != nil {
			return nil, &problem{kind: fault.Invalid, text: policyPath + " is no policy that can be used", cause: err}
		}
		if logs := policy.Logs; len(logs) > 0 && !slices.ContainsFunc(logs, func(l witness.PolicyLog) bool { return slices.Contains(keys, l.VKey) }) {
			return nil, problemf(fault.Invalid, "%s names logs, and none of them with a key of this one, %s: add a line \"log %s\"", policyPath, origin, keys[0])
		}
		a.witnesses, cosigner = client, cosigned{client}
	}
	return ledger.NewSigner(a.ledger, keyPath, cosigner), nil
}

// cosigned puts below a signed head what the witnesses of a policy signed.
type cosigned struct{ *witness.Client }

func (c cosigned) Cosign(ctx context.Context, signed []byte, proof func(context.Context, uint64) ([]verify.Hash, error)) ([]byte, bool, error) {
	lines, met, err := c.Client.Cosign(ctx, signed, proof)
	out := bytes.Clone(signed)
	for _, line := range lines {
		out = append(out, line...)
	}
	return out, met, err
}
