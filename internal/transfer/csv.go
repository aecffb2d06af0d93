package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// maxRecord bounds one CSV record, so that a quotation mark that is never closed cannot swallow a file into memory.
const maxRecord = 1 << 20

// A csvReader reads records as RFC 4180 writes them, and the files that people really send: with a byte order mark,
// with LF, CRLF or CR at the ends of lines, with quoted line breaks, with a quotation mark inside a field that does not
// begin with one. Blank lines are skipped. It remembers the line on which each record begins.
type csvReader struct {
	r     *bufio.Reader
	delim byte
	line  int // on which the next record begins
	buf   []byte
	ends  []int
}

// A csvError is a fault of the file as a whole: nothing after it can be read with confidence.
type csvError struct {
	line int
	why  string
}

func (e *csvError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.why) }

func newCSVReader(r io.Reader, delim byte) *csvReader {
	br := bufio.NewReaderSize(r, 256<<10)
	if b, err := br.Peek(3); err == nil && bytes.Equal(b, []byte{0xEF, 0xBB, 0xBF}) {
		_, _ = br.Discard(3) // cannot fail: just peeked
	}
	return &csvReader{r: br, delim: delim, line: 1}
}

// record returns the fields of the next record and the line it begins on; io.EOF after the last.
func (c *csvReader) record() (fields []string, line int, err error) {
	for {
		line = c.line
		c.buf, c.ends = c.buf[:0], c.ends[:0]
		if err := c.scan(line); err != nil {
			return nil, line, err
		}
		if len(c.ends) == 1 && len(c.buf) == 0 {
			continue // a blank line
		}
		break
	}
	all := string(c.buf)
	fields = make([]string, len(c.ends))
	from := 0
	for i, to := range c.ends {
		fields[i] = all[from:to]
		from = to
	}
	return fields, line, nil
}

func (c *csvReader) scan(first int) error {
	const (
		start = iota // of a field
		plain
		quoted
		afterQuote
	)
	state := start
	any := false
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return err
			}
			if state == quoted {
				return &csvError{first, "a quotation mark is opened and never closed"}
			}
			if !any {
				return io.EOF
			}
			c.ends = append(c.ends, len(c.buf))
			return nil
		}
		any = true
		if len(c.buf) > maxRecord {
			return &csvError{first, "the record that begins here is longer than 1 MiB: most likely a quotation mark is opened and never closed"}
		}
		if state == quoted {
			switch {
			case b == '"':
				state = afterQuote
			case b == '\n':
				c.line++
				c.buf = append(c.buf, b)
			default:
				c.buf = append(c.buf, b)
			}
			continue
		}
		switch {
		case b == c.delim:
			c.ends = append(c.ends, len(c.buf))
			state = start
		case b == '\n' || b == '\r':
			if b == '\r' {
				if next, err := c.r.Peek(1); err == nil && next[0] == '\n' {
					_, _ = c.r.Discard(1) // just peeked
				}
			}
			c.line++
			c.ends = append(c.ends, len(c.buf))
			return nil
		case b == '"' && state == start:
			state = quoted
		case b == '"' && state == afterQuote: // "" inside quotes
			c.buf = append(c.buf, b)
			state = quoted
		default:
			c.buf = append(c.buf, b)
			if state == start {
				state = plain
			}
		}
	}
}

// unfit says why a record cannot be taken, or "".
func unfit(fields []string, columns int) string {
	if len(fields) != columns {
		return fmt.Sprintf("the line has %d columns, the file has %d", len(fields), columns)
	}
	for i, f := range fields {
		if !utf8.ValidString(f) {
			return fmt.Sprintf("column %d is not UTF-8", i+1)
		}
		if strings.IndexByte(f, 0) >= 0 {
			return fmt.Sprintf("column %d holds a NUL byte", i+1)
		}
	}
	return ""
}
