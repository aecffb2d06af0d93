// Package monitor follows a log from outside, knowing nothing of who runs it but the address and the key: a [Monitor] fetches the
// signed head and the tiles (C2SP tlog-tiles), works out for itself whether the log still is the one it saw before, and keeps every
// head it accepted in a file of its own that is only ever appended to.
//
// What it finds wrong is a [*Wrong]: a kind, words, and what to do; two signed heads that contradict each other are kept as
// evidence. What keeps it from looking is an [*Unreachable], and never taken for either of the two. A server that hangs, that answers
// without end, or that sends the monitor elsewhere, can do no more than be unreachable.
package monitor
