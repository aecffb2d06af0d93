//go:build !unix

package cli

func noCoreDump() error { return nil }
