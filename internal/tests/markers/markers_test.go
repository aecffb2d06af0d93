// Package markers proves that what is sealed lies readable nowhere: a real server is used through every channel by which
// people write, is stopped or killed, and then everything it left behind is searched for what they wrote.
package markers

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/store"
	"plumbline/internal/store/storetest"
	"plumbline/internal/testing/journey"
)

// world is what must be found nowhere, and what must be found, so that it is known that the search finds.
type world struct {
	t      *testing.T
	root   string // all markers begin with it, and nothing else in the world does
	n      int
	sealed []secret
	clear  []secret // in the clear, each for a reason: see clearly
}

func newWorld(t *testing.T) *world {
	root := "Zq"
	for range 7 { // no characters that mean something in an encoding, so that a marker survives most of them as it is
		var b [1]byte
		_, _ = rand.Read(b[:])
		root += string(rune('a' + b[0]%26))
	}
	return &world{t: t, root: root, clear: []secret{{"ready", `"msg":"ready","address":`}}}
}

func (w *world) marker() string {
	w.n++
	return fmt.Sprintf("%s%04d", w.root, w.n)
}

// mark is a text that somebody writes into a channel, and that nobody may find.
func (w *world) mark(channel string) string {
	m := w.marker()
	w.sealed = append(w.sealed, secret{channel, m})
	return m
}

// clearly is a text that is kept in the clear, the same whenever it is asked for.
func (w *world) clearly(what string) string {
	if i := slices.IndexFunc(w.clear, func(s secret) bool { return s.name == what }); i >= 0 {
		return w.clear[i].text
	}
	m := strings.ToLower(w.marker())
	w.clear = append(w.clear, secret{what, m})
	return m
}

// never adds something that was no marker and must be found nowhere: a password, a receipt code, a cookie.
func (w *world) never(what, text string) string {
	w.t.Helper()
	if text == "" {
		w.t.Fatalf("%s is empty", what)
	}
	w.sealed = append(w.sealed, secret{what, text})
	if bare := strings.ReplaceAll(text, "-", ""); bare != text && len(bare) >= 16 {
		w.sealed = append(w.sealed, secret{what + " without dashes", bare})
	}
	return text
}

// hold makes secrets of the cookies that a browser holds.
func (w *world) hold(what string, v *journey.Visitor) {
	for _, c := range v.Cookies() {
		if len(c.Value) >= 20 { // shorter ones are choices, such as a language
			w.never(what+" ("+c.Name+")", c.Value)
		}
	}
}

var (
	codeRx      = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{7}-[0-9A-HJKMNP-TV-Z]{7}-[0-9A-HJKMNP-TV-Z]{7}\b`)
	referenceRx = regexp.MustCompile(`\b[RST]-[0-9A-Z]{5}-[0-9A-Z]{5}\b`)
)

func (w *world) receipt(what string, p *journey.Page) (code, reference string) {
	w.t.Helper()
	code, reference = codeRx.FindString(p.Body), referenceRx.FindString(p.Text())
	if code == "" || reference == "" {
		w.t.Fatalf("%s: no receipt at %s:\n%.1500s", what, p.Path(), p.Text())
	}
	return w.never("receipt code of "+what, code), reference
}

// writeReport walks through the form, question by question, and sends it.
func (o *office) writeReport(w *world, kind string, answers map[string]string) (code, reference string) {
	o.t.Helper()
	v := o.Stranger()
	page := v.Get("/report/" + kind).Is(http.StatusOK)
	left := len(answers)
	for range 40 {
		press := "next"
		if strings.Contains(page.Body, `value="send"`) {
			press = "send"
		}
		fill, given := []string{"_to", press}, 0
		for name, value := range answers {
			if strings.Contains(page.Body, ` name="`+name+`"`) {
				fill = append(fill, name, value)
				given++
			}
		}
		left -= given
		if press == "next" && given == 0 && strings.Contains(page.Body, `value="skip"`) {
			fill[1] = "skip"
		}
		page = v.Send(page, fill...).Is(http.StatusOK)
		if press == "send" {
			if left > 0 {
				o.t.Errorf("%s: %d answers were never asked for", kind, left)
			}
			w.hold("the visit of a reporter", v)
			return w.receipt(kind, page)
		}
	}
	o.t.Fatalf("the form %s does not end:\n%.1500s", kind, page.Text())
	return "", ""
}

func at(reference string, parts ...string) string {
	return strings.Join(append([]string{"/staff/matters/" + reference}, parts...), "/")
}

// account is the id of a colleague as a form offers it.
func account(t *testing.T, page *journey.Page, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)(?:value="(\d+)"[^>]*>\s*|value="(\d+)".{0,300}?)` + name).FindStringSubmatch(page.Body)
	if m == nil {
		t.Fatalf("the form does not offer %s:\n%.1500s", name, page.Text())
	}
	return m[1] + m[2]
}

// told is a sentence around a marker, as people write.
func told(marker string) string {
	return "On that day " + marker + " was there, and nobody stepped in."
}

// seed uses every channel there is.
func (o *office) seed(w *world) {
	t, body := o.t, w.clearly("body")
	mark := func(channel string) string { return told(w.mark(channel)) }
	never := w.never("everybody's password", journey.Password)

	// The public form, walked through: each kind, each way of saying who one is.
	described := w.mark("official described")
	code, reference := o.writeReport(w, "report", map[string]string{"body": body, "official.described": described, "place": w.mark("place"), "story": mark("story"), "evidence": mark("evidence"),
		"relation": "behalf", "affected": w.mark("on behalf of"), "affected_agrees": "agrees", "manner": "confidential", "name": w.mark("name"), "contact": w.mark("contact") + "@example.org"})
	_, other := o.writeReport(w, "report", map[string]string{"body": body, "story": mark("story of a named reporter"), "manner": "named", "known_name": w.mark("known name"), "known_contact": w.mark("known contact")})
	anonymous, third := o.writeReport(w, "report", map[string]string{"body": body, "story": strings.Repeat(mark("story told at length")+" ", 60), "manner": "anonymous"})
	o.writeReport(w, "retaliation", map[string]string{"harm": "position", "body": body, "story": mark("story of retaliation"), "wanted": mark("protection wanted"), "earlier": code,
		"manner": "confidential", "name": w.mark("name of who suffers"), "contact": w.mark("contact of who suffers")})
	o.writeReport(w, "self-report", map[string]string{"body": body, "story": mark("story of who comes forward"), "evidence": mark("evidence of who comes forward")})

	// What is refused, in every place of a request.
	bad := map[string]string{"a form": w.mark("a form that is refused"), "a field": w.mark("a field that does not exist"), "a query": w.mark("an address's query"), "a path": w.mark("an address's path")}
	o.send(http.MethodPost, "/report/report", url.Values{"_to": {"send"}, "story": {told(bad["a form"])}, "body": {"nowhere-" + bad["a form"]}, "happened_on-day": {bad["a form"]}, "conduct": {bad["a form"]}}, nil)
	o.send(http.MethodPost, "/report/report", url.Values{"_to": {"next"}, "_draft": {bad["a form"] + strings.Repeat("A", 900)}, "story": {bad["a form"]}}, nil)
	o.send(http.MethodPost, "/report/report", url.Values{"_to": {"send"}, "body": {body}, "story": {strings.Repeat("too long "+w.mark("a story that is too long")+" ", 9000)}}, nil)
	o.send(http.MethodPost, "/report/report", url.Values{"_to": {"change:" + bad["a field"]}, bad["a field"]: {bad["a field"]}, "story": {"\x00\xff" + bad["a field"]}}, nil)
	o.send(http.MethodPost, "/report/report", url.Values{"_to": {"next"}, "_at": {"official"}, "_q.official": {w.mark("looked for in the register")}, "_q.body": {w.mark("looked for among the bodies")}}, nil)
	for _, path := range []string{"/" + bad["a path"], "/report/" + bad["a path"], "/follow/act/" + bad["a path"], "/staff/matters/" + bad["a path"], "/invite/" + bad["a path"], "/figures/" + bad["a path"], "/inspections/" + bad["a path"]} {
		o.send(http.MethodGet, path+"?q="+bad["a query"]+"&"+bad["a query"]+"=1", nil, nil)
		o.send(http.MethodPost, path+"?q="+bad["a query"], url.Values{"q": {bad["a form"]}}, nil)
		o.send("BREW"+strings.ToUpper(bad["a path"]), path, nil, nil)
	}
	header := map[string]string{}
	for _, name := range []string{"User-Agent", "Referer", "X-Forwarded-For", "X-Real-Ip", "Accept-Language", "Origin", "Cookie", "X-Request-Id", "Traceparent", "Authorization", "Content-Language"} {
		header[name] = w.mark("the header " + name)
	}
	header["Cookie"] = "plumbline-report=" + header["Cookie"] + "; plumbline-session=" + header["Cookie"]
	header["Authorization"] = "Bearer " + header["Authorization"]
	for _, path := range []string{"/", "/report/report", "/follow", "/staff", "/figures", "/log/checkpoint", "/" + bad["a path"]} {
		o.send(http.MethodGet, path, nil, header)
		o.send(http.MethodPost, path, url.Values{"code": {bad["a form"]}}, header)
	}
	o.send(http.MethodPost, "/report/report", nil, map[string]string{"Content-Type": "multipart/form-data; boundary=" + w.mark("a boundary")})
	o.send(http.MethodPost, "/verify", url.Values{"receipt": {w.mark("a receipt to check")}}, nil)

	// Codes and passwords that are wrong.
	for _, path := range []string{"/follow", "/receipt", "/receipt/proof"} {
		for _, name := range []string{"code", "_code"} {
			o.send(http.MethodPost, path, url.Values{name: {w.mark("a wrong receipt code at " + path)}}, nil)
			o.send(http.MethodPost, path, url.Values{name: {w.never("a receipt code with a mistake", code[:len(code)-1]+"Z")}}, nil)
		}
	}
	wrong := o.Stranger()
	wrong.Post("/staff/sign-in", url.Values{"login": {"intake.officer"}, "password": {w.mark("a wrong password")}}).Is(http.StatusUnprocessableEntity)
	wrong.Post("/staff/sign-in", url.Values{"login": {w.mark("a password typed as a login")}, "password": {never}}).Is(http.StatusUnprocessableEntity)

	// The reporter comes back.
	v := o.Stranger()
	v.Post("/follow", url.Values{"code": {code}}).Is(http.StatusOK)
	w.hold("the visit of a reporter who came back", v)
	act := func(action string, fill ...string) {
		t.Helper()
		v.Fill("/follow/act/"+action, fill...).Is(http.StatusOK)
	}
	act("message", "message", mark("message of a reporter"))
	act("add", "addition_kind", "correction", "addition", mark("correction"))
	v.Fill("/follow/notices", "address", w.mark("address for notices of a reporter")+"@example.org").Is(http.StatusOK)
	v.Fill("/follow/notices", "address", "no address: "+w.mark("address that is refused")).Is(http.StatusUnprocessableEntity)
	o.send(http.MethodPost, "/receipt/proof", url.Values{"_code": {code}, "words": {"yes"}}, nil)
	v.Get("/follow/proof?words=yes").Is(http.StatusOK)

	// Files: with and without scripts, whole and half, and what is in them in each form.
	var picture, packed bytes.Buffer
	_ = png.Encode(&picture, image.NewGray(image.Rect(0, 0, 30, 20)))
	z := zip.NewWriter(&packed)
	inner, err := z.Create(w.mark("name in a zip file") + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(inner, "%s\n", strings.Repeat(mark("content of a zip file"), 50))
	_ = z.Close()
	v.Attach("/follow/files",
		journey.File{Name: w.mark("name of a file") + ".txt", Data: []byte(strings.Repeat(mark("content of a file")+"\n", 20000))},
		journey.File{Name: w.mark("name of a picture") + ".png", Data: append(picture.Bytes(), w.mark("end of a picture")...)},
		journey.File{Name: w.mark("name of a zip file") + ".zip", Data: packed.Bytes()},
	).Is(http.StatusOK)
	v.Attach("/follow/files", journey.File{Name: w.mark("name of a file that is refused") + ".pdf", Data: nil}).Is(http.StatusUnprocessableEntity)
	o.half(w, v, "/follow/files")
	v.Get("/follow/files").Is(http.StatusOK)

	// Somebody who is anonymous says who they are, to one and to the other, and takes it back.
	v = o.Stranger()
	v.Post("/follow", url.Values{"code": {anonymous}}).Is(http.StatusOK)
	page := v.Get("/follow/act/reveal")
	page = v.Send(page, "reveal_to", "custodian")
	v.Send(page, "name", w.mark("name that is revealed"), "contact", w.mark("contact that is revealed")).Is(http.StatusOK)
	act("hide")

	// The office at work.
	intake := o.as(w, "intake officer")
	intake.Post(at(reference, "open"), url.Values{"reason": {"other"}, "why": {mark("reason of a reading")}}).Is(http.StatusOK)
	intake.Post(at(reference, "open"), url.Values{"reason": {w.mark("a reading that is refused")}, "why": {mark("reason of a reading that is refused")}})
	intake.Get(at(reference)).Is(http.StatusOK).Sees(w.root) // it can be read by those who may
	step := func(by *journey.Visitor, ref, action string, fill ...string) {
		t.Helper()
		by.Fill(at(ref, "act", action), fill...).Is(http.StatusOK).Sees("Done: ")
	}
	intake.Fill(at(reference, "note"), "text", mark("note")).Is(http.StatusOK)
	intake.Attach(at(reference, "files"), journey.File{Name: w.mark("name of a file of staff") + ".doc", Data: []byte(mark("content of a file of staff"))}).Is(http.StatusOK)
	o.half(w, intake, at(reference, "files"))
	intake.Fill(at(reference, "act", "screen"), "severity", w.mark("a step that is refused")).Is(http.StatusUnprocessableEntity)
	step(intake, reference, "ask", "message", mark("question to a reporter"))
	step(intake, reference, "send-questions", "questionnaire", "custody", "message", mark("why questions are sent"))
	v = o.Stranger()
	v.Post("/follow", url.Values{"code": {code}}).Is(http.StatusOK)
	page = v.Send(v.Get("/follow/act/answer-questions"), "hurt", "yes")
	page = v.Send(page, "injuries", mark("answer to a questionnaire"), "doctor", "yes")
	v.Send(page, "which_doctor", w.mark("another answer to a questionnaire")).Is(http.StatusOK)
	intake.Post("/staff/search", url.Values{"words": {w.mark("words looked for")}})
	for _, path := range []string{"/staff/queue?text=", "/staff/officials?q=", "/staff/bodies?q=", "/staff/account/ties?q="} {
		intake.Get(path + w.mark("looked for at "+path)).Is(http.StatusOK)
	}
	intake.Fill("/staff/account/notices", "address", w.mark("address for notices of staff")+"@office.example").Is(http.StatusOK)
	keyed := intake.Fill("/staff/new/report", "channel", "phone", "consent", "given", "body", body, "conduct", "", "relation", "affected", "story", mark("story keyed in"), "place", w.mark("place keyed in"),
		"evidence", mark("evidence keyed in"), "manner", "confidential", "name", w.mark("name keyed in"), "contact", w.mark("contact keyed in")).Is(http.StatusOK)
	w.receipt("a report that was keyed in", keyed)
	intake.Fill("/staff/new/report", "channel", w.mark("a report keyed in that is refused"), "body", body, "story", mark("story of a report keyed in that is refused")).Is(http.StatusUnprocessableEntity)
	step(intake, other, "transfer", "authority", w.clearly("authority"), "reasons", mark("reasons of a transfer"))
	intake.Post(at(third, "open"), url.Values{"reason": {"work"}})
	step(intake, third, "decline", "reason_code", "no-conduct", "reasons", mark("reasons to end early"))
	step(intake, reference, "screen", "severity", "low", "allegations.0.official.described", mark("official described by staff"))
	lead := account(t, intake.Get(at(reference, "act", "verify")), "investigator")
	step(intake, reference, "verify", "lead", lead)

	investigator := o.as(w, "investigator")
	investigator.Post(at(reference, "open"), url.Values{"reason": {"work"}})
	step(investigator, reference, "interim", "answer", mark("interim answer"))
	step(investigator, reference, "extend", "longer", "30d", "reasons", mark("reasons to extend"))
	step(investigator, reference, "pause", "pause_reason", "papers", "how_long", "10d", "reasons", mark("reasons to pause"))
	step(investigator, reference, "resume")
	conclude := []string{"conclusion", "no-grounds", "sheet.persons-heard", "yes", "sheet.official-version", "yes", "sheet.recordings", "na", "sheet.documents", "yes", "sheet.exculpatory", "yes"}
	stale := investigator.Get(at(reference, "act", "conclude"))
	step(investigator, reference, "conclude", append(conclude, "reasons", mark("reasons of a conclusion"))...)
	investigator.Send(stale, append(conclude, "reasons", mark("reasons that came too late"))...).Is(http.StatusConflict)

	reviewer := o.as(w, "reviewer")
	reviewer.Post(at(reference, "open"), url.Values{"reason": {"work"}})
	step(reviewer, reference, "return", "reasons", mark("reasons to send back"))
	step(investigator, reference, "conclude", append(conclude, "reasons", mark("reasons of a second conclusion"))...)
	step(reviewer, reference, "confirm", "answer", mark("answer to the reporter"))
	reviewer.Post(at(third, "open"), url.Values{"reason": {"work"}})
	step(reviewer, third, "overrule", "reasons", mark("reasons to overrule"))
	custodian := o.as(w, "custodian")
	if ref := referenceRx.FindString(keyed.Text()); ref != "" {
		step(custodian, ref, "identify", "reasons", mark("reasons to open an identity"))
	}
	supervisor := o.as(w, "supervisor")
	supervisor.Post(at(reference, "open"), url.Values{"reason": {"supervise"}, "why": {mark("reason of a supervisor's reading")}})

	v = o.Stranger()
	v.Post("/follow", url.Values{"code": {code}}).Is(http.StatusOK)
	act("ask-review", "objection", mark("objection"))

	// Passwords, and what stands for them.
	next := w.never("a new password", "quiet "+w.marker()+" rivers")
	refused := w.mark("a password that is refused")
	second := o.as(w, "second intake officer")
	second.Fill("/staff/account/password", "old", w.mark("an old password that is wrong"), "password", refused+" x", "again", refused+" x").Is(http.StatusUnprocessableEntity)
	second.Fill("/staff/account/password", "old", journey.Password, "password", next, "again", next).Is(http.StatusOK)
	w.hold("a session after a new password", second)
	token := regexp.MustCompile(`/invite/([A-Za-z0-9_-]{20,})`).FindStringSubmatch(o.run("", "account", "invite", "reviewer", "--reset", "--url", "http://office.example"))
	if token == nil {
		t.Fatal("no invitation")
	}
	w.never("an invitation", token[1])
	chosen := w.never("a password chosen by invitation", "slow "+w.marker()+" herons")
	o.Stranger().Fill("/invite/"+token[1], "password", chosen, "again", chosen).Is(http.StatusOK)

	o.get("/metrics")
}

// half begins a file with a script, and leaves it half sent.
func (o *office) half(w *world, v *journey.Visitor, path string) {
	o.t.Helper()
	begun := v.Post(path+"/begin", url.Values{"name": {w.mark("name of a half file") + ".mov"}, "size": {"600000"}}).Is(http.StatusCreated)
	m := regexp.MustCompile(`"id":"?(\d+)`).FindStringSubmatch(begun.Body)
	if m == nil {
		o.t.Fatalf("no id: %s", begun.Body)
	}
	piece := strings.Repeat(told(w.mark("content of a half file"))+"\n", exhibit.Chunk/50)[:exhibit.Chunk]
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodPatch, o.URL+path+"/"+m[1], strings.NewReader(piece))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Upload-Offset", "0")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	for _, c := range v.Cookies() {
		r.AddCookie(c)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		o.t.Errorf("half a file: status %d", res.StatusCode)
	}
}

// remains is everything that is left of an office: what each piece is called, and its bytes.
func (o *office) remains(w *world, metrics string, visit func(kind, where string, data []byte)) {
	visit("metrics", "/metrics", []byte(metrics))
	for i, m := range o.mail.all() {
		visit("mail", fmt.Sprintf("mail %d", i), []byte(m))
		visit("mail", fmt.Sprintf("mail %d, its lines joined", i), []byte(strings.NewReplacer("=\n", "", "\r\n", "", "\n", "").Replace(m)))
	}
	o.files("file", o.dir, nil, visit)
	o.tables(visit)
}

func (o *office) files(kind, dir string, skip func(path string) bool, visit func(kind, where string, data []byte)) {
	o.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) { // another test's file, in a server that is shared
				return nil
			}
			return err
		}
		if skip != nil && skip(path) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		as := kind
		if strings.HasPrefix(filepath.Base(path), "log-") {
			as = "log"
		}
		visit(as, "the name of "+path, []byte(filepath.Base(path)))
		if !d.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil {
			visit(as, path, data)
		}
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

// tables visits every column of every table, with its name, and on PostgreSQL the files it keeps them in.
func (o *office) tables(visit func(kind, where string, data []byte)) {
	o.t.Helper()
	ctx := o.t.Context()
	db, err := store.Open(ctx, o.db)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // it was only read
	err = db.Read(ctx, func(tx *store.Tx) error {
		query := `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`
		if db.Dialect() == store.Postgres {
			query = `SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename`
		}
		tables, err := listed(ctx, tx, query)
		if err != nil {
			return err
		}
		if len(tables) < 20 {
			o.t.Errorf("only %d tables: %v", len(tables), tables)
		}
		for _, table := range tables {
			if err := columns(ctx, tx, table, visit); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
}

func listed(ctx context.Context, tx *store.Tx, query string) ([]string, error) {
	found, err := tx.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return store.Collect(found, func(r *store.Rows) (s string, err error) { return s, r.Scan(&s) })
}

func columns(ctx context.Context, tx *store.Tx, table string, visit func(kind, where string, data []byte)) error {
	found, err := tx.Query(ctx, `SELECT * FROM `+table)
	if err != nil {
		return err
	}
	names, err := found.Columns()
	if err != nil {
		return err
	}
	// A value is looked at by itself, since compression begins at its first byte.
	_, err = store.Collect(found, func(r *store.Rows) (struct{}, error) {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := r.Scan(cells...); err != nil {
			return struct{}{}, err
		}
		for i, c := range cells {
			switch v := (*c.(*any)).(type) {
			case []byte:
				visit("table", table+"."+names[i], v)
			case string:
				visit("table", table+"."+names[i], []byte(v))
			}
		}
		return struct{}{}, nil
	})
	return err
}

// uncompressed makes PostgreSQL keep long values as they are: its own compression is one that the finder does not undo.
func (o *office) uncompressed() {
	o.t.Helper()
	o.postgres(func(ctx context.Context, tx *store.Tx) error {
		alter, err := listed(ctx, tx, `SELECT format('ALTER TABLE %I ALTER COLUMN %I SET STORAGE EXTERNAL', table_name, column_name)
			FROM information_schema.columns WHERE table_schema = 'public' AND data_type IN ('text', 'bytea') ORDER BY 1`)
		if err != nil {
			return err
		}
		for _, statement := range alter {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

func (o *office) postgres(do func(ctx context.Context, tx *store.Tx) error) {
	o.t.Helper()
	db, err := store.Open(o.t.Context(), o.db)
	if err != nil {
		o.t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // what it wrote is committed
	if err := db.Tx(o.t.Context(), func(tx *store.Tx) error { return do(o.t.Context(), tx) }); err != nil {
		o.t.Fatal(err)
	}
}

// cluster visits the files of the PostgreSQL server, as far as this database is concerned: the tables, the log of what was
// written since a moment, and what the server says. It returns false where they cannot be read.
func (o *office) cluster(since string, visit func(kind, where string, data []byte)) bool {
	o.t.Helper()
	var dir, own string
	o.postgres(func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_switch_wal()`); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT current_setting('data_directory'), (SELECT oid FROM pg_database WHERE datname = current_database())::text`).Scan(&dir, &own)
	})
	checkpoint(o.t, o.db)
	if _, err := os.ReadDir(dir); err != nil {
		return false
	}
	base, wal := filepath.Join(dir, "base"), filepath.Join(dir, "pg_wal")
	segment := regexp.MustCompile(`^[0-9A-F]{24}$`)
	o.files("cluster", dir, func(path string) bool {
		name := filepath.Base(path)
		switch filepath.Dir(path) {
		case base:
			return name != own && name != "pgsql_tmp"
		case wal:
			return segment.MatchString(name) && name < since
		}
		return false
	}, visit)
	return true
}

// walNow is the segment of the write-ahead log that is written to.
func (o *office) walNow() (name string) {
	o.postgres(func(ctx context.Context, tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT pg_walfile_name(pg_current_wal_lsn())`).Scan(&name)
	})
	return name
}

// reasons why something lies in the clear. Whoever adds one here has to be able to say it to a reporter.
var reasons = map[string]string{
	"folder":    "the name of a folder of this test",
	"office":    "the office's name is on its home page",
	"body":      "bodies are on the form",
	"official":  "officials stand in the register",
	"colleague": "people at work are known to each other by name, and so stand in the record",
	"authority": "the pack keeps clear where a matter went, so that it can be counted",
	"sender":    "the address that mails come from",
	"ready":     "a line of the log without which it was not searched",
}

// TestWhatIsSealedLiesReadableNowhere is the promise of package vault, of the form and of the log, held against the disk.
func TestWhatIsSealedLiesReadableNowhere(t *testing.T) {
	for _, kind := range storetest.Databases() {
		t.Run(kind.Name, func(t *testing.T) {
			w := newWorld(t)
			var since string
			o := newOffice(t, func(data string) string {
				if kind.Name == "sqlite" {
					return "sqlite:" + filepath.Join(data, "plumbline.db")
				}
				return kind.URL(t)
			}, w.clearly)
			onPostgres := strings.HasPrefix(o.db, "postgres")
			if onPostgres {
				since = o.walNow()
				o.uncompressed()
			}
			sender := w.clearly("sender") + "@office.example"

			o.serve(sender)
			began := time.Now()
			o.seed(w)
			metrics := o.get("/metrics")
			o.stop(syscall.SIGTERM)
			t.Logf("%d secrets written in %s", len(w.sealed), time.Since(began).Round(time.Second))
			o.search(w, "after a graceful stop", metrics, since)

			// Mails that wait are due now; more is written, and the server is killed in the middle of it.
			o.postgres(func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE outbox SET due = 1`)
				return err
			})
			o.serve(sender)
			for end := time.Now().Add(20 * time.Second); len(o.mail.all()) == 0 && time.Now().Before(end); {
				time.Sleep(50 * time.Millisecond)
			}
			if len(o.mail.all()) == 0 {
				t.Error("no mail was sent: nothing is known about mails")
			}
			body := w.clearly("body")
			code, _ := o.writeReport(w, "report", map[string]string{"body": body, "story": told(w.mark("story before a crash")), "manner": "confidential", "name": w.mark("name before a crash")})
			v := o.Stranger()
			v.Post("/follow", url.Values{"code": {code}}).Is(http.StatusOK)
			o.half(w, v, "/follow/files")
			v.Fill("/follow/act/message", "message", told(w.mark("message before a crash"))).Is(http.StatusOK)
			metrics = o.get("/metrics")
			o.stop(syscall.SIGKILL)
			o.search(w, "after a crash", metrics, since)
		})
	}
}

// search looks at everything that is left. What must not be there is not; what must be is, so that the search is known to see.
func (o *office) search(w *world, when, metrics, since string) {
	t := o.t
	t.Helper()
	began := time.Now()
	// Every marker begins alike: one look tells whether any is there, and only then is asked which.
	quick := []secret{{"a marker", w.root}}
	for _, s := range append(slices.Clone(w.sealed), w.clear...) {
		if !strings.HasPrefix(strings.ToLower(s.text), strings.ToLower(w.root)) {
			quick = append(quick, s)
		}
	}
	hidden, all := newFinder(quick), newFinder(append(slices.Clone(w.sealed), w.clear...))
	seen := map[string]map[string]bool{} // clear text, kinds of places
	told := map[string]bool{}
	var pieces, size int
	visit := func(kind, where string, data []byte) {
		pieces, size = pieces+1, size+len(data)
		if len(hidden.in(where, data)) == 0 {
			return
		}
		for _, f := range all.in(where, data) {
			i := slices.IndexFunc(w.clear, func(s secret) bool { return s.name == f.secret })
			if i >= 0 {
				if reasons[f.secret] == "" {
					t.Errorf("%s lies in the clear, and nobody says why", f.secret)
				}
				if seen[f.secret] == nil {
					seen[f.secret] = map[string]bool{}
				}
				seen[f.secret][kind] = true
				continue
			}
			if kind == "mail" && strings.HasPrefix(f.secret, "address for notices") {
				continue // a mail bears the address that it goes to; the rest of it is looked at below
			}
			if key := f.secret + where + f.form; !told[key] {
				told[key] = true
				t.Errorf("%s: %s can be read in %s (%s)", when, f.secret, where, f.form)
			}
		}
	}
	o.remains(w, metrics, visit)
	must := map[string]string{"ready": "log", "body": "table", "authority": "table"}
	if since != "" {
		if o.cluster(since, visit) {
			must["office"] = "cluster"
		} else {
			t.Log("the files of this PostgreSQL server cannot be read from here: only its tables were searched")
		}
	} else {
		must["office"] = "file"
	}
	if len(o.mail.all()) > 0 {
		must["sender"] = "mail"
	}
	for what, kind := range must {
		if !seen[what][kind] {
			t.Errorf("%s: %q lies in the clear in a %s, and was not found there: the search sees nothing", when, what, kind)
		}
	}
	for _, m := range o.mail.all() {
		if _, body, ok := strings.Cut(m, "\n\n"); !ok || strings.Contains(strings.ToLower(body), strings.ToLower(w.root)) {
			t.Errorf("a mail says more than that there is something new:\n%s", m)
		}
	}
	if !strings.Contains(metrics, "plumbline_") {
		t.Error("there are no metrics")
	}
	t.Logf("%s: %s of bytes in %d pieces searched for %d secrets in %s", when, strconv.Itoa(size), pieces, len(w.sealed), time.Since(began).Round(100*time.Millisecond))
}
