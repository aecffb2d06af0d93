// Command plumbline is the working system of an office that holds justice institutions to account: server, importer,
// figures and administration in one program. It only hands over to package cli.
package main

import (
	"os"

	"plumbline/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
