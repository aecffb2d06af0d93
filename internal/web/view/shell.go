package view

import (
	"net/http"
	"net/url"

	"plumbline/internal/words"
)

// Shell is the frame of a page. A page struct embeds it and sets the upper part; the lower part is
// filled in when the page is shown.
type Shell struct {
	Title  string // what this page is, without the office's name
	Staff  bool   // the width and type size of staff pages
	Bands  bool   // the page draws its own bands over the full width and opens its own containers
	Exit   bool   // show "Leave this page quickly" and do not come back from the browser's memory
	Back   Link   // a way back; without Text it says "Back"
	Crumbs []Link // where this page is, from the outside in; the page itself is not among them
	Errors ErrorSummary
	Notes  []Banner // what the page says on top; flash messages are added
	Keep   Keep     // the form whose answers a change of language must not lose

	Frame     Frame
	Lang, Dir string
	Path      string     // of this page, for a form that posts back to it
	Languages []LangLink // this page in the other languages
}

// Keep names a form that is answered over several pages. Changing the language then sends the form, with everything
// that was typed, instead of following a link. The button of that name and value says so to whoever receives it; Next is
// the value by which the Enter key sends the form on, as its own main button would; empty where nothing can be typed.
type Keep struct{ Form, Name, Stay, Next string }

func (s *Shell) shell() *Shell { return s }

// Frame is what stands around the content for this reader.
type Frame struct {
	Office string // the office's name; the product's if empty
	Home   string // where the name leads; "/" if empty
	Nav    []Link
	User   *User // nil for the public
	Footer []Link
	SignIn string // where staff sign in; "" hides the link
}

// User is who is signed in.
type User struct {
	Name    string
	Account string // address of the account page
	SignOut string // address that a sign-out is posted to
}

// A LangLink leads to this page in another language.
type LangLink struct{ Lang, Name, Href, Label string }

func (s *Site) fill(sh *Shell, w http.ResponseWriter, r *http.Request, say *words.Speaker) {
	sh.Lang, sh.Dir, sh.Path = say.Lang(), say.Dir(), r.URL.Path
	if s.opts.Frame != nil {
		sh.Frame = s.opts.Frame(r, say)
	}
	if sh.Frame.Office == "" {
		sh.Frame.Office = say.T("shell.name")
	}
	if sh.Frame.Home == "" {
		sh.Frame.Home = "/"
	}
	sh.Languages = nil
	for _, other := range s.opts.Book.Speakers() {
		if other == say {
			continue
		}
		sh.Languages = append(sh.Languages, LangLink{
			Lang: other.Lang(), Name: other.Name(), Href: inLanguage(r.URL, other.Lang()),
			// Said in the language that it leads to: that is the one its reader can read.
			Label: other.T("shell.language.switch", "name", other.Name()),
		})
	}
	sh.Notes = append(takeFlash(w, r, s.opts.Secure, say), sh.Notes...)
}

// inLanguage is the address of the same page in another language. The other values of the query stay.
func inLanguage(u *url.URL, lang string) string {
	q := u.Query()
	q.Set("lang", lang)
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String()
}
