package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// window is how much of a segment is read at once.
const window = 128 << 10

// cursor walks over the frames of one segment.
type cursor struct {
	file vfs.File
	salt uint64
	off  int64 // where the next frame is expected
	// start is where the newest one began.
	start int64
	buf   []byte
	at    int64 // file offset of buf[0]
}

// next returns the next valid frame before limit, skipping over what is none
// [S-3.4]. The body is valid until the next call. It returns io.EOF when there
// is no more; other errors mean that the disk did not answer. After both the
// cursor is where it was.
func (c *cursor) next(limit int64) (frame, error) {
	for off := c.off; off+frameSize <= limit; off += align {
		h, err := c.view(off, frameSize, limit)
		if err != nil {
			return frame{}, err
		}
		size, ok := claimedSize(h, c.salt, limit-off)
		if !ok {
			continue
		}
		b, err := c.view(off, size, limit)
		if err != nil {
			return frame{}, err
		}
		if f, ok := decodeFrame(b, c.salt); ok {
			c.start, c.off = off, off+FrameSize(len(f.body))
			return f, nil
		}
	}
	return frame{}, io.EOF
}

// view returns n bytes at off, which lie before limit.
func (c *cursor) view(off, n, limit int64) ([]byte, error) {
	if off < c.at || off+n > c.at+int64(len(c.buf)) {
		if err := c.fill(off, max(n, min(window, limit-off))); err != nil {
			return nil, err
		}
		if off+n > c.at+int64(len(c.buf)) {
			// Shorter than it should be: what is not there reads as zeros,
			// which are never valid.
			return make([]byte, n), nil
		}
	}
	return c.buf[off-c.at:][:n], nil
}

// fill reads n bytes at off, or as many as there are.
func (c *cursor) fill(off, n int64) error {
	if int64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	got, err := c.file.ReadAt(c.buf[:n], off)
	if err != nil && !errors.Is(err, io.EOF) {
		got, err = c.salvage(c.buf[:n], off)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.buf = c.buf[:0]
		return fmt.Errorf("read segment: %w", err)
	}
	c.buf, c.at = c.buf[:got], off
	return nil
}

// tries is how often a block is read before it counts as bad: the verdict is
// final, since the cloud is told.
const tries = 4

// salvage reads b block by block after a read of the whole failed. A block
// that fails again and again reads as zeros, so that a bad sector costs the records in
// it and holds up nothing. But only if the file's first block can be read at
// that moment: else it is the disk that does not answer, and calling its
// content damaged would give away what is still there.
func (c *cursor) salvage(b []byte, off int64) (int, error) {
	const block = 4096
	for at := 0; at < len(b); at += block {
		part := b[at:min(at+block, len(b))]
		n, err := c.file.ReadAt(part, off+int64(at))
		for try := 1; try < tries && err != nil && !errors.Is(err, io.EOF); try++ {
			n, err = c.file.ReadAt(part, off+int64(at))
		}
		if errors.Is(err, io.EOF) {
			return at + n, io.EOF
		}
		if err == nil {
			continue
		}
		clear(part)
		if _, ferr := c.file.ReadAt(make([]byte, headerSize), 0); ferr != nil {
			return 0, err
		}
	}
	return len(b), nil
}
