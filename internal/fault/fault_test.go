package fault

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("matter 7: %w", New(Conflict, "matter.stale", nil))
	if KindOf(err) != Conflict || !Is(err, Conflict) || Is(err, NotFound) {
		t.Errorf("KindOf = %v", KindOf(err))
	}
}

func TestUnknownErrorsAreOurs(t *testing.T) {
	if k := KindOf(errors.New("disk on fire")); k != Internal {
		t.Errorf("KindOf = %v, want internal", k)
	}
}

func TestCauseStaysReachable(t *testing.T) {
	cause := errors.New("disk on fire")
	err := Wrap(cause, Unavailable, "store.busy", Args{"b": 2, "a": 1})
	if !errors.Is(err, cause) {
		t.Error("cause lost")
	}
	if got, want := err.Error(), "unavailable: store.busy (a=1, b=2): disk on fire"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestNoFieldsNoFault(t *testing.T) {
	if err := InvalidFields(nil); err != nil {
		t.Errorf("InvalidFields(nil) = %v", err)
	}
	err := InvalidFields([]Field{{Name: "date", Key: "field.date"}})
	if !Is(err, Invalid) || !strings.Contains(err.Error(), "date: field.date") {
		t.Errorf("InvalidFields = %v", err)
	}
}
