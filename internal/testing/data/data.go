// Package data finds the real public data that some tests read. The project holds none of it.
package data

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// File returns the path of a data file, given relative to the data folder ("complaints/nypd/x.csv.gz"). The folder
// is PLUMBLINE_DATA, else shared/data beside the repository. Where the file is absent the test is skipped, or fails
// if PLUMBLINE_REQUIRE names "data".
func File(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Dir(), filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		const missing = "the test data is not on this machine (set PLUMBLINE_DATA to its folder): "
		if strings.Contains(","+os.Getenv("PLUMBLINE_REQUIRE")+",", ",data,") {
			t.Fatal(missing + name)
		}
		t.Skip(missing + name)
	}
	return path
}

// Dir returns the data folder, whether it exists or not.
func Dir() string {
	if dir := os.Getenv("PLUMBLINE_DATA"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(filepath.Dir(dir), "shared", "data")
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return "data-not-found"
}
