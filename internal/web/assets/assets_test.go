package assets

import (
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What must not be shipped: see docs/explanation/design-language.md.
func TestBuiltFilesCarryNothingForeign(t *testing.T) {
	for _, f := range byName {
		if f.kind == "" {
			t.Errorf("%s: no content type for its ending", f.name)
		}
		if f.name == "LICENSES.txt" {
			continue
		}
		for _, bad := range []string{`(?i)\bGDS.?Transport|transport[^s(]`, `(?i)crest`, `@font-face`, `url\(`, `https?://(?:www\.)?[a-z]+\.gov\.uk`, `\beval\(`, `new Function\(`} {
			if loc := regexp.MustCompile(bad).FindIndex(f.plain); loc != nil {
				t.Errorf("%s contains %s: …%s…", f.name, bad, f.plain[max(0, loc[0]-40):min(len(f.plain), loc[1]+40)])
			}
		}
	}
}

func TestLicencesOfBundledCodeAreShipped(t *testing.T) {
	text := string(byName["LICENSES.txt"].plain)
	for _, want := range []string{"govuk-frontend 6.6.0 (MIT)", "@ministryofjustice/frontend 11.1.0 (MIT)", "Permission is hereby granted"} {
		if !strings.Contains(text, want) {
			t.Errorf("LICENSES.txt does not contain %q", want)
		}
	}
}

func TestLockFileNamesNoRegistry(t *testing.T) {
	data, err := os.ReadFile("src/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(data), `"resolved"`) {
		t.Error("package-lock.json records where packages came from; keep omit-lockfile-registry-resolved in src/.npmrc")
	}
}

func TestAddressesCarryTheContentAndMayBeKeptForEver(t *testing.T) {
	url, err := URL("app.css")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path, accept string
		status             int
		encoding           string
	}{
		{"plain", url, "", 200, ""},
		{"compressed for who takes it", url, "gzip, br", 200, "gzip"},
		{"an address of another version", "/assets/app.000000000000.css", "", 404, ""},
		{"a name without its hash", "/assets/app.css", "", 404, ""},
		{"outside", "/assets/../assets.go", "", 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tt.path, nil)
			r.Header.Set("Accept-Encoding", tt.accept)
			w := httptest.NewRecorder()
			Handler().ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("Content-Encoding") != tt.encoding {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Header().Get("Content-Encoding"), tt.status, tt.encoding)
			}
			if tt.status == 200 && !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Error("not marked immutable")
			}
		})
	}
	if _, err := URL("nothing.css"); err == nil {
		t.Error("a file that is not there has an address")
	}
}
