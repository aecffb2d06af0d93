package exhibit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"plumbline/internal/testing/world"
)

func picture(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), 60, 255})
		}
	}
	return m
}

// withExif puts what a camera writes into a JPEG: how it was held, and a marker for everything else.
func withExif(jpg []byte, orientation uint16) []byte {
	tiff := []byte("II*\x00\x08\x00\x00\x00\x02\x00")
	tiff = append(tiff, 0x0f, 0x01, 2, 0, 16, 0, 0, 0, 38, 0, 0, 0) // the maker
	tiff = append(tiff, 0x12, 0x01, 3, 0, 1, 0, 0, 0, byte(orientation), 0, 0, 0)
	tiff = append(tiff, 0, 0, 0, 0)
	tiff = append(tiff, "MARKER camera 42"...)
	seg := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{0xff, 0xd8, 0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(seg)+2))...)
	out = append(out, seg...)
	comment := "MARKER comment"
	out = append(out, 0xff, 0xfe, 0, byte(len(comment)+2))
	out = append(out, comment...)
	return append(out, jpg[2:]...)
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodePNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// copied sends a picture and reads its working copy; nil if there is none.
func copied(t testing.TB, f *Files, data []byte) ([]byte, string, error) {
	t.Helper()
	u, file := send(t, f, 5, "p", data)
	err := u.Copy(t.Context())
	k := find(t, f, 5, file.ID)
	if original, e := readAll(t, f, 5, file.ID); e != nil || !bytes.Equal(original, data) {
		t.Errorf("the original did not stay as it was: %v", e)
	}
	if k.Copy == "" {
		return nil, "", err
	}
	r, e := f.ReadCopy(t.Context(), k, glass{5})
	if e != nil {
		t.Fatal(e)
	}
	b, e := io.ReadAll(r)
	if e != nil {
		t.Fatal(e)
	}
	return b, k.Copy, err
}

func TestTheWorkingCopyIsOnlyThePicture(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	jpg := withExif(encodeJPEG(t, picture(60, 40)), 6)
	// A picture that is also an archive, or a page: what follows it is not taken along.
	jpg = append(jpg, "PK\x03\x04<script>MARKER</script>"...)
	b, kind, err := copied(t, f, jpg)
	if err != nil || kind != "image/jpeg" || bytes.Contains(b, []byte("MARKER")) || bytes.Contains(b, []byte("Exif")) {
		t.Fatalf("%s, %v, %d bytes: %q", kind, err, len(b), b[:min(len(b), 100)])
	}
	m, err := jpeg.Decode(bytes.NewReader(b))
	if err != nil || m.Bounds().Dx() != 40 || m.Bounds().Dy() != 60 {
		t.Errorf("it is not upright: %v, %v", m.Bounds(), err)
	}

	p := encodePNG(t, picture(30, 20))
	text := append([]byte("tEXt"), "Author\x00MARKER"...)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(text)-4)), text...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(text))
	p = append(append(append([]byte{}, p[:33]...), chunk...), p[33:]...)
	b, kind, err = copied(t, f, p)
	if err != nil || kind != "image/png" || bytes.Contains(b, []byte("MARKER")) {
		t.Errorf("%s, %v", kind, err)
	}

	var g bytes.Buffer
	if err := gif.Encode(&g, picture(10, 10), nil); err != nil {
		t.Fatal(err)
	}
	if b, kind, err = copied(t, f, g.Bytes()); err != nil || kind != "image/png" || len(b) == 0 {
		t.Errorf("a GIF: %s, %v", kind, err)
	}
}

// A picture is turned as a viewer would turn it.
func TestEveryWayOfHoldingACamera(t *testing.T) {
	m := picture(3, 2)
	corner := m.At(0, 0)
	for how, want := range map[int]image.Point{1: {0, 0}, 2: {2, 0}, 3: {2, 1}, 4: {0, 1}, 5: {0, 0}, 6: {1, 0}, 7: {1, 2}, 8: {0, 2}} {
		if got := upright(m, how).At(want.X, want.Y); got != corner {
			t.Errorf("held as %d: the first corner is not at %v", how, want)
		}
	}
}

// Small files that unfold into huge pictures are not unfolded: this would fail by memory long before it failed by an assertion.
func TestBombsAreNotUnfolded(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	huge := func(b []byte, at int) []byte {
		out := bytes.Clone(b)
		copy(out[at:], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff})
		binary.BigEndian.PutUint32(out[29:], crc32.ChecksumIEEE(out[12:29]))
		return out
	}
	jpg := encodeJPEG(t, picture(8, 8))
	sof := bytes.Index(jpg, []byte{0xff, 0xc0})
	big := bytes.Clone(jpg)
	copy(big[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})
	progressive := bytes.Clone(big)
	progressive[sof+1] = 0xc2
	for name, data := range map[string][]byte{
		"png":              huge(encodePNG(t, picture(8, 8)), 16),
		"jpeg":             big,
		"progressive jpeg": progressive,
		"gif":              []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02D\x01\x00;"),
	} {
		b, _, err := copied(t, f, data)
		if b != nil || !errors.Is(err, ErrNoCopy) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// What is no picture, or a broken one, has no copy, and is a file like any other.
func TestOnlyPicturesHaveACopy(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	jpg := encodeJPEG(t, picture(40, 40))
	for name, data := range map[string]string{
		"svg":         `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`,
		"html":        "<!DOCTYPE html><script>alert(1)</script>",
		"cut jpeg":    string(jpg[:len(jpg)/2]),
		"jpeg's head": "\xff\xd8\xff",
		"no frame":    "\xff\xd8\xff\xe0\x00\x02\xff\xd9",
		"short frame": "\xff\xd8\xff\xc0\x00\x03\x08",
		"pdf":         "%PDF-1.7 …",
	} {
		if b, kind, _ := copied(t, f, []byte(data)); b != nil {
			t.Errorf("%s has a copy: %s", name, kind)
		}
	}
	if _, chunks := counts(t, f); chunks != 7 {
		t.Errorf("%d chunks are kept for 7 small files: halves of copies stayed", chunks)
	}
}

func TestTheTypeIsThatOfTheContent(t *testing.T) {
	f := New(world.SQLite(t), Options{})
	for data, want := range map[string]string{
		"<html><script>alert(1)</script></html>": "text/html", "%PDF-1.7\n": "application/pdf", "hello": "text/plain", "\x7fELF\x02\x01\x01": "application/x-elf",
	} {
		u, _ := send(t, f, 5, "holiday.jpg", []byte(data))
		if !strings.HasPrefix(u.state.Type, want) {
			t.Errorf("%q is %s, want %s", data, u.state.Type, want)
		}
	}
}

// FuzzHead reads heads of pictures that strangers made.
func FuzzHead(f *testing.F) {
	f.Add(withExif(encodeJPEG(f, picture(8, 8)), 3), "image/jpeg")
	f.Add(encodePNG(f, picture(8, 8)), "image/png")
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x20Exif\x00\x00MM\x00*\xff\xff\xff\xff"), "image/jpeg")
	f.Fuzz(func(t *testing.T, data []byte, kind string) {
		h, err := headOf(bytes.NewReader(data), kind)
		if err == nil && (h.orientation < 1 || h.orientation > 8 || h.perPixel < 1 && h.width > 0) {
			t.Fatalf("%+v", h)
		}
	})
}
