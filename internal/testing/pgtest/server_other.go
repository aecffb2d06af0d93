//go:build !unix

package pgtest

import "errors"

// join cannot start a server here.
func join() (string, error) {
	return "", errors.New("set PLUMBLINE_TEST_POSTGRES; a server is started only on Unix")
}
