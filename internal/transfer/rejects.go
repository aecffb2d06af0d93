package transfer

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// rejects writes the rows that were not taken, if it is given a path: one file for each source, with file, line and reason before the original
// columns. Files appear under their names only when all rows are known, so that nobody reads half of one.
type rejects struct {
	base  string
	many  bool
	files map[string]*rejectFile
	shown []Reject
}

type rejectFile struct {
	f    *os.File
	w    *bufio.Writer
	path string
}

func newRejects(path string, sources int) *rejects {
	return &rejects{base: path, many: sources > 1, files: map[string]*rejectFile{}}
}

func (r *rejects) pathOf(source string) string {
	if !r.many {
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
		if err := writeCSV(out.w, append([]string{"file", "line", "reason"}, header...)); err != nil {
			return fmt.Errorf("rejected rows: %w", err)
		}
	}
	if err := writeCSV(out.w, append([]string{file, fmt.Sprint(line), reason}, fields...)); err != nil {
		return fmt.Errorf("rejected rows: %w", err)
	}
	return nil
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
