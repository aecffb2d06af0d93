package journey

import (
	"plumbline/internal/journal"
	"plumbline/internal/store"
	"plumbline/internal/web"
)

// Option changes how an office is served.
type Option func(*web.Deps)

// Secure serves the pages as behind TLS.
func Secure(yes bool) Option { return func(d *web.Deps) { d.Secure = yes } }

// Elsewhere lets people sign in with an account elsewhere.
func Elsewhere(o *web.OIDC) Option { return func(d *web.Deps) { d.OIDC = o } }

// Set changes a setting of the office.
func (o *Office) Set(name, value string) {
	o.T.Helper()
	ctx := o.T.Context()
	o.must(o.DB.Tx(ctx, func(tx *store.Tx) error {
		return o.Office.Set(ctx, tx, journal.Actor{Duty: "operator"}, journal.ViaCLI, name, value)
	}))
	o.must(o.Office.Refresh(ctx))
}

// Quiet checks that every text that a page asked for was there.
func (o *Office) Quiet() {
	o.T.Helper()
	if missing := o.Book.Missing(); len(missing) > 0 {
		o.T.Errorf("texts that are not in the catalogues: %v", missing)
	}
}
