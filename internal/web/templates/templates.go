// Package templates holds the templates of all pages: AREA/NAME.html, each of which defines "content"
// for one page struct registered with view.Page in package web.
package templates

import "embed"

// FS is the folder of templates.
//
//go:embed */*.html
var FS embed.FS
