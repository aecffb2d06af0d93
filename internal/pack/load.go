package pack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"reflect"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"plumbline/packs"
)

// MainFile is where every pack begins. Further .yaml files beside it, and in the folder kinds/, hold more of the same
// keys, so that a long pack can be read in parts.
const MainFile = "pack.yaml"

// Limits on what a pack may weigh: far above any real one, far below what would hurt.
const (
	maxFile  = 4 << 20
	maxPack  = 32 << 20
	maxFiles = 2000
)

// Load reads a pack and resolves every name in it. The error is a fault of reading, or Problems with everything that is
// wrong. A pack that loads is well formed; whether it is fair is what Check says.
func Load(fsys fs.FS) (*Pack, error) {
	files, err := readAll(fsys)
	if err != nil {
		return nil, err
	}
	p, problems := parse(files)
	if len(problems) > 0 {
		problems.sort()
		return nil, problems
	}
	return p, nil
}

// LoadDir is Load of a folder.
func LoadDir(dir string) (*Pack, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("pack: %s is not a folder", dir)
	}
	return Load(os.DirFS(dir))
}

// ErrNoPack is returned by Bundled for a name that is not in the binary.
var ErrNoPack = errors.New("no such pack")

// Bundled is Load of a pack that came with the binary.
func Bundled(name string) (*Pack, error) {
	fsys, err := BundledFS(name)
	if err != nil {
		return nil, err
	}
	return Load(fsys)
}

// BundledFS are the files of a pack that came with the binary.
func BundledFS(name string) (fs.FS, error) {
	if !validID(name) {
		return nil, fmt.Errorf("pack %q: %w", name, ErrNoPack)
	}
	if _, err := fs.Stat(packs.FS, path.Join(name, MainFile)); err != nil {
		return nil, fmt.Errorf("pack %q: %w; bundled are %s", name, ErrNoPack, strings.Join(BundledNames(), ", "))
	}
	return fs.Sub(packs.FS, name)
}

// BundledNames are the packs that came with the binary, sorted.
func BundledNames() []string {
	mains, err := fs.Glob(packs.FS, "*/"+MainFile)
	if err != nil {
		panic(err) // the pattern is a constant
	}
	names := make([]string, len(mains))
	for i, m := range mains {
		names[i] = path.Dir(m)
	}
	sort.Strings(names)
	return names
}

// Open finds a pack the way people name one: a folder where there is one, else a bundled name.
func Open(dirOrName string) (fs.FS, error) {
	if info, err := os.Stat(dirOrName); err == nil && info.IsDir() {
		if _, err := os.Stat(path.Join(dirOrName, MainFile)); err == nil || !validID(dirOrName) {
			return os.DirFS(dirOrName), nil
		}
	}
	return BundledFS(dirOrName)
}

func readAll(fsys fs.FS) (map[string][]byte, error) {
	files, total := map[string][]byte{}, 0
	err := fs.WalkDir(fsys, ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && hidden(e.Name()):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return nil
		case !e.Type().IsRegular():
			return fmt.Errorf("%s is not a plain file", name)
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Size() > maxFile {
			return fmt.Errorf("%s is larger than %d MB", name, maxFile>>20)
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		files[name] = b
		if total += len(b); total > maxPack || len(files) > maxFiles {
			return fmt.Errorf("more than %d MB or %d files", maxPack>>20, maxFiles)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pack: read: %w", err)
	}
	return files, nil
}

// hidden files are the editor's and the version control's, no part of a pack.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") }

// Digest names the exact bytes of a set of files: "sha256:" and the hash over the sorted list of their names and
// hashes, one "<hash>  <name>" to a line, as sha256sum writes it.
func Digest(files map[string][]byte) string {
	names := make([]string, 0, len(files))
	for n := range files {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		sum := sha256.Sum256(files[n])
		fmt.Fprintf(h, "%s  %s\n", hex.EncodeToString(sum[:]), n)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// parse makes a pack of its files.
func parse(files map[string][]byte) (*Pack, Problems) {
	var problems Problems
	if _, ok := files[MainFile]; !ok {
		return nil, Problems{{Place: Place{File: MainFile}, Message: "the folder has no pack.yaml, so it is no pack"}}
	}
	p := &Pack{}
	places := map[string]Place{}
	for _, name := range yamlFiles(files) {
		d := &decoder{file: name, problems: &problems}
		root := d.parse(files[name])
		if root == nil {
			continue
		}
		part := &Pack{}
		d.object(root, reflect.ValueOf(part).Elem(), "a pack", 0)
		if entries, ok := d.entries(root); ok {
			merge(p, part, d, entries, places)
		}
	}
	if len(problems) > 0 {
		return nil, problems // names are not worth checking in a text that was not understood
	}
	p.Files, p.Digest = files, Digest(files)
	r := &resolver{p: p, places: places, problems: &problems}
	r.run()
	if len(problems) > 0 {
		return nil, problems
	}
	return p, nil
}

// yamlFiles are the files that make up the pack's text: pack.yaml first, then the others by name.
func yamlFiles(files map[string][]byte) []string {
	var names []string
	for n := range files {
		dir := path.Dir(n)
		if n != MainFile && path.Ext(n) == ".yaml" && (dir == "." || dir == "kinds") {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	return append([]string{MainFile}, names...)
}

// merge adds a further file to the pack: lists are continued, everything else may be said once.
func merge(p, part *Pack, d *decoder, entries []*ast.MappingValueNode, places map[string]Place) {
	dst, src := reflect.ValueOf(p).Elem(), reflect.ValueOf(part).Elem()
	for _, e := range entries {
		key, ok := d.key(e)
		if !ok {
			continue
		}
		i := fieldFor(dst.Type(), key)
		if i < 0 {
			continue // reported already
		}
		here := d.place(e.Key)
		first, twice := places[key]
		switch f := dst.Field(i); {
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			f.Set(reflect.AppendSlice(f, src.Field(i)))
		case twice && first.File != here.File:
			d.fail(e.Key, "%q was said already in %s", key, first)
		default:
			f.Set(src.Field(i))
		}
		if !twice {
			places[key] = here
		}
	}
}
