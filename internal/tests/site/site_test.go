// Package site opens the whole program in a real browser, as its people do.
package site

import (
	"bufio"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// start builds the program, runs "plumbline demo" with it and returns where its pages are.
func start(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "plumbline")
	if out, err := exec.Command("go", "build", "-o", program, "plumbline/cmd/plumbline").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "demo", "--listen", "127.0.0.1:0", "--dir", t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // Wait tells whether it worked
		if err := cmd.Wait(); err != nil {
			t.Errorf("demo did not stop as asked: %v", err)
		}
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, ok := strings.CutPrefix(lines.Text(), "Ready: "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return at
		}
	}
	t.Fatal("demo ended before it was ready")
	return ""
}
