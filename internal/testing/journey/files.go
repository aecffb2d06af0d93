package journey

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
)

// File is what somebody chooses in a form.
type File struct {
	Name string
	Data []byte
}

// Attach sends files with a plain form, as the browser does from a page of this site.
func (v *Visitor) Attach(path string, files ...File) *Page {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, f := range files {
		part, err := form.CreateFormFile("file", f.Name)
		if err != nil {
			v.t.Fatal(err)
		}
		_, _ = part.Write(f.Data) // a bytes.Buffer takes everything
	}
	if err := form.Close(); err != nil {
		v.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.o.URL+path, &body)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", v.lang)
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return &Page{t: v.t, who: v.who, Status: res.StatusCode, URL: res.Request.URL, Body: string(text), Header: res.Header}
}
