package monitor

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// An Event is a line of the history: what the monitor learned, and when.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`           // one of the constants below
	URL  string    `json:"url,omitempty"`  // that the monitor was given; of a head: where it was
	Key  string    `json:"key,omitempty"`  // a verifier key that is trusted from now on
	How  string    `json:"how,omitempty"`  // it came to be trusted: "given", "first contact", "handed over"
	Head string    `json:"head,omitempty"` // a signed head, as it was served
	Text string    `json:"text,omitempty"` // what was wrong
}

const (
	eventBegun = "begun" // the first line: which log this is the history of
	eventKey   = "key"
	eventHead  = "head"
	eventWrong = "wrong"
)

// history is everything a monitor has seen of a log. It is only ever appended to.
type history struct {
	path   string   // "" if it is kept nowhere
	file   *os.File // nil with path ""
	url    string
	prefix string // where the log was found
	vkeys  []string
	keys   []note.Verifier
	last   verify.Checkpoint // the largest head
	note   []byte            // signed; nil if there is none yet
	roots  map[uint64]verify.Hash
	wrong  *Event // the last thing found wrong, if no head was accepted after it
}

const historyFile = "history.jsonl"

// maxLine bounds a line of the history: a head with the signatures of many witnesses, written as JSON.
const maxLine = 1 << 20

// openHistory reads the history in a folder, making both where they are absent. With dir "" it is kept in memory alone.
func openHistory(dir string) (*history, error) {
	h := &history{roots: map[uint64]verify.Hash{}}
	if dir == "" {
		return h, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h.path = filepath.Join(dir, historyFile)
	_, err := os.Stat(h.path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if h.file, err = os.OpenFile(h.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	if err := h.read(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", h.path, err), h.file.Close())
	}
	if fresh {
		syncFolder(dir)
	}
	return h, nil
}

// syncFolder makes the name of a new file last, where folders can be flushed.
func syncFolder(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync() // the file itself is flushed after every line
		_ = d.Close()
	}
}

// read takes in all lines. A last line without its end was being written when the program stopped: nothing was
// built on it, and it is cut off. Every other line that cannot be read means that somebody else wrote here.
func (h *history) read() error {
	r := bufio.NewReaderSize(h.file, 64<<10)
	whole := int64(0)
	for n := 1; ; n++ {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				if err := h.file.Truncate(whole); err != nil {
					return err
				}
			}
			return h.checkLast()
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		whole += int64(len(line)) + 1
		var e Event
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("line %d is damaged (%w): keep the file, and begin a new history in another folder", n, err)
		}
		if err := h.take(e); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxLine:
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, errors.New("is too long")
		default:
			return line, err
		}
	}
}

// take makes an event part of what is known.
func (h *history) take(e Event) error {
	switch e.What {
	case eventBegun:
		h.url = e.URL
	case eventKey:
		key, err := verify.ParseKey(e.Key)
		if err != nil {
			return err
		}
		h.vkeys, h.keys = append(h.vkeys, e.Key), append(h.keys, key)
	case eventHead:
		c, _, err := verify.ReadCheckpoint([]byte(e.Head))
		if err != nil {
			return fmt.Errorf("the head in the history: %w", err)
		}
		if h.note != nil && c.Size < h.last.Size {
			return errors.New("the heads in the history do not grow")
		}
		h.last, h.note, h.wrong, h.prefix = c, []byte(e.Head), nil, e.URL
		h.roots[c.Size] = c.Root
	case eventWrong:
		h.wrong = &e
	default:
		return fmt.Errorf("is of a kind this program does not know, %q", e.What)
	}
	return nil
}

// checkLast checks the signature of the head that everything to come is measured by.
func (h *history) checkLast() error {
	if h.note == nil {
		return nil
	}
	if _, _, err := verify.OpenCheckpointBy(h.note, h.keys, nil); err != nil {
		return fmt.Errorf("the last head: %w", err)
	}
	return nil
}

// append takes an event in once it is on the disk.
func (h *history) append(e Event) error {
	if h.file != nil {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := h.file.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("the history: %w", err)
		}
		if err := h.file.Sync(); err != nil {
			return fmt.Errorf("the history: %w", err)
		}
	}
	return h.take(e)
}

func (h *history) close() error {
	if h.file == nil {
		return nil
	}
	return h.file.Close()
}

// knows tells whether a key is trusted already.
func (h *history) knows(vkey string) bool {
	for _, v := range h.vkeys {
		if v == vkey {
			return true
		}
	}
	return false
}
