package store

// Commits tells how many commits a SQLite database has done.
func Commits(db *DB) int64 { return db.engine.(*sqliteEngine).writer.commits.Load() }

// WaitingTurns tells how many transactions wait for the writer of a SQLite database.
func WaitingTurns(db *DB) int { return len(db.engine.(*sqliteEngine).writer.queue) }

// NewIDSource makes ids by a clock of the test.
func NewIDSource(now func() int64, instance int64) func() int64 {
	s := &idSource{now: now, instance: instance}
	return s.next
}
