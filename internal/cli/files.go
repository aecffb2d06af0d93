package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/fault"
	"plumbline/internal/server"
	"plumbline/verify"
)

// size is an amount of bytes as people write it: 500MB, 5GB, 0 for no limit.
type size int64

// UnmarshalText reads a size.
func (s *size) UnmarshalText(text []byte) error {
	word := strings.ToUpper(strings.TrimSpace(string(text)))
	unit := int64(1)
	for _, u := range []struct {
		name string
		size int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}} {
		if rest, ok := strings.CutSuffix(word, u.name); ok {
			word, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is no size; write 500MB or 5GB, or 0 for no limit", text)
	}
	*s = size(n * unit)
	return nil
}

// fileFlags say which files are taken.
type fileFlags struct {
	MaxFile  size  `name:"max-file" env:"PLUMBLINE_MAX_FILE" default:"500MB" placeholder:"SIZE" help:"Largest file that is taken, usually 500MB. 0: no limit."`
	MaxFiles size  `name:"max-files" env:"PLUMBLINE_MAX_FILES" default:"5GB" placeholder:"SIZE" help:"Most that all files of one matter may take together, usually 5GB. 0: no limit."`
	MaxCount int64 `name:"max-file-count" env:"PLUMBLINE_MAX_FILE_COUNT" default:"200" placeholder:"N" help:"Most files of one matter, usually 200. 0: no limit."`
	MaxAll   size  `name:"max-all-files" env:"PLUMBLINE_MAX_ALL_FILES" default:"0" placeholder:"SIZE" help:"Most that all files of the office may take together. 0: no limit but the disk."`
	Spare    size  `name:"spare-disk" env:"PLUMBLINE_SPARE_DISK" default:"1GB" placeholder:"SIZE" help:"Take no files while less than this (usually 1GB) is free on the disk of a SQLite database, so that there is room for reports."`
}

func (f fileFlags) limits() exhibit.Limits {
	return exhibit.Limits{File: int64(f.MaxFile), Matter: int64(f.MaxFiles), Count: f.MaxCount, Office: int64(f.MaxAll), Spare: int64(f.Spare)}
}

// files are the files of the office's database.
func (a *app) files(t *terminal, url string, limits exhibit.Limits) *exhibit.Files {
	o := exhibit.Options{Limits: limits, Log: t.log, Now: a.now}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok && path != ":memory:" {
		dir := filepath.Dir(path)
		o.Free = func() (int64, error) {
			n, err := freeBytes(dir)
			return int64(min(n, 1<<62)), err
		}
	}
	return exhibit.New(a.db, o)
}

// filesEvery is how often half files are looked for that nobody goes on with.
const filesEvery = 10 * time.Minute

func filesPart(t *terminal, f *exhibit.Files) server.Part {
	return server.Part{Name: "files", Run: every(filesEvery, func(ctx context.Context) error {
		n, err := f.Expire(ctx)
		if n > 0 {
			t.log.Info("unfinished files were deleted", "files", n)
		}
		return err
	})}
}

// checkedFile is what a receipt says of a file that was held against it.
type checkedFile struct {
	Same   bool   `json:"same"` // it is the file that was attached, to the last bit
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// checkFile holds a file against the entry that a receipt opens.
func checkFile(whole []byte, path, salt string) (checkedFile, error) {
	var entry struct {
		Action string         `json:"action"`
		Fields map[string]any `json:"fields"`
	}
	if len(whole) == 0 {
		return checkedFile{}, problemf(fault.Invalid, "this receipt does not open its entry, so no file can be held against it: save the receipt of the file itself, on the page of files")
	}
	if err := json.Unmarshal(whole, &entry); err != nil {
		return checkedFile{}, &problem{kind: fault.Invalid, text: "the entry of this receipt cannot be read", cause: err}
	}
	want, ok := entry.Fields["commitment"].(string)
	if entry.Action != "attach" || !ok {
		return checkedFile{}, problemf(fault.Invalid, "the entry of this receipt attached no file; it is %q", printable(entry.Action))
	}
	var s verify.Salt
	if b, err := hex.DecodeString(strings.TrimSpace(salt)); err != nil || len(b) != len(s) {
		return checkedFile{}, problemf(fault.Invalid, "--salt takes the 64 characters that stand beside the file's hash")
	} else {
		copy(s[:], b)
	}
	f, err := os.Open(path)
	if err != nil {
		return checkedFile{}, fmt.Errorf("read the file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return checkedFile{}, fmt.Errorf("read the file: %w", err)
	}
	sum := verify.Hash(h.Sum(nil))
	got := verify.CommitFile(s, sum, n)
	return checkedFile{Same: hex.EncodeToString(got[:]) == want, SHA256: hex.EncodeToString(sum[:]), Size: n}, nil
}

func sayFile(t *terminal, path string, f checkedFile) {
	t.print("")
	t.print("The file %s", printable(path))
	if f.Same {
		t.print("  - is the one that this entry attached, unchanged.")
	} else {
		t.print("  - is NOT the one that this entry attached, or the salt is that of another file. A single changed bit is enough.")
	}
	t.print("  - has %d bytes and the SHA-256 %s.", f.Size, f.SHA256)
}
