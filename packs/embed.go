// Package packs holds the packs that come with the binary. Each folder is one pack, as packs/generic; a pack in a
// folder of the operator's own is loaded in the same way.
package packs

import "embed"

// FS holds every bundled pack under its name: the files in its folder and in the folders of that, no deeper.
//
//go:embed */*.* */*/*
var FS embed.FS
