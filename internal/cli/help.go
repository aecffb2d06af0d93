package cli

import (
	"embed"
	"fmt"
)

//go:embed help/*.txt
var helpFiles embed.FS

// helpText is the long description of a command with its examples. The texts are files, so that they can be read and
// corrected as texts.
func helpText(command string) string {
	text, err := helpFiles.ReadFile("help/" + command + ".txt")
	if err != nil {
		panic(fmt.Sprintf("cli: no help for %s: %v", command, err)) // a test runs every help
	}
	return string(text)
}
