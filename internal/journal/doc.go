// Package journal is the record: entries that are appended and never changed, their exact bytes, and their one order.
//
// Entries stand in streams (one per matter, body, official, account, pack), numbered from 1 without gaps. (stream, n) is
// unique, and that is the whole of the concurrency control: whoever comes second with the same number gets a
// fault.Conflict and nothing of their transaction happens. A Sequencer gives every entry its place in the journal as a
// whole, from 1 without gaps and in the order of each stream, however many instances run. Followers read in
// that order, each exactly once: what a follower does with a batch and the note of how far it has read are one transaction.
//
// The package knows nothing of what entries mean.
package journal
