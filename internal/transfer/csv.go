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

// maxRecord bounds one CSV record, so that neither a quotation mark that is never closed nor a line that never ends can
// swallow a file into memory.
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
	long  bool // the last record is longer than maxRecord; what is beyond was passed over
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
		c.buf, c.ends, c.long = c.buf[:0], c.ends[:0], false
		blank, err := c.scan(line)
		if err != nil {
			return nil, line, err
		}
		if blank {
			continue
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

// scan reads to the end of the record, or over a line with nothing in it.
func (c *csvReader) scan(first int) (blank bool, err error) {
	const (
		start = iota // of a field
		plain
		quoted
		afterQuote
	)
	state := start
	read := 0
	end := func() {
		c.ends = append(c.ends, len(c.buf))
		blank = read == 0
	}
	keep := func(b byte) {
		if len(c.buf) < maxRecord {
			c.buf = append(c.buf, b)
		} else {
			c.long = true
		}
	}
	for ; ; read++ {
		b, err := c.r.ReadByte()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return false, err
			}
			if state == quoted {
				return false, &csvError{first, "a quotation mark is opened and never closed"}
			}
			if read == 0 {
				return false, io.EOF
			}
			end()
			return blank, nil
		}
		if state == quoted {
			// What follows in quotation marks cannot be told from the lines they swallow.
			if c.long {
				return false, &csvError{first, "the record that begins here is longer than 1 MiB: most likely a quotation mark is opened and never closed"}
			}
			switch {
			case b == '"':
				state = afterQuote
			case b == '\n':
				c.line++
				keep(b)
			default:
				keep(b)
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
			end()
			return blank, nil
		case b == '"' && state == start:
			state = quoted
		case b == '"' && state == afterQuote: // "" inside quotes
			keep(b)
			state = quoted
		default:
			keep(b)
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
