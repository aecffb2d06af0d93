package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cloudflare/circl/secretsharing"

	"plumbline/internal/ref"
)

// Whatever prints them by mistake, secrets do not show: not with any verb, in no error, log or panic, and not from within.
func TestSecretsDoNotPrint(t *testing.T) {
	const marker = "heronheronheron"
	s := secret(marker)
	one := sharing.NewScalar().SetUint64(7)
	keys := newKeys(7, 1, s)
	keys.desks[1] = s
	reporter := ReporterKeys(ref.ReceiptCode(marker))
	reporter.code = []byte(marker)
	opener := &Opener{matter: 1, secrets: map[string]secret{"file": s}, entries: map[string][]byte{"file entry/1": []byte(marker)}}
	share := Share{Escrow: 1, share: secretsharing.Share{ID: one, Value: one}}
	for _, x := range []any{
		s, &s, Secret{Kind: Password, Bytes: []byte(marker)}, &Secret{Bytes: []byte(marker)}, newLock{key: []byte(marker)}, OfficeKey(marker),
		keys, reporter, opener, &Founding{opener: opener, by: keys}, &Joined{s: s}, &Vault{office: OfficeKey(marker)}, sessionContent{Person: s}, share, &share,
		map[string]secret{"file": s}, []secret{s}, []Secret{{Bytes: []byte(marker)}}, struct{ Keys *Keys }{keys}, struct{ Key OfficeKey }{OfficeKey(marker)},
	} {
		name := fmt.Sprintf("%T", x)
		var said []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			said = append(said, fmt.Sprintf(verb, x))
		}
		said = append(said, fmt.Errorf("it failed: %v", x).Error(), fmt.Sprint(x))
		for _, h := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }, func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			if _, plain := x.(sessionContent); plain {
				break // it is made to be written as JSON, before it is sealed
			}
			var b bytes.Buffer
			slog.New(h(&b)).Info("it failed", "what", x)
			if strings.HasSuffix(name, "vault.secret") && strings.ContainsAny(name, "[]") {
				continue // a collection of the inner type never leaves the package
			}
			said = append(said, b.String())
		}
		for _, text := range said {
			low := strings.ToLower(text)
			for _, form := range []string{marker, fmt.Sprintf("%x", marker), strings.Trim(fmt.Sprint([]byte(marker)), "[]"), "aGVyb25oZXJvbmhlcm9u"} {
				if strings.Contains(low, strings.ToLower(form)) {
					t.Errorf("%s prints as %s", name, text)
				}
			}
			if one, err := one.MarshalBinary(); err == nil && strings.HasSuffix(name, "Share") && strings.Contains(low, fmt.Sprintf("%x", one)) {
				t.Errorf("%s prints as %s", name, text)
			}
		}
	}
	// What is kept of a session is made of the secret itself.
	if raw, err := json.Marshal(sessionContent{Person: s}); err != nil || !strings.Contains(string(raw), marker) {
		t.Errorf("%s, %v", raw, err)
	}
}
