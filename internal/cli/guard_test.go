package cli

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"plumbline/internal/account"
	"plumbline/internal/matter"
	"plumbline/internal/office"
	"plumbline/internal/testing/world"
	"plumbline/internal/vault"
)

// Settings that would lead reporters astray or tell secrets are refused before anything is served, and no password is
// repeated in what is said.
func TestTheFlagsOfTheWayIn(t *testing.T) {
	db := world.SQLite(t)
	o, err := office.Open(t.Context(), db)
	if o == nil {
		t.Fatal(err)
	}
	a := &app{db: db, office: o, now: time.Now, engine: matter.New(db, o, time.Now, vault.New(db, vault.NewOfficeKey(), time.Now)), accounts: account.New(db, o, time.Now)}
	term := &terminal{log: slog.New(slog.DiscardHandler)}
	const onion = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
	for _, tt := range []struct {
		name  string
		flags guardFlags
		wrong string // part of what is said
	}{
		{"nothing", guardFlags{BlindFilings: 120}, ""},
		{"everything", guardFlags{Onion: "http://" + onion, BlindFilings: -1, SMTP: "smtps://u:zebra-password@mail.example", MailFrom: "a@office.example", Address: "https://office.example"}, ""},
		{"a wrong letter in the onion address", guardFlags{Onion: "x" + onion[1:]}, "--onion"},
		{"a sender without a server", guardFlags{MailFrom: "a@office.example"}, "--smtp"},
		{"a server without a sender", guardFlags{SMTP: "smtps://u:zebra-password@mail.example"}, "address that mails come from"},
		{"a server of another kind", guardFlags{SMTP: "imap://u:zebra-password@mail.example", MailFrom: "a@office.example"}, "smtps://"},
		{"an address without a scheme", guardFlags{SMTP: "smtps://u:zebra-password@mail.example", MailFrom: "a@office.example", Address: "office.example"}, "--address"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := tt.flags.guarded(a, term)
			if tt.wrong == "" {
				if err != nil {
					t.Fatal(err)
				}
				if g.notices.On() != (tt.flags.SMTP != "") || tt.flags.Onion != "" && g.onion != onion || g.flood.Pace != tt.flags.BlindFilings {
					t.Errorf("%+v", g)
				}
				want := 1
				if g.notices.On() {
					want = 2
				}
				if parts := g.parts(a); len(parts) != want {
					t.Errorf("%d parts, want %d", len(parts), want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.wrong) {
				t.Errorf("said is %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "zebra-password") {
				t.Errorf("the password is repeated: %v", err)
			}
		})
	}
}
