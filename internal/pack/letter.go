package pack

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"text/template"

	"github.com/jba/templatecheck"
)

// LetterData is what a letter may say: all of it, and nothing else. Dates and names come ready for the reader's
// language. Templates are checked against it when the pack is loaded.
type LetterData struct {
	Office    string // title of the pack
	Body      string // the body that writes
	Reference string // of the matter
	Kind      string // "report"
	State     string // label of the state it is in now
	Public    string // what the status page says about that state
	Received  string // date of receipt
	Today     string // date of the letter
	Due       string // the date by which the next answer is due; empty if none is
	Ended     string // label of the action that closed it; empty while open
	Reason    string // label of the reason code given, if one was
	StatusURL string // page where the reporter follows the matter
	Signed    string // who signs: name and duty, if the action is signed
	Message   string // what the official wrote for the reader in the action's message field, if it has one
}

type letterKey struct{ id, lang string }

type letter struct{ tmpl *template.Template }

// ErrNoLetter is returned for a letter or language the pack does not have.
var ErrNoLetter = errors.New("no such letter")

// WriteLetter fills the letter in, as Markdown.
func (p *Pack) WriteLetter(w io.Writer, id, lang string, data LetterData) error {
	l, ok := p.letters[letterKey{id, lang}]
	if !ok {
		return fmt.Errorf("pack %s: %w: %s in %s", p.ID(), ErrNoLetter, id, lang)
	}
	return l.tmpl.Execute(w, data)
}

func (r *resolver) letters() {
	p := r.p
	p.letters = map[letterKey]*letter{}
	used := map[string]bool{}
	for i := range p.Letters {
		l := &p.Letters[i]
		for _, lang := range p.Languages {
			name := "letters/" + l.ID + "." + lang + ".md"
			used[name] = true
			src, ok := p.Files[name]
			if !ok {
				r.fail(l.At.Place, "F19", "letter %s: the file %s is missing", l.ID, name)
				continue
			}
			t, err := template.New(name).Option("missingkey=error").Parse(string(src))
			if err == nil {
				err = templatecheck.CheckTextStrict(t, LetterData{})
			}
			if err != nil {
				r.fail(Place{File: name}, "F19", "%s", strings.TrimPrefix(err.Error(), "template: "))
				continue
			}
			p.letters[letterKey{l.ID, lang}] = &letter{t}
		}
	}
	for name := range p.Files {
		if path.Dir(name) == "letters" && !used[name] {
			r.fail(Place{File: name}, "F19", "no letter of the pack uses this file")
		}
	}
}
