package transfer

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An input is one file given for one source.
type input struct {
	source *Source
	path   string
	name   string // as messages and summaries call it
	size   int64
	header []string
	hash   hash.Hash // of the bytes of the file, filled while it is read
}

// assign finds the source of every file: NAME=FILE says it, else the source whose pattern the file's name matches.
func (m *Mapping) assign(files []string) ([]*input, error) {
	var out []*input
	for _, f := range files {
		name, path, named := strings.Cut(f, "=")
		var src *Source
		if named {
			if i := slices.IndexFunc(m.Sources, func(s *Source) bool { return s.Name == name }); i >= 0 {
				src = m.Sources[i]
			}
		}
		if src == nil {
			path = f
			var fits []string
			for _, s := range m.Sources {
				if s.match(filepath.Base(path)) {
					src = s
					fits = append(fits, s.Name)
				}
			}
			if len(fits) > 1 {
				return nil, fmt.Errorf("%s fits the sources %s: say which, as in %s=%s", path, strings.Join(fits, " and "), fits[0], path)
			}
		}
		if src == nil && len(m.Sources) == 1 && (len(files) == 1 || m.Sources[0].Pattern == "") {
			src = m.Sources[0] // nothing to confuse it with: the name does not matter
		}
		if src == nil {
			var names []string
			for _, s := range m.Sources {
				names = append(names, s.Name)
			}
			return nil, fmt.Errorf("%s: its name fits no source of the mapping: say which, as in %s=%s (the mapping has %s)", path, names[0], path, strings.Join(names, ", "))
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, plainly(err))
		}
		if info.IsDir() {
			return nil, fmt.Errorf("%s is a folder; give the files in it", path)
		}
		for _, other := range out {
			if other.path == path {
				return nil, fmt.Errorf("%s is given twice", path)
			}
		}
		out = append(out, &input{source: src, path: path, name: filepath.Base(path), size: info.Size(), hash: sha256.New()})
	}
	for _, s := range m.Sources {
		if !slices.ContainsFunc(out, func(in *input) bool { return in.source == s }) {
			what := "NAME=FILE"
			if s.Pattern != "" {
				what = "a file named like " + s.Pattern
			}
			return nil, fmt.Errorf("no file is given for the source %s: add %s", s.Name, what)
		}
	}
	// Sources in the order of the mapping, files of one source as they were given.
	slices.SortStableFunc(out, func(a, b *input) int { return slices.Index(m.Sources, a.source) - slices.Index(m.Sources, b.source) })
	return out, nil
}

// Fits reports whether the files are there and are all that the mapping's sources ask for, before anything is read.
func (m *Mapping) Fits(files []string) error {
	_, err := m.assign(files)
	return err
}

// plainly takes the path out of an error of the file system: the message names it already.
func plainly(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// headers reads the first line of every file.
func headers(inputs []*input) (map[string][]string, error) {
	out := map[string][]string{}
	for _, in := range inputs {
		if in.source.Header != "true" {
			continue
		}
		header, err := in.readHeader()
		if err != nil {
			return nil, err
		}
		if first, ok := out[in.source.Name]; ok && !slices.Equal(first, header) {
			return nil, fmt.Errorf("%s: its columns are not those of the other file for the source %s", in.path, in.source.Name)
		}
		in.header, out[in.source.Name] = header, header
	}
	return out, nil
}

// otherFormats are what people have instead of CSV files, by their first bytes.
var otherFormats = map[string]string{
	"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV",
	"\xff\xfe":   "UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
	"\xfe\xff":   "UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
}

func (in *input) readHeader() ([]string, error) {
	r, closer, err := in.open(nil, nil)
	if err != nil {
		return nil, err
	}
	defer closer()
	fields, _, err := r.record()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: there is not even a line with the names of the columns", in.path)
	}
	if err != nil {
		return nil, in.failed(err)
	}
	for start, what := range otherFormats {
		if strings.HasPrefix(fields[0], start) {
			return nil, fmt.Errorf("%s is %s", in.path, what)
		}
	}
	if r.long {
		return nil, fmt.Errorf("%s: line 1 is longer than 1 MiB: is it a CSV file?", in.path)
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if why := unfit(fields, len(fields)); why != "" {
		return nil, fmt.Errorf("%s: line 1: %s", in.path, why)
	}
	return fields, nil
}

// open opens the file, unpacking it if it is compressed. Every byte of the file goes to sum, too, and read is told how
// many there were.
func (in *input) open(sum io.Writer, read func(int64)) (*csvReader, func(), error) {
	f, err := os.Open(in.path)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", in.path, plainly(err))
	}
	closer := func() { _ = f.Close() } // only read
	var raw io.Reader = f
	if sum != nil {
		raw = &counted{r: io.TeeReader(f, sum), told: read}
	}
	br := bufio.NewReaderSize(raw, 64<<10)
	var text io.Reader = br
	if magic, err := br.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		if text, err = gzip.NewReader(br); err != nil {
			closer()
			return nil, nil, in.failed(err)
		}
	}
	return newCSVReader(text, in.source.Delimiter), closer, nil
}

func (in *input) failed(err error) error {
	var at *csvError
	switch {
	case errors.As(err, &at):
		return fmt.Errorf("%s:%d: %s", in.path, at.line, at.why)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("%s ends before its end: the compressed data is cut off (was it downloaded whole?)", in.path)
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("%s: the compressed data is damaged", in.path)
	}
	return fmt.Errorf("%s: %w", in.path, plainly(err))
}

type counted struct {
	r    io.Reader
	told func(int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.told != nil {
		c.told(int64(n))
	}
	return n, err
}

// each reads the file from its first row to its last. unfit says why a row cannot be taken, or "".
func (in *input) each(ctx context.Context, read func(int64), row func(fields []string, line int, unfit string) error) error {
	r, closer, err := in.open(in.hash, read)
	if err != nil {
		return err
	}
	defer closer()
	first, width := in.source.Header != "false", len(in.source.cols.names)
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		fields, line, err := r.record()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return in.failed(err)
		}
		if first {
			first = false
			continue
		}
		why := unfit(fields, width)
		if r.long {
			why = "the line is longer than 1 MiB; what is beyond is left out here"
		}
		if err := row(fields, line, why); err != nil {
			return err
		}
	}
}

// clean prepares the values of a row as its source says.
func (s *Source) clean(fields []string) {
	for i, f := range fields {
		if s.Trim {
			f = strings.TrimSpace(f)
		}
		if len(s.Empty) > 0 && slices.Contains(s.Empty, f) {
			f = ""
		}
		fields[i] = f
	}
}
