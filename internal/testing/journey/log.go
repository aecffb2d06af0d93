package journey

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"

	"plumbline/internal/journal"
	"plumbline/internal/ledger"
	"plumbline/internal/matter"
	"plumbline/internal/store"
	"plumbline/verify"
)

// Origin is the name of the office's log.
const Origin = "office.example/log"

// StartLog gives the office's log a key and lets it grow and be signed, as a server does, until the test ends. It returns
// what somebody who checks receipts trusts.
func (o *Office) StartLog() verify.Trust {
	o.T.Helper()
	key, err := ledger.NewKey(filepath.Join(o.T.TempDir(), "log.key"), Origin)
	o.must(err)
	o.must(o.DB.Tx(o.T.Context(), func(tx *store.Tx) error {
		return o.Ledger.RecordKey(o.T.Context(), tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, key, false)
	}))
	ctx, stop := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{
		journal.NewFollowers(o.DB, slog.New(slog.DiscardHandler), o.Ledger.Follower(), matter.Named{}).Run,
		ledger.NewSigner(o.Ledger, key.Path(), nil).Run,
	} {
		parts.Go(func() { _ = run(ctx) }) // ends with ctx alone
	}
	o.T.Cleanup(func() { stop(); parts.Wait() })
	trust := verify.Trust{}
	for _, vkey := range key.Public() {
		v, err := verify.ParseKey(vkey)
		o.must(err)
		trust.Logs = append(trust.Logs, v)
	}
	return trust
}
