// Package verify holds what an outsider needs to check Plumbline without trusting it.
//
// It depends on nothing else of Plumbline and does no I/O.
package verify
