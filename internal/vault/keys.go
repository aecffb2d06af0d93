package vault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"filippo.io/age"

	"plumbline/internal/ref"
	"plumbline/internal/store"
)

// Keys are what one person can open, or what a receipt code opens. They live in memory only. Nil opens nothing.
type Keys struct {
	account ref.AccountID
	no      int64 // of the person's key
	person  secret
	code    []byte // of a reporter: what the receipt code gives

	mu    sync.Mutex
	id    *age.HybridIdentity
	desks map[int64]secret
	fast  map[int64][]byte // what follows from them for boxes
	ids   map[int64]*age.HybridIdentity
	wiped bool
}

// Account is whose keys they are; 0 for those of a reporter.
func (k *Keys) Account() ref.AccountID {
	if k == nil {
		return 0
	}
	return k.account
}

// ReporterKeys are the keys of the reporter who holds a receipt code.
func ReporterKeys(code ref.ReceiptCode) *Keys {
	return &Keys{code: derive([]byte(code), nil, "plumbline reporter"), desks: map[int64]secret{}, fast: map[int64][]byte{}, ids: map[int64]*age.HybridIdentity{}}
}

// Derive returns 32 bytes for one purpose that only the holder of these keys has: to go on with an upload, for example.
func (k *Keys) Derive(label string) []byte {
	if k == nil {
		return nil
	}
	if k.code != nil {
		return derive(k.code, nil, "plumbline holder "+label)
	}
	return derive([]byte(k.person), nil, "plumbline holder "+label)
}

// Wipe forgets the keys. What Go's memory manager may have copied is beyond reach; see the threat model.
func (k *Keys) Wipe() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.code)
	clear(k.desks)
	clear(k.fast)
	clear(k.ids)
	k.person, k.id, k.wiped = "", nil, true
}

func (k *Keys) identity() (*age.HybridIdentity, error) {
	if k.id == nil {
		id, err := k.person.identity()
		if err != nil {
			return nil, fmt.Errorf("vault: %w", err)
		}
		k.id = id
	}
	return k.id, nil
}

const selectMine = `SELECT m.desk, m.sealed FROM vault_member m WHERE m.account = $1 AND m.sealed IS NOT NULL`

// load reads the desks that these keys open; those known are not opened again, those taken back are forgotten.
func (k *Keys) load(ctx context.Context, tx *store.Tx) error {
	if k == nil || k.account == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.wiped {
		return nil
	}
	type row struct {
		desk   int64
		sealed []byte
	}
	found, err := each(ctx, tx, func(r *store.Rows) (x row, err error) { return x, r.Scan(&x.desk, &x.sealed) }, selectMine, int64(k.account))
	if err != nil {
		return fmt.Errorf("vault: desks of account %d: %w", k.account, err)
	}
	now := make(map[int64]secret, len(found))
	for _, x := range found {
		if s, known := k.desks[x.desk]; known {
			now[x.desk] = s
			continue
		}
		id, err := k.identity()
		if err != nil {
			return err
		}
		plain, err := unwrap(id, x.sealed)
		if err != nil {
			continue // wrapped to a key this person no longer has
		}
		now[x.desk] = secret(plain)
	}
	k.desks = now
	return nil
}

// desk is the secret of a desk, if these keys open it. load comes first.
func (k *Keys) desk(id int64) (secret, bool) {
	if k == nil {
		return "", false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.desks[id]
	return s, ok
}

// held lists to what these keys open wraps, in order: desks, or what stands for the reporter. load comes first.
func (k *Keys) held() []int64 {
	if k == nil {
		return nil
	}
	if k.code != nil {
		return []int64{toReporter}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.desks))
}

// wrapKey is what opens boxes of a desk, whose secret is s.
func (k *Keys) wrapKey(id int64, s secret) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := k.fast[id]; got != nil {
		return got
	}
	got := wrapKey(s)
	if !k.wiped {
		k.fast[id] = got
	}
	return got
}

// deskIdentity is what opens age files to a desk, whose secret is s.
func (k *Keys) deskIdentity(id int64, s secret) (*age.HybridIdentity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := k.ids[id]; got != nil {
		return got, nil
	}
	got, err := s.identity()
	if err == nil && !k.wiped {
		k.ids[id] = got
	}
	return got, err
}
