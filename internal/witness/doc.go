// Package witness keeps a log honest from outside: a witness remembers the newest head it has seen of each log and signs only
// heads that continue it, so that a log with enough witnesses cannot show two histories to two people.
//
// Both ends of C2SP tlog-witness are here. A [Witness] serves the protocol: what it has cosigned is in its database before the
// answer goes out, and of two heads that contradict each other it never cosigns both, however many processes serve one
// database, and whenever they are killed. A [Client] is the log's side: it asks the witnesses of a [Policy] (C2SP
// tlog-policy) for cosignatures, keeps only those that it has checked, and tells what each witness answered.
//
// A witness sees sizes and hashes, never an entry.
package witness
