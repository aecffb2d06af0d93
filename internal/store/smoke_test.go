package store_test

import (
	"testing"

	"plumbline/internal/schema"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
)

func TestSmoke(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if err := db.Migrate(ctx, schema.FS); err != nil {
			t.Fatal(err)
		}
		st, err := db.Schema(ctx, schema.FS)
		if err != nil || st.Current != st.Latest {
			t.Fatal(st, err)
		}
		err = db.Tx(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1,$2)`, "a", "b")
			if err != nil {
				return err
			}
			return tx.InsertMany(ctx, "setting", []string{"name", "value"}, [][]any{{"c", "d"}, {"e", "f"}})
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
