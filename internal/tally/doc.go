// Package tally counts: what the packs declare as measures, over all matters, at every body and the bodies above it.
//
// What a matter contributes is a pure function of its state (Contribute). A Tally follows the journal, compares what each
// touched matter contributes now with what it contributed before, and carries the differences into cells that are
// summed up the tree of bodies, in one transaction with the note of how far it has read. So a figure is never
// counted twice or left out, whatever fails in between; it is read in the time it takes to read its cells, however many matters
// there are; it can be traced to the matters behind it; and Verify counts everything again and names
// each row that differs.
//
// Distinct numbers (officials) are distinct in every cell: cells know how often they counted each official.
package tally
