package web

import (
	"net/http"

	"plumbline/internal/web/view"
	"plumbline/internal/words"
)

// publicNav is the navigation of the public pages.
func (s *Server) publicNav(r *http.Request, say *words.Speaker) []view.Link {
	return []view.Link{{Text: say.T("staff.home"), Href: "/", Current: r.URL.Path == "/"}}
}

// footer are the links at the end of every page.
func (s *Server) footer(*words.Speaker) []view.Link { return nil }
