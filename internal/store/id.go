package store

import (
	"math/rand/v2"
	"sync"
	"time"
)

// An id is 41 bits of milliseconds since 2020, 10 bits drawn at random by the process, and 12 bits of sequence:
// ids sort by time and need no coordination. Two processes that drew the same 10 bits (one pair in 1,024) could meet
// only within the same millisecond on the same sequence number; the primary key then refuses the later row.
const (
	idInstanceBits = 10
	idSequenceBits = 12
)

var idEpoch = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

type idSource struct {
	mu       sync.Mutex
	now      func() int64 // milliseconds since the epoch
	instance int64
	ms, seq  int64
}

// ids is shared by all databases of the process, so that ids rise within it whichever database they are for.
var ids = idSource{
	now:      func() int64 { return time.Now().UnixMilli() - idEpoch },
	instance: rand.Int64N(1 << idInstanceBits),
}

// NewID returns a new positive id, larger than every id this process got before.
func (db *DB) NewID() int64 { return ids.next() }

func (s *idSource) next() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The clock may stand still or go back; ids do not. A burst borrows from the milliseconds to come.
	switch now := s.now(); {
	case now > s.ms:
		s.ms = now
		// Begin low but not at 0: processes with the same instance bits would meet there first.
		s.seq = rand.Int64N(1 << (idSequenceBits - 1))
	case s.seq < 1<<idSequenceBits-1:
		s.seq++
	default:
		s.ms++
		s.seq = 0
	}
	return s.ms<<(idInstanceBits+idSequenceBits) | s.instance<<idSequenceBits | s.seq
}

// IDTime tells when an id was made, to the millisecond.
func IDTime(id int64) time.Time {
	return time.UnixMilli(id>>(idInstanceBits+idSequenceBits) + idEpoch).UTC()
}
