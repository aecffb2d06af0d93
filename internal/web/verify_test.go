package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"plumbline/internal/ledger"
	"plumbline/internal/store"
	"plumbline/internal/testing/browser"
	"plumbline/internal/testing/world"
	"plumbline/verify"
)

// The script shows no text that the page does not carry, and the page carries none that the script does not show.
func TestTheScriptOfReceiptsSaysOnlyWhatThePageCarries(t *testing.T) {
	script := source(t, "verify.mjs")
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`say\(([^)]*)`).FindAllStringSubmatch(script, -1) {
		for _, key := range regexp.MustCompile(`'([a-z.]+)'`).FindAllStringSubmatch(m[1], -1) {
			asked[key[1]] = true
		}
	}
	for key := range asked {
		if key != "flaw." && key != "do." && key != "id" && key != "lead" && key != "crypto" && key != "clock" && !slices.Contains(verifyWords, key) {
			t.Errorf("the script asks for %q, which the page does not carry", key)
		}
	}
	for _, key := range verifyWords {
		if !asked[key] {
			t.Errorf("the page carries %q, which the script never asks for", key)
		}
	}
	if strings.Contains(script, "fetch(") || strings.Contains(script, "XMLHttpRequest") || strings.Contains(script, "sendBeacon") {
		t.Error("the script sends something")
	}
}

func source(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("assets", "src", "js", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestThePageOfReceiptsSendsNothing(t *testing.T) {
	w := newLogWorld(t, world.SQLite(t))
	for _, say := range w.book.Speakers() {
		p := w.person(say.Lang()).visit("/verify").is(200)
		_, header, _ := w.fetch("GET", "/verify")
		if policy := header.Get("Content-Security-Policy"); !strings.Contains(policy, "connect-src 'none'") || !strings.Contains(policy, "default-src 'self'") {
			t.Errorf("policy %q", policy)
		}
		if vkey := w.key.Public()[0]; !strings.Contains(p.page, ">"+strings.ReplaceAll(vkey, "+", "&#43;")+"</textarea>") {
			t.Errorf("the page does not carry the key %s", vkey)
		}
		if main := p.page[strings.Index(p.page, "<main"):strings.Index(p.page, "</main")]; strings.Contains(main, "<form") || strings.Contains(main, ` name="`) {
			t.Error("the page could send a form")
		}
	}
	if missing := w.book.Missing(); len(missing) > 0 {
		t.Errorf("texts that are missing: %v", missing)
	}
}

type receiptVector struct {
	Name      string   `json:"name"`
	Logs      []string `json:"logs"`
	Witnesses []string `json:"witnesses"`
	Receipt   string   `json:"receipt"`
	Fragment  string   `json:"fragment"`
	Proven    any      `json:"proven"`
	Whole     string   `json:"whole"`

	Said map[string]string `json:"said"`
	Flaw *struct {
		Code  string `json:"code"`
		Line  int    `json:"line"`
		Entry int    `json:"entry"`
	} `json:"flaw"`
}

// forBrowsers reports whether a browser can check what the vector is about: none knows ML-DSA yet.
func (v receiptVector) forBrowsers() bool { return !strings.Contains(v.Name, "quantum") }

func readVectors(t *testing.T, name string, into any) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "verify", "testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A second implementation, in another language and with another's cryptography, finds of every vector what package verify
// finds; and the page shows it to a reader, in both languages, on a phone and at a desk.
func TestReceiptsInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newLogWorld(t, world.SQLite(t))
	w.fileMany(3)
	w.sign()
	chromium := browser.Start(t)
	tab := chromium.Open(t, browser.Phone, true)
	tab.Visit(w.srv.URL + "/verify?lang=en")
	var vectors []receiptVector
	text := readVectors(t, "receipts.json", &vectors)

	t.Run("vectors of receipts", func(t *testing.T) {
		found := inBrowser[[]receiptVector](t, tab, text, `Promise.all(vectors.map(async (v) => {
			const out = { name: v.name }
			try {
				const keys = (lines) => parseKeys((lines || []).join("\n"))
				const got = await check(fromBinary(atob(v.receipt)), { logs: await keys(v.logs), witnesses: await keys(v.witnesses) })
				if (got.entry.whole) out.whole = new TextDecoder().decode(got.entry.whole)
				if (got.entry.said) out.said = Object.fromEntries([...got.entry.said].map(([name, content]) => [name, new TextDecoder().decode(content)]))
				for (const e of [got.entry, ...got.further]) { delete e.whole; delete e.said }
				out.proven = got
				out.receipt = encode(await parseFragment(v.fragment))
			} catch (f) { out.flaw = { code: f.code || String(f), line: f.line, entry: f.entry } }
			return out
		}))`)
		for i, want := range vectors {
			got := found[i]
			if !want.forBrowsers() {
				continue
			}
			if !reflect.DeepEqual(got.Flaw, want.Flaw) || !reflect.DeepEqual(got.Proven, want.Proven) || got.Whole != want.Whole || !reflect.DeepEqual(got.Said, want.Said) {
				t.Errorf("%s:\n got %+v %+v %q\nwant %+v %+v %q", want.Name, got.Proven, got.Flaw, got.Said, want.Proven, want.Flaw, want.Said)
			}
			if want.Flaw == nil && got.Receipt != want.Receipt {
				t.Errorf("%s: the fragment holds something else", want.Name)
			}
		}
	})
	t.Run("vectors of steps", func(t *testing.T) {
		var steps struct {
			Entries []struct{ Name, Entry, Text string } `json:"of_entries"`
			None    []struct{ Name, Text string }        `json:"no_steps"`
		}
		text := readVectors(t, "steps.json", &steps)
		found := inBrowser[[]string](t, tab, text, `[...vectors.of_entries.map((v) => { try { return stepText(stepOf(utf8.encode(v.entry))) } catch { return "" } }),
			...vectors.no_steps.map((v) => { try { parseStep(v.text); return "a step" } catch { return "" } })]`)
		for i, v := range steps.Entries {
			if found[i] != v.Text {
				t.Errorf("step of %s: %q, want %q", v.Name, found[i], v.Text)
			}
		}
		for i, v := range steps.None {
			if found[len(steps.Entries)+i] != "" {
				t.Errorf("no step, %s: was read", v.Name)
			}
		}
	})
	t.Run("each shown to a reader", func(t *testing.T) {
		for _, v := range vectors {
			if !v.forBrowsers() {
				continue
			}
			want := "holds"
			if v.Flaw != nil {
				want = v.Flaw.Code
			}
			if len(v.Logs) == 0 {
				want = "problem"
			}
			if got := w.checks(tab, v); got != want {
				t.Errorf("%s: the page shows %s, want %s", v.Name, got, want)
			}
		}
	})
	for _, screen := range []browser.Screen{browser.Phone, browser.Desk} {
		for _, say := range w.book.Speakers() {
			t.Run(screen.Name+" "+say.Lang(), func(t *testing.T) { w.looksAtReceipts(t, chromium.Open(t, screen, true), say.Lang(), vectors) })
		}
	}
	t.Run("a receipt of this office in an address", func(t *testing.T) { w.scansReceipt(t, chromium.Open(t, browser.Phone, true)) })
	t.Run("without scripts", func(t *testing.T) {
		tab := chromium.Open(t, browser.Phone, false)
		tab.Visit(w.srv.URL + "/verify?lang=en")
		page := tab.Text("main")
		if !strings.Contains(page, "This browser runs no scripts") || !strings.Contains(page, "plumbline receipt verify") {
			t.Errorf("without scripts the page says %q", page)
		}
		tab.Shot("verify-noscript")
	})
}

// inBrowser runs the module that checks receipts inside a page, on vectors.
func inBrowser[T any](t *testing.T, tab *browser.Tab, vectors, expression string) T {
	t.Helper()
	module := regexp.MustCompile(`(?m)^export `).ReplaceAllString(source(t, "receipt.mjs"), "")
	return browser.Evaluate[T](tab, fmt.Sprintf("(async () => {\n%s\nconst vectors = %s\nreturn await (%s)\n})()", module, vectors, expression))
}

// checks gives the page a receipt as a file, with its keys, and returns what the page makes of it.
func (w *logWorld) checks(tab *browser.Tab, v receiptVector) string {
	w.t.Helper()
	quoted := func(s string) string { b, _ := json.Marshal(s); return string(b) } // a string is always written
	return browser.Evaluate[string](tab, fmt.Sprintf(`(async () => {
		const put = (id, text) => { document.getElementById(id).value = text }
		put("verify-key", %s); put("verify-witness", %s)
		const result = document.querySelector("[data-result]")
		delete result.dataset.outcome
		const files = new DataTransfer()
		files.items.add(new File([Uint8Array.from(atob(%s), (c) => c.charCodeAt(0))], "receipt.tlog-proof"))
		const input = document.getElementById("verify-file")
		input.files = files.files
		input.dispatchEvent(new Event("change"))
		for (let i = 0; i < 1000 && !result.dataset.outcome; i++) await new Promise((done) => setTimeout(done, 5))
		return result.dataset.outcome || "nothing"
	})()`, quoted(strings.Join(v.Logs, "\n")), quoted(strings.Join(v.Witnesses, "\n")), quoted(v.Receipt)))
}

// looksAtReceipts reads what the page says of a good receipt and of bad ones.
func (w *logWorld) looksAtReceipts(t *testing.T, tab *browser.Tab, lang string, vectors []receiptVector) {
	named := func(name string) receiptVector {
		for _, v := range vectors {
			if v.Name == name {
				return v
			}
		}
		t.Fatalf("no vector %q", name)
		return receiptVector{}
	}
	look := func(name string) {
		t.Helper()
		// The button for leaving quickly stays in sight and lies over what is below it: look from the top.
		_ = browser.Evaluate[bool](tab, `(scrollTo(0, 0), true)`)
		for _, v := range tab.Barriers() {
			t.Errorf("%s, %s: %s", name, lang, v)
		}
		if wide := tab.Wide(); wide > 0 {
			t.Errorf("%s, %s: %d pixels wider than the screen", name, lang, wide)
		}
		tab.Shot("verify-" + name + "-" + lang)
	}
	if status := tab.Visit(w.srv.URL + "/verify?lang=" + lang); status != 200 {
		t.Fatalf("status %d", status)
	}
	look("empty")
	tab.Press("[data-check]")
	w.until(tab, func() bool { return tab.Has("[data-result] h2") })
	look("nothing")
	w.checks(tab, named("all steps, out of order, one of them closed, two witnesses"))
	look("holds")
	said := tab.Text("[data-result]")
	want := []string{"Position 41:", "acknowledge", "Position 300: close", "paper.example.com/w", "entry number 3 of this matter", "Harbour, gate 3", "May 2, 2026"}
	if lang == "zh-Hans" {
		want = []string{"这份回执成立", "第 41 位", "acknowledge", "第 300 位：close", "paper.example.com/w", "第 3 号", "Harbour, gate 3", "2026年5月2日"}
	}
	for _, w := range want {
		if !strings.Contains(said, w) {
			t.Errorf("the page does not say %q:\n%s", w, said)
		}
	}
	if left := regexp.MustCompile(`\{[a-z]+\}`).FindString(said); left != "" {
		t.Errorf("the value %s was left out:\n%s", left, said)
	}

	// What was sealed is shown field by field, in lines as it was written, and nothing in it steers the page.
	w.checks(tab, named("what is sealed in one part is opened, the other stays closed"))
	look("said")
	said = tab.Text("[data-result]")
	want = []string{"What was written", "exactly the words", "250", "He kept the money from the drawer.\nTwice, 两次, \ufffdabc <&>.", `["Ada","Bo"]`, "under “Identity of the reporter”", "The entry itself"}
	if lang == "zh-Hans" {
		want = []string{"所写的内容", "一字不差", "250", "He kept the money from the drawer.\nTwice, 两次, \ufffdabc <&>.", "“举报人身份”部分封存的内容", "记录本身"}
	}
	for _, w := range want {
		if !strings.Contains(said, w) {
			t.Errorf("the page does not say %q:\n%s", w, said)
		}
	}
	w.checks(tab, named("what is sealed has no fields"))
	if said := tab.Text("[data-result]"); !strings.Contains(said, "It was a Tuesday.") {
		t.Errorf("what has no fields is not shown:\n%s", said)
	}
	w.checks(tab, named("what was sealed was changed"))
	if said := tab.Text("[data-result]"); strings.Contains(said, "He kept the money") {
		t.Errorf("what was changed is shown:\n%s", said)
	}
	look("unsaid")
	w.checks(tab, named("another index"))
	look("path")
	w.checks(tab, named("another size"))
	look("signature")

	// The same with what a reader does: paste, press, see.
	good := named("just filed")
	receipt, err := base64.StdEncoding.DecodeString(good.Receipt)
	if err != nil {
		t.Fatal(err)
	}
	tab.Visit(w.srv.URL + "/verify")
	write := func(field, text string) {
		t.Helper()
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		tab.Press("#verify-" + field)
		_ = browser.Evaluate[bool](tab, `(document.execCommand("selectAll"), document.execCommand("insertText", false, `+string(quoted)+`))`)
	}
	write("text", "\n  "+string(receipt)+"\n")
	write("key", "# the office\n"+good.Logs[0])
	tab.Press("[data-check]")
	w.until(tab, func() bool { return tab.Has(`[data-outcome="holds"]`) })
	write("key", good.Logs[0][:len(good.Logs[0])-3])
	tab.Press("[data-check]")
	w.until(tab, func() bool { return tab.Has(`[data-outcome="problem"]`) })
	look("key")
}

// scansReceipt opens the address that a QR code carries: the office's own receipt is checked with the key in the page, and
// another language keeps it.
func (w *logWorld) scansReceipt(t *testing.T, tab *browser.Tab) {
	var r verify.Receipt
	if err := w.db.Read(t.Context(), func(tx *store.Tx) (err error) {
		r, err = w.s.Ledger.Receipt(t.Context(), tx, ledger.Want{Stream: verify.KeyStream, N: 1})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	short, err := r.Short()
	if err != nil {
		t.Fatal(err)
	}
	text, err := short.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	tab.Visit(w.srv.URL + "/verify?lang=en#" + verify.Fragment(text))
	w.until(tab, func() bool { return tab.Has(`[data-outcome="holds"]`) })
	if said := tab.Text("[data-result]"); !strings.Contains(said, w.key.Origin()) {
		t.Errorf("the page says %q", said)
	}
	tab.Shot("verify-scanned")
	tab.Click(".pl-header__tools a[hreflang]")
	w.until(tab, func() bool { return tab.Has(`[data-outcome="holds"]`) && strings.Contains(tab.Text("h1"), "核验") })
	tab.Visit(w.srv.URL + "/verify?lang=en#" + verify.Fragment(text)[:200])
	deadline := time.Now().Add(20 * time.Second)
	for !tab.Has(`[data-outcome="spelling"]`) {
		if time.Now().After(deadline) {
			t.Fatal("an address that was cut short is not refused")
		}
		time.Sleep(50 * time.Millisecond)
	}
}
