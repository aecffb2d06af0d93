package witness

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"plumbline/internal/testing/logtest"
)

// keysFor fills LOG1, W1 … in the text of a policy with keys.
func keysFor(t testing.TB) func(string) []byte {
	t.Helper()
	var pairs []string
	for i := 9; i >= 1; i-- {
		k, err := NewKey(fmt.Sprintf("w%d.example", i))
		if err != nil {
			t.Fatal(err)
		}
		_, log, err := note.GenerateKey(rand.Reader, fmt.Sprintf("log%d.example", i))
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, fmt.Sprintf("<W%d>", i), k.Public()[0], fmt.Sprintf("<PQ%d>", i), k.Public()[1], fmt.Sprintf("<L%d>", i), log)
	}
	return func(s string) []byte { return []byte(strings.NewReplacer(pairs...).Replace(s)) }
}

// The example of the specification, and what each set of witnesses comes to under it.
func TestQuorum(t *testing.T) {
	fill := keysFor(t)
	p, err := ParsePolicy(fill(`# the example of C2SP tlog-policy
log <L1>

  witness X1 <W1>
witness	X2 <W2> https://w2.example/
witness X3 <PQ3>
group X-witnesses 2 X1 X2 X3

witness Y1 <W4>
witness Y2 <W5>
witness Y3 <W6>
group Y-witnesses any Y1 Y2 Y3

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Logs) != 1 || len(p.Witnesses) != 6 || p.Witnesses[1].URL != "https://w2.example" {
		t.Errorf("%+v", p)
	}
	for names, want := range map[string]bool{
		"": false, "X1": false, "X1 X2": false, "X1 Y1": false, "Y1 Y2 Y3": false, "X1 X2 Y3": true, "X2 X3 Y1": true,
		"X1 X2 X3": false, "X1 X2 X3 Y1 Y2 Y3": true, "X-witnesses Y-witnesses": false, "X-and-Y": false,
	} {
		have := strings.Fields(names)
		got := p.Met(func(n string) bool {
			for _, h := range have {
				if h == n {
					return true
				}
			}
			return false
		})
		if got != want {
			t.Errorf("with %q the policy is met: %v, want %v", names, got, want)
		}
	}
}

// What is not a policy is refused, and the line is named.
func TestPolicyIsReadStrictly(t *testing.T) {
	fill := keysFor(t)
	for _, ok := range []string{
		"quorum none\n", "\tquorum\t none \n\n#", "witness \xe2\x84\xaa <W1>\nwitness K <W2>\nquorum K\n",
		"witness \xff\xa0\x85 <W1>\nquorum \xff\xa0\x85\n", "quorum none\n# \xff\n", "log <L1> http://127.0.0.1:8080/log\nquorum none\n",
		"witness quorum <W1>\ngroup all all quorum\nquorum all\n", "log <PQ1>\nquorum none\n", "witness a <PQ1>\nwitness b <W1>\nquorum a\n",
	} {
		text := fill(ok)
		if bytes.HasSuffix(text, []byte("#")) {
			text = append(text, '\n')
		}
		if _, err := ParsePolicy(text); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, tt := range []struct{ text, says string }{
		{"", "no line \"quorum"},
		{"log <L1>\n", "no line \"quorum"},
		{"quorum none", "line 1: does not end"},
		{"quorum none\nquorum none\n", "line 2: is a second quorum"},
		{"quorum a\n", "line 1: no witness or group is called \"a\""},
		{"quorum w\nwitness w <W1>\n", "line 1: no witness"},
		{"quorum\n", "line 1: is not: quorum NAME"},
		{"quorum none # why\n", "line 1: is not: quorum NAME"},
		{"quorums none\n", "line 1: begins with"},
		{"quorum none\r\n", "line 1: holds the control character 0x0d"},
		{"# \x00\nquorum none\n", "line 1: holds the control character 0x00"},
		{"# \x7f\nquorum none\n", "line 1: holds the control character 0x7f"},
		{"\n\nlog\nquorum none\n", "line 3: is not: log"},
		{"log <L1> http://a b\nquorum none\n", "line 1: is not: log"},
		{"log <W1>\nquorum none\n", "line 1: the key of w1.example is of a witness"},
		{"witness a <L1>\nquorum a\n", "line 1: the key of log1.example is of a log"},
		{"log x\nquorum none\n", "line 1: "},
		{"log <L1>\nlog <L1>\nquorum none\n", "line 2: has the key of line 1"},
		{"witness a <W1>\nwitness b <W1>\nquorum a\n", "line 2: has the key of line 1"},
		{"witness a <W1>\nwitness a <W2>\nquorum a\n", "line 2: the name \"a\" is taken"},
		{"witness none <W1>\nquorum none\n", "line 1: the name \"none\""},
		{"witness a <W1> ftp://a\nquorum a\n", "line 1: \"ftp://a\" is not the address"},
		{"witness a <W1> https://me:pw@a\nquorum a\n", "line 1: "},
		{"witness a <W1> https:///x\nquorum a\n", "line 1: "},
		{"witness a <W1>\ngroup g 0 a\nquorum g\n", "line 2: \"0\" is not"},
		{"witness a <W1>\ngroup g 2 a\nquorum g\n", "line 2: \"2\" is not"},
		{"witness a <W1>\ngroup g 01 a\nquorum g\n", "line 2: \"01\" is not"},
		{"witness a <W1>\ngroup g some a\nquorum g\n", "line 2: \"some\" is not"},
		{"witness a <W1>\ngroup g all\nquorum g\n", "line 2: is not: group"},
		{"witness a <W1>\ngroup g any none\nquorum g\n", "line 2: no witness or group is called \"none\""},
		{"witness a <W1>\ngroup g any g\nquorum g\n", "line 2: no witness or group is called \"g\""},
		{"witness a <W1>\ngroup g any a a\nquorum g\n", "line 2: \"a\" is in a group already (line 2)"},
		{"witness a <W1>\ngroup g any a\ngroup h any a\nquorum g\n", "line 3: \"a\" is in a group already (line 2)"},
		{"witness a <W1>\ngroup a any a\nquorum a\n", "line 2: the name \"a\" is taken"},
	} {
		_, err := ParsePolicy(fill(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v, want %q", tt.text, err, tt.says)
		}
	}
	// The same public key under another name is the same witness.
	k := newKey(t)
	_, public := keyMaterial(k.Public()[0])
	again := encodeKey("another.example", append([]byte{typeCosignEd25519}, public...), []byte{0}).public
	if _, err := ParsePolicy([]byte("witness a " + k.Public()[0] + "\nwitness b " + again + "\nquorum a\n")); err == nil || !strings.Contains(err.Error(), "line 2: has the key of line 1") {
		t.Errorf("one key under two names: %v", err)
	}
}

// A head is checked against a policy by its cosignatures alone.
func TestPolicyChecksHeads(t *testing.T) {
	log := logtest.New(t, "log.example").Append(3)
	one, two := newKey(t), newKey(t)
	p, err := ParsePolicy([]byte("witness one " + one.Public()[0] + "\nwitness two " + two.Public()[1] + "\ngroup both all one two\nquorum both\n"))
	if err != nil {
		t.Fatal(err)
	}
	head := log.Head(3)
	cosignature := func(k *Key) []byte {
		c, err := k.Cosign(head)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	signed := log.Signed(3)
	if names, met, err := p.Check(signed); err != nil || met || len(names) != 0 {
		t.Errorf("without cosignatures: %v, %v, %v", names, met, err)
	}
	signed = append(signed, cosignature(one)...)
	if names, met, err := p.Check(signed); err != nil || met || len(names) != 1 {
		t.Errorf("with one: %v, %v, %v", names, met, err)
	}
	signed = append(signed, cosignature(two)...)
	if names, met, err := p.Check(signed); err != nil || !met || len(names) != 2 {
		t.Errorf("with both: %v, %v, %v", names, met, err)
	}
	if _, met, err := p.Check(bytes.Replace(signed, []byte("\n3\n"), []byte("\n4\n"), 1)); err == nil || met {
		t.Errorf("of another head: %v, %v", met, err)
	}
}

func FuzzPolicy(f *testing.F) {
	f.Add([]byte("witness a b http://c\ngroup g 1 a\nquorum g\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePolicy(text)
		if err != nil {
			return
		}
		if len(p.Witnesses) == 0 && p.Quorum != None {
			t.Errorf("%q: a quorum %q without witnesses", text, p.Quorum)
		}
		if p.Quorum != None && p.Met(func(string) bool { return false }) {
			t.Errorf("%q is met by nobody", text)
		}
		if !p.Met(func(string) bool { return true }) {
			t.Errorf("%q cannot be met by all", text)
		}
	})
}
