package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"plumbline/internal/exhibit"
	"plumbline/internal/journal"
	"plumbline/internal/matter"
	"plumbline/internal/ref"
	"plumbline/internal/store"
	"plumbline/internal/testing/world"
	"plumbline/internal/words"
)

// withReport is somebody who has filed a report and has it open.
func (w *publicWorld) withReport() (*person, ref.ReceiptCode) {
	w.t.Helper()
	code := ref.NewReceiptCode()
	values, wrong := matter.ParseJSON(w.pack, w.pack.Kind("report").Fields, map[string]any{"conduct": "excessive-force", "body": "city-police", "story": "It was dark."})
	if len(wrong) > 0 {
		w.t.Fatal(wrong)
	}
	err := w.db.Tx(w.t.Context(), func(tx *store.Tx) error {
		_, err := w.engine.Open(w.t.Context(), tx, matter.OpenCmd{Kind: "report", Fields: values, Code: code, Anonymous: true,
			Actor: journal.Actor{Duty: "reporter"}, Via: journal.ViaWeb})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.person("en").post("/follow", url.Values{"code": {string(code)}, "to": {"files"}}).is(200)
	if p.path != "/follow/files" {
		w.t.Fatalf("at %s", p.path)
	}
	return p, code
}

// limitedTo sets the limits of the office's files.
func (w *publicWorld) limitedTo(l exhibit.Limits) {
	w.s.files = exhibit.New(w.db, exhibit.Options{Limits: l, Now: w.time})
}

type sent struct {
	name string
	data []byte
}

// multipartOf is a form with files as a browser sends it; header lines are written as they are.
func multipartOf(t testing.TB, files ...sent) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, f := range files {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", `form-data; name="file"; filename="`+strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(f.name)+`"`)
		h.Set("Content-Type", "text/html")
		part, err := form.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), b.Bytes()
}

func (p *person) upload(files ...sent) *person {
	p.t.Helper()
	kind, body := multipartOf(p.t, files...)
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.w.srv.URL+"/follow/files", bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	p.send(r)
	return p
}

func (w *publicWorld) kept() (files, half, chunks int64) {
	w.t.Helper()
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(w.t.Context(), `SELECT (SELECT count(*) FROM exhibit WHERE n > 0), (SELECT count(*) FROM exhibit WHERE n = 0), (SELECT count(*) FROM exhibit_chunk)`).Scan(&files, &half, &chunks)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return files, half, chunks
}

// Several files in one plain form: each that can be kept is, and the page says which are not and why.
func TestFilesWithoutScripts(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		w.limitedTo(exhibit.Limits{File: 1 << 20, Matter: 20 << 20, Count: 10})
		p, code := w.withReport()
		p.reads("Files for your report", "Each may have up to 1", "You have not sent any files yet")
		var picture bytes.Buffer
		if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 20, 10))); err != nil {
			t.Fatal(err)
		}
		p.upload(sent{"gate.png", picture.Bytes()}, sent{"../../etc/<script>alert(1)</script>.html", []byte("<script>alert(1)</script>")}, sent{"gate.png", picture.Bytes()}).is(200)
		p.reads("The files have arrived (3).", "gate.png", "SHA-256").readsNot("etc/", "<script>alert")
		if strings.Contains(p.page, "<script>alert") {
			t.Error("a name became part of the page")
		}
		p.upload(sent{"empty.txt", nil}, sent{"big.bin", make([]byte, 1<<20+1)}, sent{"small.txt", []byte("hello")}).is(422)
		p.reads("empty.txt: This file is empty", "big.bin: This file is larger than 1", "These files have arrived:", "small.txt")
		p.upload().is(422).reads("Choose at least one file")
		if files, half, chunks := w.kept(); files != 4 || half != 0 || chunks != 6 { // two pictures with their copies
			t.Errorf("%d files, %d half, %d chunks", files, half, chunks)
		}
		p.visit("/follow").reads("You sent 4 files.")

		// Each is an entry that fixes the file and tells nothing of it.
		seen := 0
		for _, e := range w.entries(string(w.matterOf(code).Ref)) {
			if e.Action != matter.ActionAttach {
				continue
			}
			seen++
			if text := string(mustEncode(t, e.Entry)); strings.Contains(text, "gate") || strings.Contains(text, "small") || strings.Contains(text, "image/") {
				t.Errorf("the entry tells of its file: %s", text)
			}
			if c, _ := e.Fields[matter.FieldCommitment].(string); len(c) != 64 || e.Fields[matter.FieldSize] != "<100kB" {
				t.Errorf("in the clear stands %v", e.Fields)
			}
		}
		if seen != 4 {
			t.Errorf("%d entries", seen)
		}
		if strings.Contains(w.log.String(), "gate.png") {
			t.Error("the log has the name of a file")
		}
		p.visit("/follow/files/details").is(200).reads("gate.png", "SHA-256", "plumbline receipt verify")
	})
}

func mustEncode(t testing.TB, e journal.Entry) []byte {
	t.Helper()
	b, err := journal.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *publicWorld) matterOf(code ref.ReceiptCode) matter.Row {
	w.t.Helper()
	var st matter.State
	err := w.db.Read(w.t.Context(), func(tx *store.Tx) (err error) { st, err = w.engine.ByChannel(w.t.Context(), tx, code); return err })
	if err != nil {
		w.t.Fatal(err)
	}
	return st.Matter
}

// A connection that ends in the middle leaves what was whole before it, and nothing of the rest.
func TestAFormThatBreaksOff(t *testing.T) {
	w := publicSQLite(t)
	p, _ := w.withReport()
	kind, body := multipartOf(t, sent{"first.bin", make([]byte, 1000)}, sent{"second.bin", make([]byte, 3*exhibit.Chunk)})
	for _, cut := range []int{len(body) - 5, len(body) - exhibit.Chunk, 3000} {
		before, _, _ := w.kept()
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.srv.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(w.srv.URL)
		cookie := p.client.Jar.Cookies(u)
		var cookies []string
		for _, c := range cookie {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
		fmt.Fprintf(conn, "POST /follow/files HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nSec-Fetch-Site: same-origin\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n",
			u.Host, strings.Join(cookies, "; "), kind, len(body))
		if _, err := conn.Write(body[:cut]); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // the answer, if there is one
		_ = conn.Close()
		w.eventually(func() bool { files, half, _ := w.kept(); return files == before+1 && half == 0 })
	}
	if files, half, chunks := w.kept(); files != 3 || half != 0 || chunks != 3 {
		t.Errorf("%d files, %d half, %d chunks", files, half, chunks)
	}
}

func (w *publicWorld) eventually(ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			files, half, chunks := w.kept()
			w.t.Fatalf("it does not come to that: %d files, %d half, %d chunks", files, half, chunks)
		}
	}
}

// piece sends a request as the script of the page does.
func (p *person) piece(method, path string, offset int64, body io.Reader, kind string) (status int, out told) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.w.srv.URL+path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if offset >= 0 {
		r.Header.Set("Upload-Offset", strconv.FormatInt(offset, 10))
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		p.t.Fatalf("%s %s: %d, no answer for a script: %v", method, path, res.StatusCode, err)
	}
	return res.StatusCode, out
}

func TestFilesInPieces(t *testing.T) {
	w := publicSQLite(t)
	p, code := w.withReport()
	data := make([]byte, 2*exhibit.Chunk+300)
	for i := range data {
		data[i] = byte(i * 7)
	}
	form := "application/x-www-form-urlencoded"
	begin := url.Values{"name": {"film.mp4"}, "size": {strconv.Itoa(len(data))}}.Encode()
	status, at := p.piece("POST", "/follow/files/begin", -1, strings.NewReader(begin), form)
	if status != http.StatusCreated || at.ID == 0 || at.Chunk != exhibit.Chunk {
		t.Fatal(status, at)
	}
	path := "/follow/files/" + at.ID.String()
	if status, _ := p.piece("PATCH", path, 5, bytes.NewReader(data), ""); status != http.StatusConflict {
		t.Errorf("from the wrong place: %d", status)
	}
	if status, _ := p.piece("PATCH", path, 0, bytes.NewReader(append(data, 1)), ""); status != http.StatusUnprocessableEntity {
		t.Errorf("more than was announced: %d", status)
	}
	if status, at := p.piece("PATCH", path, 0, bytes.NewReader(data[:exhibit.Chunk+10]), ""); status != http.StatusUnprocessableEntity && at.Got != exhibit.Chunk {
		t.Errorf("a piece and a bit: %d, %v", status, at)
	}
	// Another browser, the same code: it goes on there. A stranger with a report of their own cannot.
	stranger, _ := w.withReport()
	if status, _ := stranger.piece("GET", path, -1, nil, ""); status != http.StatusNotFound {
		t.Errorf("a stranger sees it: %d", status)
	}
	if status, _ := stranger.piece("PATCH", path, exhibit.Chunk, bytes.NewReader(data), ""); status != http.StatusNotFound {
		t.Errorf("a stranger adds to it: %d", status)
	}
	q := w.person("en").post("/follow", url.Values{"code": {string(code)}, "to": {"files"}}).reads("film.mp4 is not finished")
	if status, at = q.piece("GET", path, -1, nil, ""); status != http.StatusOK || at.Got != exhibit.Chunk {
		t.Fatal(status, at)
	}
	status, at = q.piece("PATCH", path, at.Got, bytes.NewReader(data[at.Got:]), "")
	if status != http.StatusOK || !at.Done {
		t.Fatal(status, at)
	}
	// The answer was lost: who asks again learns that it is there, and does not send it a second time.
	if status, at = q.piece("GET", path, -1, nil, ""); status != http.StatusOK || !at.Done {
		t.Errorf("asked again: %d, %+v", status, at)
	}
	if status, _ := stranger.piece("GET", path, -1, nil, ""); status != http.StatusNotFound {
		t.Errorf("a stranger learns that it is there: %d", status)
	}
	q.visit("/follow/files").reads("film.mp4").readsNot("not finished")
	if status, _ := w.person("en").piece("GET", path, -1, nil, ""); status != http.StatusUnauthorized {
		t.Errorf("nobody: %d", status)
	}
	// From another site it is refused like every form.
	r, _ := http.NewRequestWithContext(t.Context(), "PATCH", w.srv.URL+path, strings.NewReader("x"))
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p.send(r); p.status != http.StatusForbidden {
		t.Errorf("from another site: %d", p.status)
	}
}

// Somebody who sends next to nothing does not hold a place for long.
func TestASlowSenderIsCutOff(t *testing.T) {
	now := time.Now()
	p := &paced{body: strings.NewReader("x"), rc: http.NewResponseController(deadlines{}), begun: now.Add(-fileGrace - time.Hour), most: 10}
	var got time.Time
	p.rc = http.NewResponseController(deadlines{read: func(t time.Time) { got = t }})
	_, _ = p.Read(make([]byte, 10))
	if got.After(now) {
		t.Errorf("after an hour with nothing sent it may go on until %v", got)
	}
	p.begun, p.got, p.most = now.Add(-time.Hour), 3600*fileRate, 1<<40
	_, _ = p.Read(make([]byte, 10))
	if d := got.Sub(now); d < filePause/2 || d > filePause*2 {
		t.Errorf("after an hour at the slowest pace it may pause for %v", d)
	}
}

type deadlines struct {
	http.ResponseWriter
	read func(time.Time)
}

func (d deadlines) SetReadDeadline(t time.Time) error  { d.read(t); return nil }
func (d deadlines) SetWriteDeadline(t time.Time) error { return nil }

// A large file takes no more memory than a small one.
func TestMemoryDoesNotGrowWithAFile(t *testing.T) {
	w := publicSQLite(t)
	p, _ := w.withReport()
	use := func(size int64) uint64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		pr, pw := io.Pipe()
		form := multipart.NewWriter(pw)
		go func() {
			part, _ := form.CreateFormFile("file", "x.bin")
			_, _ = io.CopyN(part, zeros{}, size)
			_ = form.Close()
			_ = pw.Close()
		}()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+"/follow/files", pr)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", form.FormDataContentType())
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		if p.send(r); p.status != 200 {
			t.Fatalf("%d bytes: %d\n%s", size, p.status, p.text())
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	use(1 << 20)
	const large = 64 << 20
	small, big := use(4<<20), use(large)
	// What is allocated on the way, all told, stays far below what passes through twice: no part of it is gathered up.
	if big > small+large*3 {
		t.Errorf("4 MB took %d bytes of memory, 64 MB took %d", small, big)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A header made of a file's name stays one header.
func TestNamesInHeaders(t *testing.T) {
	for _, name := range []string{"a\r\nSet-Cookie: x=1", "a\"; filename=\"evil.exe", "证据 一.pdf", "%0d%0aX: y", "a;b", "", "..", "\u202egpj.exe", strings.Repeat("x", 500)} {
		h := attachment(name)
		if strings.ContainsAny(h, "\r\n") || strings.Count(h, `"`) != 2 || !strings.HasPrefix(h, `attachment; filename="`) || strings.Count(h, ";") != 2 {
			t.Errorf("%q: %s", name, h)
		}
	}
	if h := attachment("证据.pdf"); !strings.HasSuffix(h, "filename*=UTF-8''%E8%AF%81%E6%8D%AE.pdf") {
		t.Error(h)
	}
}

// FuzzMultipart sends what strangers may send in place of a form with files: it never panics, never keeps half a file, and
// never more than the limits say.
func FuzzMultipart(f *testing.F) {
	w := newPublicWorld(f, world.Open(f, "sqlite::memory:")) // nothing is to be durable here
	const most, count = 300, 4
	_, code := w.withReport()
	// Short ones: go's fuzzer spends its time on making inputs smaller before it makes new ones of them.
	const kind = "multipart/form-data; boundary=x"
	file := func(name, text string) string {
		return "--x\r\nContent-Disposition: form-data; name=file; filename=" + name + "\r\n\r\n" + text + "\r\n"
	}
	f.Add(kind, []byte(file("a.txt", "hello")+file(`""`, "x")+file("c", "")+"--x--"), 0)
	f.Add(kind, []byte(file("b.html", "<script>")+"--x--"), 12)
	f.Add("multipart/form-data", []byte(file("a", "b")+"--x--"), 0)
	f.Add(kind, []byte("--x\r\nContent-Disposition: form-data; name=file; filename=\"\\\"\\\r\n\r\n\r\nx\r\n--x--"), 0)
	f.Add(kind, []byte("--x\nContent-Disposition: form-data; name=\"file\"; filename*=utf-8''%2e%2e%2fa\nContent-Transfer-Encoding: quoted-printable\n\n=41=\n\n--x--"), 0)
	f.Add(kind, []byte(file("big", strings.Repeat("x", most+1))+file("a", "b")+"--x--"), 0)
	f.Add(kind, []byte(strings.Repeat(file("a", "b"), count+1)+"--x--"), 0)
	w.limitedTo(exhibit.Limits{File: most, Matter: 1 << 20, Count: count})
	id := w.matterOf(code).ID
	f.Fuzz(func(t *testing.T, kind string, body []byte, cut int) {
		w.t = t
		// One office for all inputs; each finds it as the first one did.
		for _, empty := range []string{`DELETE FROM exhibit`, `DELETE FROM exhibit_chunk`} {
			if err := w.db.Tx(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), empty); return err }); err != nil {
				t.Fatal(err)
			}
		}
		logged := len(w.log.String())
		if cut > 0 && cut < len(body) {
			body = body[:len(body)-cut]
		}
		in := inbox{place: exhibit.Place{Matter: id, Compartment: "file"},
			seal: func(_ context.Context, _ *store.Tx, _, _ string, plain []byte) ([]byte, error) {
				return bytes.Clone(plain), nil
			},
			attach: func(_ context.Context, _ *store.Tx, file exhibit.File) (int64, error) {
				if file.Size < 1 || file.Size > most || file.Name == "" || strings.ContainsAny(file.Name, "/\\\r\n\x00") {
					t.Fatalf("%+v was attached", file)
				}
				return 2, nil
			}}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/follow/files", bytes.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.Header.Set("Content-Type", kind)
		came, err := w.s.receiveForm(nopWriter{}, withSpeaker(r, w.book), in)
		files, half, chunks := w.kept()
		whole := int64(0)
		for _, a := range came {
			if a.Why == "" {
				whole++
			}
		}
		if half != 0 || files != whole || files > count || chunks < files || files == 0 && chunks != 0 {
			t.Fatalf("%d said to have arrived, %d there, %d half, %d chunks; %v", whole, files, half, chunks, err)
		}
		if strings.Contains(w.log.String()[logged:], "panic") {
			t.Fatal("it panicked")
		}
	})
}

// nopWriter is a connection that nobody reads.
type nopWriter struct{}

func (nopWriter) Header() http.Header         { return http.Header{} }
func (nopWriter) Write(b []byte) (int, error) { return len(b), nil }
func (nopWriter) WriteHeader(int)             {}

func withSpeaker(r *http.Request, book *words.Book) *http.Request {
	return r.WithContext(words.NewContext(r.Context(), book.Speakers()[0]))
}

// A check of the whole record names files that were taken away, cut, or put in without an entry.
func TestVerifyLooksForFiles(t *testing.T) {
	w := publicSQLite(t)
	p, _ := w.withReport()
	p.upload(sent{"a", make([]byte, 3*exhibit.Chunk)}, sent{"b", []byte("b")}).is(200)
	found := func() (out []string) {
		t.Helper()
		all, err := matter.Verify(t.Context(), w.db, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			if strings.HasPrefix(d.Table, "exhibit") {
				out = append(out, string(d.Problem)+" "+d.Table)
			}
		}
		return out
	}
	if got := found(); len(got) > 0 {
		t.Errorf("nothing was done, and %v is found", got)
	}
	for _, c := range []struct{ do, undo, want string }{
		{`UPDATE exhibit_chunk SET no = 90 WHERE no = 1`, `UPDATE exhibit_chunk SET no = 1 WHERE no = 90`, "[missing exhibit_chunk]"},
		{`UPDATE exhibit SET n = n + 50 WHERE chunks = 1`, `UPDATE exhibit SET n = n - 50 WHERE chunks = 1`, "[changed exhibit unrecorded exhibit]"},
		{`UPDATE exhibit SET id = id + 1 WHERE chunks = 1`, `UPDATE exhibit SET id = id - 1 WHERE chunks = 1`, "[unrecorded exhibit missing exhibit]"},
		{`UPDATE exhibit SET matter = matter + 1 WHERE chunks = 1`, `UPDATE exhibit SET matter = matter - 1 WHERE chunks = 1`, "[missing exhibit unrecorded exhibit]"},
	} {
		for i, do := range []string{c.do, c.undo} {
			if err := w.db.Tx(t.Context(), func(tx *store.Tx) error { _, err := tx.Exec(t.Context(), do); return err }); err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprint(found()), []string{c.want, "[]"}[i]; got != want {
				t.Errorf("%s: %s, want %s", do, got, want)
			}
		}
	}
}

// Files of one report that become whole in the same instant all count, one after the other.
func TestFilesThatFinishTogether(t *testing.T) {
	eachPublic(t, func(t *testing.T, w *publicWorld) {
		p, code := w.withReport()
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				kind, body := multipartOf(t, sent{fmt.Sprintf("%d.txt", i), []byte("together")})
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.srv.URL+"/follow/files", bytes.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Content-Type", kind)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				res, err := p.client.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
					t.Errorf("file %d: %d", i, res.StatusCode)
				}
			})
		}
		all.Wait()
		if files, half, _ := w.kept(); files != 4 || half != 0 || w.matterOf(code).N != 5 {
			t.Errorf("%d files, %d half, entry %d", files, half, w.matterOf(code).N)
		}
	})
}
