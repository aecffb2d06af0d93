package exhibit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"time"

	"plumbline/internal/store"
)

// The working copy of a picture is made anew from its pixels: what cameras and programs write beside them (places, times,
// names, serial numbers, earlier versions) is not in it. The original stays as it came.
const (
	copyMost    = 40 << 20  // bytes of an original that a copy is made of
	copyMemory  = 160 << 20 // bytes that its pixels may take, by an estimate made before any is decoded
	copyTime    = 20 * time.Second
	copyWait    = 30 * time.Second // for another copy that is being made
	copyQuality = 90
	headMost    = 4 << 20 // of a picture, in which its size must stand
)

// ErrNoCopy says why a picture has no working copy.
var ErrNoCopy = errors.New("exhibit: no working copy")

// Copy makes the working copy of a picture that was just finished, one at a time. That there can be none is no failure: what
// is no picture, is too large, or cannot be decoded has none.
func (u *Upload) Copy(ctx context.Context) error {
	switch {
	case !u.done:
		return fmt.Errorf("%w: the file is not finished", ErrNoCopy)
	case u.state.Type != "image/jpeg" && u.state.Type != "image/png" && u.state.Type != "image/gif":
		return nil
	case u.state.Got > copyMost:
		return nil
	}
	f := u.f
	wait := time.NewTimer(copyWait)
	defer wait.Stop()
	select {
	case f.drawing <- struct{}{}:
		defer func() { <-f.drawing }()
	case <-wait.C:
		return fmt.Errorf("%w: others are being made", ErrNoCopy)
	case <-ctx.Done():
		return ctx.Err()
	}
	read, stop := context.WithTimeout(ctx, copyTime)
	defer stop()
	open := func() (io.Reader, error) {
		return f.reader(read, u.key, u.place, u.id, original, u.state.Chunks)
	}
	w, err := f.copyWriter(ctx, u)
	if err != nil {
		return err
	}
	defer func() { f.give(w.frame) }()
	kind, err := redraw(w, open, u.state.Type)
	if err == nil {
		err = w.finish(kind)
	}
	if err != nil {
		return errors.Join(err, f.dropCopy(context.WithoutCancel(ctx), u.id))
	}
	return nil
}

// redraw decodes a picture and encodes it again. What it would take is reckoned from the head of the picture, so that a
// small file that unfolds into a huge picture is never unfolded.
func redraw(dst io.Writer, open func() (io.Reader, error), kind string) (string, error) {
	src, err := open()
	if err != nil {
		return "", err
	}
	h, err := headOf(io.LimitReader(src, headMost), kind)
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrNoCopy, err)
	case h.width <= 0 || h.height <= 0 || h.bytes() > copyMemory:
		return "", fmt.Errorf("%w: %d by %d is too large", ErrNoCopy, h.width, h.height)
	}
	if src, err = open(); err != nil {
		return "", err
	}
	var pic image.Image
	switch kind {
	case "image/jpeg":
		pic, err = jpeg.Decode(src)
	case "image/png":
		pic, err = png.Decode(src)
	case "image/gif":
		pic, err = gif.Decode(src) // the first picture alone
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNoCopy, err)
	}
	out := bufio.NewWriterSize(dst, 64<<10)
	if kind == "image/jpeg" {
		err = jpeg.Encode(out, upright(pic, h.orientation), &jpeg.Options{Quality: copyQuality})
	} else {
		kind = "image/png"
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(out, pic)
	}
	if err == nil {
		err = out.Flush()
	}
	return kind, err
}

// head is what has to be known of a picture before it is decoded.
type head struct {
	width, height int
	perPixel      float64 // bytes that decoding takes for a pixel
	orientation   int     // of Exif: 1 is upright
}

func (h head) bytes() int64 { return int64(float64(h.width) * float64(h.height) * h.perPixel) }

func headOf(r io.Reader, kind string) (head, error) {
	if kind == "image/jpeg" {
		return jpegHead(bufio.NewReader(r))
	}
	config, _, err := image.DecodeConfig(r)
	if err != nil {
		return head{}, err
	}
	h := head{width: config.Width, height: config.Height, perPixel: 8, orientation: 1} // a picture that comes in passes is there twice
	if kind == "image/gif" {
		h.perPixel = 2
	} else if config.ColorModel == color.NRGBA64Model || config.ColorModel == color.RGBA64Model {
		h.perPixel = 16
	}
	return h, nil
}

// jpegHead reads the segments of a JPEG up to its pixels.
func jpegHead(r *bufio.Reader) (h head, err error) {
	h.orientation = 1
	var b [2]byte
	if _, err := io.ReadFull(r, b[:]); err != nil || b != [2]byte{0xff, 0xd8} {
		return h, errors.New("not a JPEG")
	}
	for {
		mark, err := marker(r)
		if err != nil {
			return h, err
		}
		if mark == 0x01 || mark >= 0xd0 && mark <= 0xd7 {
			continue // these have no length
		}
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return h, err
		}
		size := int(b[0])<<8 | int(b[1]) - 2
		if size < 0 {
			return h, errors.New("a segment of no length")
		}
		switch {
		case mark == 0xda || mark == 0xd9:
			return h, errors.New("the size of the picture is missing")
		case mark == 0xe1:
			seg := make([]byte, size) // at most 64 kB
			if _, err := io.ReadFull(r, seg); err != nil {
				return h, err
			}
			if o := exifOrientation(seg); o != 0 {
				h.orientation = o
			}
		case mark >= 0xc0 && mark <= 0xcf && mark != 0xc4 && mark != 0xc8 && mark != 0xcc:
			seg := make([]byte, size)
			if _, err := io.ReadFull(r, seg); err != nil || size < 6 {
				return h, errors.New("a frame that is too short")
			}
			h.height, h.width = int(seg[1])<<8|int(seg[2]), int(seg[3])<<8|int(seg[4])
			h.perPixel = samples(seg)
			if mark == 0xc2 {
				h.perPixel *= 5 // one that comes in passes is kept as coefficients until the end, besides
			}
			return h, nil
		default:
			if _, err := r.Discard(size); err != nil {
				return h, err
			}
		}
	}
}

// samples is how many values a frame of a JPEG has for a pixel: colours are often kept coarser than brightness.
func samples(frame []byte) float64 {
	n := int(frame[5])
	sum, largest := 0, 1
	for i := range n {
		if 7+3*i >= len(frame) {
			break
		}
		hv := int(frame[7+3*i]>>4) * int(frame[7+3*i]&15)
		sum, largest = sum+hv, max(largest, hv)
	}
	s := float64(sum) / float64(largest)
	if n == 4 {
		s += 4 // four colours are put together in a picture of their own
	}
	return max(s, 1)
}

func marker(r *bufio.Reader) (byte, error) {
	c, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	for c != 0xff {
		if c, err = r.ReadByte(); err != nil { // what stands between segments is passed over, as decoders do
			return 0, err
		}
	}
	for c == 0xff {
		if c, err = r.ReadByte(); err != nil {
			return 0, err
		}
	}
	if c == 0 {
		return marker(r)
	}
	return c, nil
}

// exifOrientation reads how a camera was held; 0 if that is not said.
func exifOrientation(seg []byte) int {
	const mark = "Exif\x00\x00"
	if len(seg) < len(mark)+8 || string(seg[:len(mark)]) != mark {
		return 0
	}
	t := seg[len(mark):]
	at := func(i, n int) (v int, ok bool) {
		if i < 0 || i+n > len(t) {
			return 0, false
		}
		for k := range n {
			if t[0] == 'M' {
				v = v<<8 | int(t[i+k])
			} else {
				v |= int(t[i+k]) << (8 * k)
			}
		}
		return v, true
	}
	dir, ok := at(4, 4)
	if s := string(t[:2]); !ok || s != "II" && s != "MM" {
		return 0
	}
	n, _ := at(dir, 2)
	for i := range n {
		entry := dir + 2 + 12*i
		tag, ok := at(entry, 2)
		if !ok {
			return 0
		}
		if v, there := at(entry+8, 2); tag == 0x0112 && there && v >= 1 && v <= 8 {
			return v
		}
	}
	return 0
}

// upright turns a picture the way the camera was held, pixel by pixel as they are asked for: no second picture is made.
func upright(m image.Image, orientation int) image.Image {
	if orientation < 2 || orientation > 8 {
		return m
	}
	return turned{m, orientation}
}

type turned struct {
	image.Image
	how int
}

func (t turned) Bounds() image.Rectangle {
	b := t.Image.Bounds()
	if t.how >= 5 {
		return image.Rect(0, 0, b.Dy(), b.Dx())
	}
	return image.Rect(0, 0, b.Dx(), b.Dy())
}

func (t turned) At(x, y int) color.Color {
	b := t.Image.Bounds()
	w, h := b.Dx()-1, b.Dy()-1
	switch t.how {
	case 2:
		x = w - x
	case 3:
		x, y = w-x, h-y
	case 4:
		y = h - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, h-x
	case 7:
		x, y = w-y, h-x
	case 8:
		x, y = w-y, x
	}
	return t.Image.At(b.Min.X+x, b.Min.Y+y)
}

// copyWriter seals a working copy as it is encoded.
type copyWriter struct {
	ctx    context.Context //nolint:containedctx // io.Writer leaves no other way in
	u      *Upload
	chain  chain
	frame  *frame
	no     int64
	stored int64
}

func (f *Files) copyWriter(ctx context.Context, u *Upload) (*copyWriter, error) {
	c, err := newChain(u.key, u.place.Matter, u.place.Compartment, int64(u.id), workingCopy)
	if err != nil {
		return nil, err
	}
	fr, err := f.take(ctx)
	if err != nil {
		return nil, err
	}
	return &copyWriter{ctx: ctx, u: u, chain: c, frame: fr}, nil
}

// Write implements io.Writer. A full chunk is stored when more comes: until then it may be the last.
func (w *copyWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if w.frame.n == chunkSize {
			if err := w.put(false, ""); err != nil {
				return n, err
			}
		}
		c := copy(w.frame.data()[w.frame.n:], b)
		w.frame.n += c
		n += c
		b = b[c:]
	}
	return n, nil
}

func (w *copyWriter) finish(kind string) error { return w.put(true, kind) }

const setCopy = `UPDATE exhibit SET copy = $2, copy_chunks = $3, stored = stored + $4 WHERE id = $1 AND copy = ''`

func (w *copyWriter) put(last bool, kind string) error {
	sealed, err := w.chain.seal(w.frame, w.no, last)
	if err != nil {
		return err
	}
	no := w.no
	w.no++
	w.stored += int64(len(sealed))
	w.frame.n = 0
	err = w.u.f.db.TxLocking(w.ctx, func(tx *store.Tx) error {
		if last {
			if _, err := tx.Exec(w.ctx, setCopy, int64(w.u.id), kind, w.no, w.stored); err != nil {
				return err
			}
		}
		_, err := tx.Exec(w.ctx, insertChunk, int64(w.u.id), int64(workingCopy), no, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("exhibit: keep a working copy: %w", err)
	}
	return nil
}
