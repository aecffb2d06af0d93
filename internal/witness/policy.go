package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"plumbline/verify"
)

// A Policy says whose cosignatures make a head of a log good enough (C2SP tlog-policy).
type Policy struct {
	Logs      []PolicyLog
	Witnesses []PolicyWitness
	Quorum    string // the name of a witness or a group, or None

	groups map[string]group
}

// PolicyLog is a log that the policy accepts.
type PolicyLog struct {
	VKey string
	Key  note.Verifier
	URL  string // "" if none is given
}

// PolicyWitness is a witness that the policy knows.
type PolicyWitness struct {
	Name string // within the policy; not the name of its key
	Key  note.Verifier
	URL  string // the submission prefix, without a slash at its end; "" if none is given
}

// None is the quorum that needs no witness.
const None = "none"

// group counts as having witnessed a head when at least k of its members have.
type group struct {
	k       int
	members []string
}

// Bounds on what a policy may hold; the format asks for at least 32 of each.
const (
	maxPolicy  = 1 << 20
	maxDefined = 256
)

// signature types of C2SP signed-note that keys in a policy may have.
const (
	typeEd25519       = 0x01
	typeCosignEd25519 = 0x04
	typeCosignMLDSA   = 0x06
)

// ParsePolicy reads a policy. It is strict; its errors name the line.
func ParsePolicy(text []byte) (*Policy, error) {
	if len(text) > maxPolicy {
		return nil, fmt.Errorf("the policy is longer than %d bytes", maxPolicy)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("line %d: does not end with a newline: the file may have been cut off", bytes.Count(text, []byte("\n"))+1)
	}
	r := policyReader{p: &Policy{groups: map[string]group{}}, defined: map[string]bool{}, member: map[string]int{}, keys: map[string]int{}}
	for text := text; len(text) > 0; {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		r.line++
		if err := r.read(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", r.line, err)
		}
	}
	if r.p.Quorum == "" {
		return nil, errors.New(`there is no line "quorum NAME" ("quorum none" if no witness is needed)`)
	}
	return r.p, nil
}

// policyReader is the state of reading a policy.
type policyReader struct {
	p       *Policy
	line    int
	defined map[string]bool
	member  map[string]int // a name that is in a group → the line of that group
	keys    map[string]int // kind and public key → the line that has it
}

func (r *policyReader) read(line []byte) error {
	for _, c := range line {
		if c != '\t' && (c < 0x20 || c == 0x7f) {
			return fmt.Errorf("holds the control character 0x%02x; only tabs and newlines are allowed", c)
		}
	}
	// Not strings.Fields: it would split at spaces that are not ASCII, and names are opaque bytes.
	fields := strings.FieldsFunc(latin(line), func(c rune) bool { return c == ' ' || c == '\t' })
	for i, f := range fields {
		fields[i] = unlatin(f)
	}
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil
	}
	args := fields[1:]
	switch fields[0] {
	case "log":
		return r.log(args)
	case "witness":
		return r.witness(args)
	case "group":
		return r.group(args)
	case "quorum":
		return r.quorum(args)
	}
	return fmt.Errorf("begins with %q, not with log, witness, group, quorum or #", fields[0])
}

// latin makes every byte a rune of its own, so that bytes which are not UTF-8 come through a function over runes unharmed.
func latin(b []byte) string {
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return string(runes)
}

func unlatin(s string) string {
	b := make([]byte, 0, len(s))
	for _, c := range s {
		b = append(b, byte(c))
	}
	return string(b)
}

func (r *policyReader) log(args []string) error {
	if len(args) < 1 || len(args) > 2 {
		return errors.New("is not: log VKEY [URL]")
	}
	if len(r.p.Logs) == maxDefined {
		return fmt.Errorf("is the log number %d: too many", maxDefined+1)
	}
	key, err := r.key("log", args[0], ParseLogKey)
	if err != nil {
		return err
	}
	l := PolicyLog{VKey: args[0], Key: key}
	if len(args) == 2 {
		if l.URL, err = parseURL(args[1]); err != nil {
			return err
		}
	}
	r.p.Logs = append(r.p.Logs, l)
	return nil
}

func (r *policyReader) witness(args []string) error {
	if len(args) < 2 || len(args) > 3 {
		return errors.New("is not: witness NAME VKEY [URL]")
	}
	if len(r.p.Witnesses) == maxDefined {
		return fmt.Errorf("is the witness number %d: too many", maxDefined+1)
	}
	if err := r.define(args[0]); err != nil {
		return err
	}
	key, err := r.key("witness", args[1], ParseWitnessKey)
	if err != nil {
		return err
	}
	w := PolicyWitness{Name: args[0], Key: key}
	if len(args) == 3 {
		if w.URL, err = parseURL(args[2]); err != nil {
			return err
		}
	}
	r.p.Witnesses = append(r.p.Witnesses, w)
	return nil
}

func (r *policyReader) group(args []string) error {
	if len(args) < 3 {
		return errors.New("is not: group NAME all|any|NUMBER MEMBER…")
	}
	if len(r.p.groups) == maxDefined {
		return fmt.Errorf("is the group number %d: too many", maxDefined+1)
	}
	name, rule, members := args[0], args[1], args[2:]
	g := group{members: members}
	switch rule {
	case "all":
		g.k = len(members)
	case "any":
		g.k = 1
	default:
		k, err := strconv.Atoi(rule)
		if err != nil || strconv.Itoa(k) != rule || k < 1 || k > len(members) {
			return fmt.Errorf("%q is not all, any, or a number from 1 to %d, the number of members", rule, len(members))
		}
		g.k = k
	}
	for _, m := range members {
		if err := r.known(m); err != nil {
			return err
		}
		if before, twice := r.member[m]; twice {
			return fmt.Errorf("%q is in a group already (line %d): it can count in one way only", m, before)
		}
		r.member[m] = r.line
	}
	if err := r.define(name); err != nil { // after its members: it cannot be its own
		return err
	}
	r.p.groups[name] = g
	return nil
}

func (r *policyReader) quorum(args []string) error {
	if len(args) != 1 {
		return errors.New("is not: quorum NAME")
	}
	if r.p.Quorum != "" {
		return errors.New("is a second quorum")
	}
	if args[0] != None {
		if err := r.known(args[0]); err != nil {
			return err
		}
	}
	r.p.Quorum = args[0]
	return nil
}

// define takes a name for a witness or a group.
func (r *policyReader) define(name string) error {
	if name == None {
		return fmt.Errorf("the name %q has a meaning of its own", None)
	}
	if r.defined[name] {
		return fmt.Errorf("the name %q is taken", name)
	}
	r.defined[name] = true
	return nil
}

func (r *policyReader) known(name string) error {
	if !r.defined[name] {
		return fmt.Errorf("no witness or group is called %q on the lines before", name)
	}
	return nil
}

// key reads a key and refuses one that stands there already, also under another name.
func (r *policyReader) key(kind, vkey string, parse func(string) (note.Verifier, error)) (note.Verifier, error) {
	key, err := parse(vkey)
	if err != nil {
		return nil, err
	}
	_, public := keyMaterial(vkey)
	id := kind + " " + string(public)
	if before, twice := r.keys[id]; twice {
		return nil, fmt.Errorf("has the key of line %d", before)
	}
	r.keys[id] = r.line
	return key, nil
}

// keyMaterial returns the signature type and the public key in a verifier key that has been parsed.
func keyMaterial(vkey string) (kind byte, public []byte) {
	encoded := vkey
	for range 2 {
		_, encoded, _ = strings.Cut(encoded, "+")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) < 2 {
		return 0, nil
	}
	return raw[0], raw[1:]
}

// ParseLogKey reads the verifier key of a log. It refuses keys that are for witnesses alone.
func ParseLogKey(vkey string) (note.Verifier, error) {
	key, err := verify.ParseKey(vkey)
	if err != nil {
		return nil, err
	}
	if kind, _ := keyMaterial(vkey); kind != typeEd25519 && kind != typeCosignMLDSA {
		return nil, fmt.Errorf("the key of %s is of a witness, not of a log", key.Name())
	}
	return key, nil
}

// ParseWitnessKey reads the verifier key of a witness. It refuses keys that sign without a time.
func ParseWitnessKey(vkey string) (note.Verifier, error) {
	key, err := verify.ParseKey(vkey)
	if err != nil {
		return nil, err
	}
	switch kind, _ := keyMaterial(vkey); kind {
	case typeCosignEd25519, typeCosignMLDSA:
	default:
		return nil, fmt.Errorf("the key of %s is of a log, not of a witness: witnesses sign with a time (C2SP tlog-cosignature)", key.Name())
	}
	if len(key.Name()) > 255 {
		return nil, errors.New("the name of the key is longer than 255 bytes")
	}
	return key, nil
}

// parseURL reads where a log or a witness is found.
func parseURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is not the address of a service: https://HOST[/PATH]", s)
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// Met tells whether cosignatures of the named witnesses are enough.
func (p *Policy) Met(cosigned func(name string) bool) bool {
	// A group names only what stands before it, so this ends; each name is in one group at most, so it ends soon.
	var met func(name string) bool
	met = func(name string) bool {
		g, is := p.groups[name]
		if !is {
			return cosigned(name)
		}
		n := 0
		for _, m := range g.members {
			if met(m) {
				n++
			}
		}
		return n >= g.k
	}
	return p.Quorum == None || met(p.Quorum)
}

// Check tells which witnesses have cosigned a head, by their names in the policy, and whether that is enough. It does not
// look at the signature of the log.
func (p *Policy) Check(signed []byte) (names []string, met bool, err error) {
	cosigned := map[string]bool{}
	for _, w := range p.Witnesses {
		switch n, err := note.Open(signed, note.VerifierList(w.Key)); {
		case err == nil:
			if t, err := cosignedAt(n.Sigs[0]); err == nil && t.Unix() > 0 {
				cosigned[w.Name] = true
				names = append(names, w.Name)
			}
		case errors.As(err, new(*note.UnverifiedNoteError)): // it has not cosigned
		case errors.As(err, new(*note.InvalidSignatureError)):
			return nil, false, fmt.Errorf("the cosignature of %s is false: %w", w.Name, err)
		default:
			return nil, false, err
		}
	}
	return names, p.Met(func(name string) bool { return cosigned[name] }), nil
}
