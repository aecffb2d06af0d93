package store_test

import (
	"testing"

	"plumbline/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) { storetest.Run(t, kind) })
	}
}
