package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"plumbline/internal/access"
	"plumbline/internal/fault"
	"plumbline/internal/ref"
	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// sheet is a page that shows one thing: what it is, its parts, and what can be done with it on the right.
type sheet struct {
	view.Shell
	Identity *view.IdentityBar // carries the h1; else Heading does
	Heading  string
	Lede     string
	Tabs     []view.Link
	Buttons  []view.Link // the first is the main one
	Sections []section
	Actions  *view.ActionList
	Narrow   bool
}

// section is a part of a sheet: a heading and whichever of these there is.
type section struct {
	Heading  string
	Quiet    string // a line below the heading
	Warn     string
	Note     *view.Note
	List     *view.SummaryList
	Table    *view.Table
	Timeline *view.Timeline
	Empty    *view.Empty
	Sealed   []view.SealedPart
	Form     *view.Form
	Receipt  *view.Receipt
	Links    []view.Link
	More     view.Link
}

var sheetView = view.Page[sheet]("staff/sheet")

// list is a page that shows many things of one kind.
type list struct {
	view.Shell
	Heading string
	Lede    string
	Filter  *view.FilterPanel
	Saved   []view.Link // filters to come back to: addresses, nothing more
	Buttons []view.Link
	Count   string
	Table   view.Table
	Bulk    *bulk
	First   string // address of the first page, on a later one
	Next    string
	Keys    []view.Shortcut
}

// bulk is what can be done with the rows that are ticked.
type bulk struct {
	ID     string
	Action string
	Submit string
	Hidden []view.Hidden
}

var listView = view.Page[list]("staff/list")

// crumbs of a staff page: from the start to the page above this one.
func crumbs(say *words.Speaker, more ...view.Link) []view.Link {
	return append([]view.Link{{Text: say.T("staff.nav.work"), Href: "/staff"}}, more...)
}

func adminCrumbs(say *words.Speaker, more ...view.Link) []view.Link {
	return append([]view.Link{{Text: say.T("admin.title"), Href: "/admin"}}, more...)
}

func staffNav(r *http.Request, say *words.Speaker, v access.Viewer) []view.Link {
	path := r.URL.Path
	nav := []view.Link{
		{Text: say.T("staff.nav.work"), Href: "/staff", Current: path == "/staff"},
		{Text: say.T("staff.nav.queue"), Href: "/staff/queue", Current: strings.HasPrefix(path, "/staff/queue") || strings.HasPrefix(path, "/staff/matters")},
		{Text: say.T("staff.nav.bodies"), Href: "/staff/bodies", Current: strings.HasPrefix(path, "/staff/bodies")},
		{Text: say.T("staff.nav.officials"), Href: "/staff/officials", Current: strings.HasPrefix(path, "/staff/officials")},
	}
	if holdsDesk(v) {
		nav = append(nav, view.Link{Text: say.T("flood.title"), Href: "/staff/arrivals", Current: strings.HasPrefix(path, "/staff/arrivals")})
	}
	if draws(v) {
		nav = append(nav, view.Link{Text: say.T("inspections.nav"), Href: "/staff/inspections", Current: strings.HasPrefix(path, "/staff/inspections")})
	}
	nav = append(nav, view.Link{Text: say.T("figures.nav"), Href: "/figures", Current: strings.HasPrefix(path, "/figures")})
	if access.MayReadLaw(v) {
		nav = append(nav, view.Link{Text: say.T("law.nav"), Href: "/staff/law", Current: path == "/staff/law"})
	}
	if isAdmin(v) {
		nav = append(nav, view.Link{Text: say.T("staff.nav.admin"), Href: "/admin", Current: strings.HasPrefix(path, "/admin")})
	}
	return nav
}

// withQuery is the address of the same page with other values in its query; an empty value takes the name away.
func withQuery(u *url.URL, pairs ...string) string {
	q := u.Query()
	q.Del("lang")
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		} else {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return (&url.URL{Path: u.Path, RawQuery: q.Encode()}).String()
}

// localPath lets a return address through only if it leads to a page of this site.
func localPath(s, otherwise string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") ||
		strings.ContainsAny(s, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") {
		return otherwise
	}
	return s
}

// pathID reads an id out of the address; what is none is a page that does not exist.
func pathID(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n <= 0 {
		return 0, fault.New(fault.NotFound, "fault.notfound", nil)
	}
	return n, nil
}

func accountID(r *http.Request) (ref.AccountID, error) {
	n, err := pathID(r, "id")
	return ref.AccountID(n), err
}
