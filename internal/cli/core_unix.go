//go:build unix && !linux

package cli

import "syscall"

// noCoreDump keeps the system from writing this process's memory, with keys and words that are open in it, to the disk
// when it crashes.
func noCoreDump() error {
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: 0})
}
