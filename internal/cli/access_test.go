package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"plumbline/internal/access"
	"plumbline/internal/pack"
)

// The documentation prints the table by which the program decides, and no other.
func TestTheDocumentedLawIsTheLaw(t *testing.T) {
	p, err := pack.Bundled("generic")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/explanation/access.md")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	LawInMarkdown(&want, book().For("en"), p)
	if !strings.Contains(string(page), want.String()) {
		t.Errorf("docs/explanation/access.md does not hold the table as it is; replace its two tables by the output of plumbline access law --pack generic --markdown:\n%s", want.String())
	}
}

// Every part of the law has words, in every language.
func TestTheLawHasWords(t *testing.T) {
	for _, say := range book().Speakers() {
		word := func(key string) {
			if got := say.T(key); got == "" || got == key {
				t.Errorf("%s: %s has no words", say.Lang(), key)
			}
		}
		for _, r := range access.Law {
			word("law.act." + string(r.Act))
			word("law.scope." + string(r.Where))
			word("law.only." + string(r.Only))
			for _, q := range r.Duty {
				word("law.quality." + string(q))
			}
		}
		for _, b := range access.Bars {
			word("law.reason." + string(b.Reason))
			word("law.extent." + string(b.Forbids))
		}
	}
}
