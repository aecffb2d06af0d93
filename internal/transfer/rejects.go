package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rejects writes the rows that were not taken, if it is given a path: one file for each source, with file, line and reason before the original
// columns. Files appear under their names only when all rows are known, so that nobody reads half of one; a file that an
// earlier run left is taken away if there is nothing to put in its place, so that nobody mends what is in order.
type rejects struct {
	base  string
	names []string // of the sources
	files map[string]*rejectFile
	shown []Reject
}

type rejectFile struct {
	f    *os.File
	w    *bufio.Writer
	path string
}

func newRejects(path string, sources []*Source) *rejects {
	r := &rejects{base: path, files: map[string]*rejectFile{}}
	for _, s := range sources {
		r.names = append(r.names, s.Name)
	}
	return r
}

// spare makes sure that no input is overwritten: somebody may import the very file of rejects, mended.
func (r *rejects) spare(inputs []*input) error {
	for _, name := range r.names {
		there, err := os.Stat(r.pathOf(name))
		if r.base == "" || err != nil {
			continue // nothing to overwrite
		}
		for _, in := range inputs {
			if info, err := os.Stat(in.path); err == nil && os.SameFile(there, info) {
				return fmt.Errorf("%s is where rejected rows go: rename it before you import it, or give them another place", in.path)
			}
		}
	}
	return nil
}

func (r *rejects) pathOf(source string) string {
	if len(r.names) == 1 {
		return r.base
	}
	ext := filepath.Ext(r.base)
	return strings.TrimSuffix(r.base, ext) + "-" + source + ext
}

func (r *rejects) add(source *Source, header []string, file string, line int, reason string, fields []string) error {
	if len(r.shown) < rejectsShown {
		r.shown = append(r.shown, Reject{File: file, Line: line, Reason: reason})
	}
	if r.base == "" {
		return nil
	}
	out := r.files[source.Name]
	if out == nil {
		path := r.pathOf(source.Name)
		f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*")
		if err != nil {
			return fmt.Errorf("rejected rows: %w", err)
		}
		out = &rejectFile{f: f, w: bufio.NewWriter(f), path: path}
		r.files[source.Name] = out
		if err := writeCSV(out.w, append(slices.Clone(ownColumns), header...)); err != nil {
			return fmt.Errorf("rejected rows: %w", err)
		}
	}
	if err := writeCSV(out.w, append([]string{file, fmt.Sprint(line), reason}, fields...)); err != nil {
		return fmt.Errorf("rejected rows: %w", err)
	}
	return nil
}

var ownColumns = []string{"file", "line", "reason"}

// isOurs reports whether a file looks like one of rejected rows.
func isOurs(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	want := strings.Join(ownColumns, ",") + ","
	got := make([]byte, len(want))
	_, err = io.ReadFull(f, got)
	return err == nil && string(got) == want
}

// writeCSV is encoding/csv without its opinion about NUL and invalid UTF-8, which rejected rows may hold.
func writeCSV(w *bufio.Writer, fields []string) error {
	for i, f := range fields {
		if i > 0 {
			_ = w.WriteByte(',') // a bufio.Writer keeps its first error for the last write
		}
		if strings.ContainsAny(f, "\",\r\n") || f != strings.TrimSpace(f) {
			f = `"` + strings.ReplaceAll(f, `"`, `""`) + `"`
		}
		_, _ = w.WriteString(f)
	}
	return w.WriteByte('\n')
}

// keep puts the files in place and returns their names.
func (r *rejects) keep() ([]string, error) {
	var paths []string
	var errs []error
	for source, out := range r.files {
		err := out.w.Flush()
		if err == nil {
			err = out.f.Chmod(0o600) // rows of people, perhaps
		}
		if err = errors.Join(err, out.f.Close()); err == nil {
			err = os.Rename(out.f.Name(), out.path)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("rejected rows: %w", err))
		}
		paths = append(paths, out.path)
		delete(r.files, source)
	}
	for _, name := range r.names {
		if path := r.pathOf(name); r.base != "" && !slices.Contains(paths, path) && isOurs(path) {
			errs = append(errs, os.Remove(path))
		}
	}
	slices.Sort(paths)
	return paths, errors.Join(errs...)
}

// drop removes what was not kept.
func (r *rejects) drop() {
	for _, out := range r.files {
		_ = out.f.Close()
		_ = os.Remove(out.f.Name()) // an import that failed leaves nothing behind
	}
}
