package pack

// Rules are the rules of fairness by id, each in a line. docs/explanation/fairness.md says why each is there and how
// it is checked; F11, F16 and F17 come with the full procedure of cases.
var Rules = map[string]string{
	"F1":  "every state is reachable and every action can happen",
	"F2":  "from every open state a final state can be reached",
	"F3":  "every open state has a running clock, and a pause has a reason and an end",
	"F4":  "a clock that runs out reaches somebody above by itself",
	"F5":  "a report ends early only with a reason code, reasons, notice and a review by another desk",
	"F6":  "merging and transferring keep the reporter's channel, and an unacknowledged transfer comes back",
	"F7":  "reports are acknowledged within 7 days and answered within 3 months",
	"F8":  "nobody is decided against unheard",
	"F9":  "who finds does not decide, who concludes does not review, who decides does not hear the appeal",
	"F10": "an adverse decision can be appealed against before it is carried out",
	"F12": "every conduct entry cites a rule and when it was in force",
	"F13": "what identifies a reporter or witness is sealed and kept for a stated time",
	"F14": "only officials, only for conduct",
	"F15": "outcomes are in tiers, each with its time on record and who carries it out",
	"F18": "every matter finds a competent desk that is not the one concerned",
	"F19": "names exist, expressions fit, labels are complete, measures can count",
	"F20": "every way of ending can be drawn for inspection",
	"F21": "every final state can be reopened",
	"F22": "every duty can be held, and an office of five can run the procedure",
	"F23": "the reporter is told",
}
