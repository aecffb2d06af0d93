// Package onion checks the configuration of Tor that the documentation gives, with Tor itself.
package onion

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"plumbline/internal/web"
)

const page = "../../../docs/how-to/onion.md"

func TestTorTakesTheConfigurationInTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```torrc\n(.*?)```").FindSubmatch(text)
	if block == nil || !strings.Contains(string(block[1]), "HiddenServicePort 80 127.0.0.1:8080") {
		t.Fatal("the page gives no configuration of Tor that leads to Plumbline")
	}
	tor, err := exec.LookPath("tor")
	if err != nil {
		if strings.Contains(","+os.Getenv("PLUMBLINE_REQUIRE")+",", ",tor,") {
			t.Fatal("tor is not installed")
		}
		t.Skip("tor is not installed: apt-get install tor")
	}
	dir := t.TempDir()
	service := filepath.Join(dir, "plumbline")
	if err := os.Mkdir(service, 0o700); err != nil {
		t.Fatal(err)
	}
	verify := func(config string) (string, error) {
		t.Helper()
		file := filepath.Join(dir, "torrc")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "/var/lib/tor/plumbline/", service)), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tor, "--verify-config", "-f", file, "--defaults-torrc", os.DevNull, "DataDirectory", filepath.Join(dir, "data")).CombinedOutput()
		return string(out), err
	}
	if out, err := verify(string(block[1])); err != nil || !strings.Contains(out, "Configuration was valid") || strings.Contains(out, "[warn] Unrecognized") {
		t.Errorf("tor --verify-config: %v\n%s", err, out)
	}
	// The check can fail.
	if out, err := verify(string(block[1]) + "\nHiddenServiceNoSuchThing 1\n"); err == nil {
		t.Errorf("tor takes anything:\n%s", out)
	}
}

func TestTheAddressesInTheDocumentationAreAddresses(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`[a-z2-7]{56}\.onion`).FindAllString(string(text), -1)
	if len(found) == 0 {
		t.Fatal("there is no example")
	}
	for _, a := range found {
		if _, err := web.OnionAddress(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}
