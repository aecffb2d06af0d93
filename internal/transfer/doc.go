// Package transfer brings complaint files of other offices into the record, and says what became of every line.
//
// A mapping (docs/reference/mapping.md) says how the columns of one or more CSV files become bodies, officials,
// matters, allegations and parties. It is checked whole, against the pack it is written for, before a byte of data is
// read. Input streams through a merge sort on disk, so memory does not grow with the files; matters are written in
// batches, each with the run's cursor and counters in the same transaction, so a killed import continues where it
// stopped and ends with the same figures.
//
// Three promises hold, and the program checks the first one itself:
// every record read was opened, updated, unchanged or rejected, and each rejected one stands in a file with its reason;
// importing the same data again writes nothing;
// what was imported is marked as imported and enters through a recorded action: no procedure is pretended.
package transfer
