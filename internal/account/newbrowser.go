package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// newBrowserLife is how long a link to a new browser is good, and how often there is another one.
const newBrowserLife = 15 * time.Minute

// NewBrowser returns what makes a browser known to an account before it has signed in there: while a stranger guesses without
// end, every browser that is not known waits with the stranger. The person makes it where they are signed in; else an
// administrator over the account, or the operator. It signs nobody in and tells nothing. All that are made within a quarter of an
// hour are one and the same browser: whoever makes many of them gets no more tries.
func (s *Accounts) NewBrowser(ctx context.Context, tx *store.Tx, by By, id ref.AccountID) (token string, until time.Time, err error) {
	st, err := s.Load(ctx, tx, id)
	if err != nil {
		return "", until, err
	}
	if by.system || by.Viewer.Account != id {
		if err := s.mayManage(ctx, tx, by, st); err != nil {
			return "", until, err
		}
	}
	if st.Account.Active == 0 {
		return "", until, fault.New(fault.Conflict, "account.inactive", fault.Args{"name": st.Account.Name})
	}
	span := s.now().Truncate(newBrowserLife)
	until = span.Add(2 * newBrowserLife)
	m := hmac.New(sha256.New, s.secret)
	fmt.Fprintf(m, "plumbline new browser nonce\x00%d\x00%d", id, span.Unix())
	nonce := m.Sum(nil)[:deviceNonce]
	raw := append(append([]byte{}, nonce...), s.deviceTag(id, nonce)...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(until.Unix()))
	return base64.RawURLEncoding.EncodeToString(append(raw, s.newBrowserSeal(raw)...)), until.UTC(), nil
}

func (s *Accounts) newBrowserSeal(raw []byte) []byte {
	m := hmac.New(sha256.New, s.secret)
	m.Write([]byte("plumbline new browser\x00"))
	m.Write(raw)
	return m.Sum(nil)[:deviceTag]
}

// AdmitBrowser returns the cookie of a browser that was given a link, if that is still good.
func (s *Accounts) AdmitBrowser(token, cookie string) (string, error) {
	const tag = deviceNonce + deviceTag
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != tag+8+deviceTag || !hmac.Equal(raw[tag+8:], s.newBrowserSeal(raw[:tag+8])) ||
		s.now().Unix() >= int64(binary.BigEndian.Uint64(raw[tag:])) {
		return "", fault.New(fault.NotFound, "account.new-browser", nil)
	}
	return addDevice(raw[:tag], cookie), nil
}
