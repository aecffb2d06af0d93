// Command gen writes the reference of the command line (docs/reference/commands.md) from its model, so that the page
// and the program cannot disagree. go generate runs it, and a test compares the page.
package main

import (
	"bytes"
	"fmt"
	"os"

	"plumbline/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen FILE")
		os.Exit(2)
	}
	var page bytes.Buffer
	err := cli.Reference(&page)
	if err == nil {
		err = os.WriteFile(os.Args[1], page.Bytes(), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}
