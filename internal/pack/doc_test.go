package pack

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"plumbline/internal/calendar"
)

// The reference is complete: every key, type, effect, property and letter value of the code stands in it.
func TestTheReferenceNamesEverything(t *testing.T) {
	b, err := os.ReadFile("../../docs/reference/pack.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	says := func(what, word string) {
		if !strings.Contains(page, "`"+word+"`") && !strings.Contains(page, "`"+word+":") && !strings.Contains(page, "."+word+"`") {
			t.Errorf("docs/reference/pack.md does not tell of the %s %q", what, word)
		}
	}
	seen := map[reflect.Type]bool{}
	var keys func(typ reflect.Type)
	keys = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[Effect]() || typ == reflect.TypeFor[calendar.Period]() {
			return
		}
		seen[typ] = true
		for _, k := range keysOf(typ) {
			if typ != reflect.TypeFor[calendar.Spec]() && typ != reflect.TypeFor[calendar.Holiday]() {
				says("key of "+typ.Name(), k)
			} else if !strings.Contains(page, k+":") {
				t.Errorf("docs/reference/pack.md does not tell of the key %s of the calendar", k)
			}
			keys(typ.Field(fieldFor(typ, k)).Type)
		}
	}
	keys(reflect.TypeFor[Pack]())
	for _, f := range fieldTypes {
		says("field type", f)
	}
	for _, e := range EffectNames {
		says("effect", e)
	}
	for typ, props := range properties {
		for name := range props {
			says("property of "+typ, name)
		}
	}
	for i := range reflect.TypeFor[LetterData]().NumField() {
		says("letter value", reflect.TypeFor[LetterData]().Field(i).Name)
	}
	for _, c := range Compartments {
		says("compartment", c)
	}
	for _, r := range Relations {
		says("relation", r)
	}
	for d := range builtinDims {
		says("dimension", d)
	}
}

func TestTheExplanationNamesEveryRule(t *testing.T) {
	b, err := os.ReadFile("../../docs/explanation/fairness.md")
	if err != nil {
		t.Fatal(err)
	}
	for id := range Rules {
		if !strings.Contains(string(b), "### "+id+" ") {
			t.Errorf("docs/explanation/fairness.md has no heading for %s", id)
		}
	}
}
