package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"plumbline/internal/fault"
	"plumbline/internal/store"
	"plumbline/internal/vault"
)

// The office key lies in a file of its own, like the key of the log and for the same reason: whoever has the database
// alone does not have it. It keeps the desks that nobody has joined yet, and seals what only a running server needs.

const officeKeyHeader = `# The office key of a Plumbline office. It opens the desks that nobody has joined yet: show it to nobody,
# and keep a copy of this file where no copy of the database is.
`

// keyPath is where the office key of a database lies; empty for one in memory.
func (f dbFlag) keyPath() string {
	if f.OfficeKey != "" {
		return f.OfficeKey
	}
	if path, ok := strings.CutPrefix(f.DB, "sqlite:"); ok {
		path, _, _ = strings.Cut(path, "?")
		if path == ":memory:" {
			return ""
		}
		return path + ".officekey"
	}
	return "plumbline.officekey"
}

// readOfficeKey reads the office key; nil if there is none.
func readOfficeKey(path string) (vault.OfficeKey, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot read the office key in " + path, cause: err}
	}
	defer func() { _ = f.Close() }() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot read the office key in " + path, cause: err}
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, problemf(fault.Invalid, "the office key in %s can be read by other users of this machine. Run: chmod 600 %s", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot read the office key in " + path, cause: err}
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(line)
		if err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, problemf(fault.Invalid, "%s holds no office key: put the copy that was kept apart from the database in its place", path)
}

// officeKey is the key of a database: the one in its file, or a new one where the office has none yet. A key that is
// missing and was used is never replaced; what needs it says so.
func officeKey(ctx context.Context, db *store.DB, path string) (vault.OfficeKey, error) {
	if path == "" {
		return vault.NewOfficeKey(), nil
	}
	key, err := readOfficeKey(path)
	if err != nil || key != nil {
		return key, err
	}
	var desks int64
	if err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_desk`).Scan(&desks)
	}); err != nil || desks > 0 {
		return nil, err
	}
	key = vault.NewOfficeKey()
	err = writePrivate(path, officeKeyHeader+base64.StdEncoding.EncodeToString(key)+"\n")
	if errors.Is(err, fs.ErrExist) { // another process was faster
		return readOfficeKey(path)
	}
	if err != nil {
		return nil, &problem{kind: fault.Unavailable, text: "cannot write the office key to " + path + "; name a file with --office-key", cause: err}
	}
	return key, nil
}

// writePrivate writes a new file that only its owner may read, durably, and never replaces one.
func writePrivate(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// keptWithoutKey refuses to serve an office whose key is missing, or another office's, while desks still rest on it.
func (a *app) keptWithoutKey(ctx context.Context) error {
	if a.vault.Whole() {
		err := a.db.Read(ctx, func(tx *store.Tx) error { return a.vault.CheckKept(ctx, tx) })
		if fault.Is(err, fault.Unavailable) {
			return &problem{kind: fault.Invalid, cause: err, text: "the office key in " + a.keyPath + " is another office's, or an earlier one: desks that nobody has joined yet do not open with it. Put the copy that was kept apart from this database in its place, or name its file with --office-key"}
		}
		return err
	}
	var kept int64
	if err := a.db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM vault_kept`).Scan(&kept)
	}); err != nil {
		return err
	}
	if kept == 0 {
		return nil
	}
	return problemf(fault.NotFound, "the office key is missing from %s, and %d desks that nobody has joined yet rest on it: put the copy that was kept apart from the database in its place, or name its file with --office-key", a.keyPath, kept)
}
