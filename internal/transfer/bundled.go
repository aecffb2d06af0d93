package transfer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sort"
	"strings"

	"plumbline/internal/fault"
	"plumbline/packs"
)

// BundledNames returns the names of the mappings that come with the binary.
func BundledNames() []string {
	found, err := fs.Glob(packs.FS, "*/imports/*.yaml")
	if err != nil {
		return nil // only for a malformed pattern
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	sort.Strings(names)
	return names
}

// Open reads a mapping: a bundled one by its name, any other by the path of its file.
func Open(nameOrPath string) (*Mapping, error) {
	if !strings.ContainsAny(nameOrPath, `/\.`) {
		found, err := fs.Glob(packs.FS, "*/imports/"+nameOrPath+".yaml")
		if err == nil && len(found) == 1 {
			src, err := packs.FS.ReadFile(found[0])
			if err != nil {
				return nil, err
			}
			return Parse("packs/"+found[0], src)
		}
	}
	src, err := os.ReadFile(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fmt.Errorf("%s is neither a file nor a mapping that comes with Plumbline (%s)", nameOrPath, strings.Join(BundledNames(), ", ")),
			fault.NotFound, "fault.not-found", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", nameOrPath, plainly(err))
	}
	return Parse(nameOrPath, src)
}
