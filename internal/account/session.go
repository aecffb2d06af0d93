package account

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/alexedwards/scs/v2"

	"plumbline/internal/fault"
	"plumbline/internal/store"
)

// How long a session lives: at most a working day, and an hour without a request.
const (
	SessionIdle     = time.Hour
	SessionAbsolute = 12 * time.Hour

	// sessionNobody is how long one lives in which nobody has signed in: it holds what a passkey or an account elsewhere is
	// asked meanwhile. Strangers make as many as they like, and the table does not keep them.
	sessionNobody = 15 * time.Minute
)

// ended is the account of a session that was signed in and is over. Its row stays, empty, for as long as a request may be
// under way that was let in before: it would write the session anew.
const ended = -1

// endSessions ends sessions: what follows is the condition on them.
const endSessions = `UPDATE session SET account = -1, data = $1, expires = $2 WHERE account > 0 AND `

func endingAt() (data []byte, until int64) {
	return []byte{}, time.Now().Add(SessionAbsolute).UnixMicro()
}

// Names of what a session holds about who is signed in.
const (
	SessionAccount = "account"
	SessionStamp   = "stamp"
	SessionWay     = "way"
	SessionFresh   = "fresh" // when the person last proved who they are
	SessionKeys    = "keys"  // what they can open, sealed so that the cookie is needed to open it
)

// NewSessions returns the manager of sessions kept in table session. The cookie ends with the browser; the database
// keeps only a hash of it, so that a copy of the database opens no session.
func NewSessions(db *store.DB, secure bool, onError func(http.ResponseWriter, *http.Request, error)) *scs.SessionManager {
	m := scs.New()
	m.Store = &sessionStore{db: db}
	m.Codec = jsonCodec{}
	m.IdleTimeout = SessionIdle
	m.Lifetime = SessionAbsolute
	m.Cookie = scs.SessionCookie{Name: "plumbline", HttpOnly: true, Path: "/", SameSite: http.SameSiteLaxMode, Secure: secure}
	if secure {
		m.Cookie.Name = "__Host-plumbline"
	}
	if onError != nil {
		m.ErrorFunc = onError
	}
	return m
}

// jsonCodec encodes the same values always to the same bytes, so that a request that changes nothing is seen to.
// Values are strings.
type jsonCodec struct{}

type sessionData struct {
	Deadline time.Time         `json:"deadline"`
	Values   map[string]string `json:"values"`
}

func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := sessionData{Deadline: deadline.UTC(), Values: make(map[string]string, len(values))}
	for k, v := range values {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("account: session value %s is a %T, not a string", k, v)
		}
		d.Values[k] = s
	}
	return json.Marshal(d)
}

func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, fmt.Errorf("account: session: %w", err)
	}
	values := make(map[string]any, len(d.Values))
	for k, v := range d.Values {
		values[k] = v
	}
	return d.Deadline, values, nil
}

// sessionStore is an scs.CtxStore on table session.
type sessionStore struct{ db *store.DB }

var _ scs.CtxStore = (*sessionStore)(nil)

// A session's end is moved only when it would move by more than this: looking at pages does not write each time.
const sessionSlack = time.Minute

func sessionKey(token string) []byte {
	sum := sha256.Sum256([]byte("plumbline session\x00" + token))
	return sum[:]
}

func (s *sessionStore) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT data FROM session WHERE token = $1 AND expires > $2 AND account >= 0`,
			sessionKey(token), time.Now().UnixMicro()).Scan(&data)
	})
	if fault.Is(err, fault.NotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("find session: %w", err)
	}
	return data, true, nil
}

func (s *sessionStore) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	key := sessionKey(token)
	account, way := whose(data)
	if account == 0 {
		if soon := time.Now().Add(sessionNobody); expiry.After(soon) {
			expiry = soon
		}
	}
	same := false
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		var was []byte
		var expires, of int64
		err := tx.QueryRow(ctx, `SELECT data, expires, account FROM session WHERE token = $1`, key).Scan(&was, &expires, &of)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		same = of == ended || bytes.Equal(was, data) && expiry.UnixMicro()-expires < sessionSlack.Microseconds()
		return err
	})
	if err != nil {
		return fmt.Errorf("keep session: %w", err)
	}
	if same {
		return nil
	}
	return s.db.Tx(ctx, func(tx *store.Tx) error {
		const put = `INSERT INTO session (token, data, expires, account, made, seen, way) VALUES ($1, $2, $3, $4, $5, $5, $6)
			ON CONFLICT (token) DO UPDATE SET data = excluded.data, expires = excluded.expires, account = excluded.account, seen = excluded.seen, way = excluded.way
			WHERE session.account >= 0`
		if _, err := tx.Exec(ctx, put, key, data, expiry.UnixMicro(), account, time.Now().UnixMicro(), way); err != nil {
			return fmt.Errorf("keep session: %w", err)
		}
		// Old sessions go when new ones come: no timer needed.
		_, err := tx.Exec(ctx, `DELETE FROM session WHERE expires < $1`, time.Now().UnixMicro())
		return err
	})
}

// whose reads from a session's data the account that is signed in, and how.
func whose(data []byte) (account int64, way string) {
	_, values, err := jsonCodec{}.Decode(data)
	if err != nil {
		return 0, ""
	}
	id, _ := values[SessionAccount].(string)
	account, _ = strconv.ParseInt(id, 10, 64) // nobody, where it is no number
	way, _ = values[SessionWay].(string)
	return account, way
}

func (s *sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.db.Tx(ctx, func(tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM session WHERE token = $1 AND account = 0`, sessionKey(token)); err != nil {
			return err
		}
		data, until := endingAt()
		_, err := tx.Exec(ctx, endSessions+`token = $3`, data, until, sessionKey(token))
		return err
	})
}

func (s *sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s *sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

func (s *sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
