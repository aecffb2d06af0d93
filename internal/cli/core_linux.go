package cli

import (
	"errors"
	"syscall"
)

// noCoreDump keeps the system from writing this process's memory, with keys and words that are open in it, to the disk when it
// crashes, and other processes of the same user from reading it. The limit alone does not reach a system that pipes dumps to a
// program of its own.
func noCoreDump() error {
	const setDumpable = 4 // PR_SET_DUMPABLE, prctl(2)
	err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: 0, Max: 0})
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0); e != 0 {
		err = errors.Join(err, e)
	}
	return err
}
