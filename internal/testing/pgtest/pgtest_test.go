package pgtest

import (
	"testing"
)

func TestEveryTestGetsADatabaseOfItsOwnAndLeavesNone(t *testing.T) {
	var one string
	t.Run("inner", func(t *testing.T) {
		one = URL(t)
		two := URL(t)
		if one == two {
			t.Errorf("both are %s", one)
		}
		db := open(t, one)
		run(t, db, "CREATE TABLE mine (k BIGINT)")
		other := open(t, two)
		run(t, other, "CREATE TABLE mine (k BIGINT)") // would fail on the same database
		_ = db.Close()                                // only to be tidy; the drop does without
		_ = other.Close()
	})
	if one == "" {
		t.Skip("no PostgreSQL, as said above")
	}
	if err := ping(one); err == nil {
		t.Error("the database of a finished test is still there")
	}
}
