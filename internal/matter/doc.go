// Package matter runs matters from opening to closing: it is the engine behind "everything that happens is an action on
// a matter, recorded as an entry".
//
// A matter changes only when an entry is appended to its stream, and what the tables hold of it is a pure fold of those
// entries: Fold makes the State, and the State alone is written, in the transaction of the entry. Verify folds everything
// again and names each row that was changed behind the record's back.
//
// What happens is decided by pure functions (Decide, DecideOpen, Lapse) over the pack's procedure, the matter, what
// was entered and what the register says at that moment; the rules of fairness that the pack was checked against hold
// here a second time, for what really happened. Who may do something is package access's to say. Deadlines come from
// the pack, never from this package; the time of day comes from the one clock the Engine was given. It knows no HTTP.
package matter
