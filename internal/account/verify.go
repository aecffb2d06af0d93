package account

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"plumbline/internal/journal"
	"plumbline/internal/ref"
	"plumbline/internal/rows"
	"plumbline/internal/store"
)

// Folder refolds the streams of accounts and compares them with the tables (see matter.Verify). Ways to sign in and sessions
// are no part of the record and are not looked at.
type Folder struct{}

// Thing is the first part of the streams it knows.
func (Folder) Thing() string { return "account" }

// Check compares the accounts of some streams, by what follows the slash.
func (Folder) Check(ctx context.Context, tx *store.Tx, streams map[string][]journal.Entry) ([]rows.Difference, error) {
	var out []rows.Difference
	var ids []int64
	for name := range streams {
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: "stream=account/" + name, Got: "no number"})
			continue
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	accounts, err := AccountTable.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	grants, err := GrantTable.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	asked, err := AskedTable.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	officials, err := AskedOfficialTable.LoadMany(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		want := State{Account: Account{ID: ref.AccountID(id)}}
		for _, e := range streams[strconv.FormatInt(id, 10)] {
			now, err := Fold(want, e)
			if err != nil {
				out = append(out, rows.Difference{Problem: rows.Unreadable, Table: "entry", Key: fmt.Sprintf("stream=%s n=%d", e.Stream, e.N), Got: err.Error()})
				continue
			}
			want = now
		}
		out = append(out, AccountTable.Diff(id, []Account{want.Account}, accounts[id])...)
		out = append(out, GrantTable.Diff(id, want.Grants, grants[id])...)
		out = append(out, AskedTable.Diff(id, want.Asked, asked[id])...)
		out = append(out, AskedOfficialTable.Diff(id, want.AskedOfficial, officials[id])...)
	}
	return out, nil
}

// Strays finds accounts, grants and what is asked for that no entry made.
func (Folder) Strays(ctx context.Context, tx *store.Tx, limit int) ([]rows.Difference, error) {
	out, err := AccountTable.Strays(ctx, tx, "account", limit)
	if err != nil {
		return nil, err
	}
	grants, err := GrantTable.Strays(ctx, tx, "account", limit)
	if err != nil {
		return nil, err
	}
	asked, err := AskedTable.Strays(ctx, tx, "account", limit)
	if err != nil {
		return nil, err
	}
	officials, err := AskedOfficialTable.Strays(ctx, tx, "account", limit)
	return slices.Concat(out, grants, asked, officials), err
}
