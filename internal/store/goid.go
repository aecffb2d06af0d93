package store

import (
	"bytes"
	"runtime"
	"strconv"
)

// goroutineID tells goroutines apart, for one purpose: a Tx begun inside a Tx would wait for itself for ever, and
// nothing else in reach shows that the two calls come from the same place (the context passed to the inner call is usually
// the one from outside). Costs about a microsecond beside a flush to disk.
func goroutineID() uint64 {
	var buf [40]byte
	head := buf[:runtime.Stack(buf[:], false)] // "goroutine 123 [running]:…"
	head = bytes.TrimPrefix(head, []byte("goroutine "))
	digits, _, _ := bytes.Cut(head, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		panic("store: the runtime no longer prints goroutine ids as expected: " + string(buf[:]))
	}
	return id
}
