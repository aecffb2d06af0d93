package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// signals returns a context that ends at the first SIGINT or SIGTERM, so that work stops where it is safe. A second
// signal ends the program at once.
func signals(t *terminal) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-ch:
			cancel()
		case <-done:
			return
		}
		select {
		case <-ch:
			fmt.Fprintln(t.err, "plumbline: stopped at once by a second signal")
			os.Exit(exitSignal)
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(ch); close(done); cancel() }
}
