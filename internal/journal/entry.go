package journal

import (
	"encoding/json"
	"time"

	"plumbline/internal/ref"
)

// An Entry is one thing that happened, as it is recorded for good. Its JSON encoding (Encode) is the record: the
// exact bytes are kept, and everything else is derived from them.
type Entry struct {
	V       int                        `json:"v"`                 // format, now 1
	Stream  string                     `json:"stream"`            // "matter/123", "body/7", "official/9", "account/5", "pack/generic"
	N       int64                      `json:"n"`                 // number within the stream, from 1, without gaps
	At      time.Time                  `json:"at"`                // UTC, microseconds
	By      Actor                      `json:"by"`                // who
	Via     Via                        `json:"via"`               // how it came in
	Pack    string                     `json:"pack,omitempty"`    // "generic@1.0.0", the rules it happened under
	Action  string                     `json:"action"`            // "screen", "import", "register.rename" …
	Fields  map[string]any             `json:"fields,omitempty"`  // what was entered and may stand in the clear
	Sealed  map[string]json.RawMessage `json:"sealed,omitempty"`  // by compartment: what is for some eyes only
	Changes json.RawMessage            `json:"changes,omitempty"` // what it changes, in the words of the package that folds the stream
}

// Actor is who did something. The zero account is the system, the reporter or the source of an import, as Duty says.
type Actor struct {
	Account ref.AccountID `json:"account,omitempty,string"`
	Duty    string        `json:"duty"`
	Body    ref.BodyID    `json:"body,omitempty,string"`
}

// Via is the way an entry came in.
type Via string

const (
	ViaWeb    Via = "web"
	ViaCLI    Via = "cli"
	ViaTimer  Via = "timer"
	ViaImport Via = "import"
	ViaAPI    Via = "api"
)

// Recorded is an entry as read back: the entry, its exact bytes and its place in the whole journal.
type Recorded struct {
	Entry
	Bytes []byte
	Index int64 // gap-free global index from 1; 0 while the sequencer has not reached it
}
