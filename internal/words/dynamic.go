package words

// dynamic lists the beginnings of keys that are put together while the program runs, such as the name of
// an urgency behind "words.clock.". A key that begins so may stand in the catalogues though no code or
// template names it whole. One line each, with where it is put together.
var dynamic = []string{
	"flood.mark.",        // web: what is unusual about how a report came in
	"flash.",             // view.Flash: every message for the next page
	"admin.factor.",      // web: a way to sign in, and what became of it
	"admin.token.",       // web: what became of a token
	"sessions.way.",      // web: how somebody signed in
	"tokens.scope.",      // web: what a token is good for
	"admin.entry.",       // web: an entry of an account, by its action
	"inspections.kind.",  // web: how chance is asked
	"inspections.hint.",  // web: what that is
	"inspections.seed.",  // web: how to write it down
	"sample.seed.",       // sample: what is wrong with a random value, by its kind
	"law.",               // web, cli: a part of the law, by the name it has in package access
	"access.recused.",    // access: why somebody is kept away
	"ties.kind.",         // web: what kind of tie it is
	"staff.actor.",       // web: who acts without an account, by duty
	"staff.channel.",     // web: how a report came in
	"staff.check.",       // web: an answer on a check sheet
	"staff.clock.",       // web: how a time limit stands
	"staff.entry.",       // web: an entry that no pack names, by its action
	"staff.link.",        // web: how two matters are linked, and the form for it
	"staff.note.",        // web: the form for a note
	"staff.role.",        // web: the role of a party
	"staff.sealed.",      // web: a compartment
	"staff.open.reason.", // web: why something was opened
	"staff.work.",        // web: a part of "my work"
	"figures.dim.",       // web: a dimension that no pack names
	"figures.refused.",   // web: why a figure is not shown
	"figures.said.",      // web: the first sentence of a figure, by what it counts
	"figures.source.",    // web: where what is counted comes from
	"tally.imported.",    // tally: a value of the dimension "imported"
	"verify.say.",        // web: a text of the page that checks receipts, shown by its script
	"files.say.",         // web: a text of the form that sends files in pieces, shown by its script
	"verify.flaw.",       // web: what is wrong with a receipt, by the code of the flaw
	"verify.do.",         // web: what to do then
	"verify.action.",     // web: an entry that no pack names, by its action
	"effect.",            // web: what a step does in law, where a rule of fairness misses it
}
