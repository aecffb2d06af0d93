// Package pagecheck holds the checks that every set of pages has to pass. Only tests import it.
package pagecheck

import (
	"html/template"
	"testing"

	"github.com/jba/templatecheck"

	"plumbline/internal/web/view"
)

// Templates type-checks every registered page against its struct, in every language: a field that
// is misspelt in a template fails here and not in front of a reader.
func Templates(t *testing.T, site *view.Site) {
	t.Helper()
	pages := 0
	site.EachPage(func(lang, name string, tmpl *template.Template, zero any) {
		pages++
		if err := templatecheck.CheckHTML(tmpl, zero); err != nil {
			t.Errorf("%s (%s): %v", name, lang, err)
		}
	})
	if pages == 0 {
		t.Error("no page is registered: nothing was checked")
	}
}
