package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// errMoves: segments were forgotten faster than they could be opened.
var errMoves = errors.New("the log changes too fast")

// Copy calls put with the list of the log in dir and each segment it names, and
// changes nothing. It may run beside the process that writes the log: all that
// was durable before is in the copy.
func Copy(fs vfs.FS, dir string, kind Kind, put func(name string, size int64, r io.Reader) error) error {
	var before []byte
	for range 100 {
		raw, files, err := openAll(fs, dir, kind)
		if err != nil {
			return err
		}
		if files.missing && !bytes.Equal(raw, before) {
			before = raw
			files.close()
			continue // forgotten meanwhile, unless the list still says so
		}
		defer files.close()
		if err := put(listName, int64(len(raw)), bytes.NewReader(raw)); err != nil {
			return err
		}
		for _, f := range files.all {
			if err := f.copy(put); err != nil {
				return err
			}
		}
		return nil
	}
	return errMoves
}

type opened struct {
	name string
	open bool // still written to
	file vfs.File
}

type openedAll struct {
	all []opened
	// missing: the list names more.
	missing bool
}

func (o openedAll) close() {
	for _, f := range o.all {
		_ = f.file.Close()
	}
}

// openAll opens every segment of the list as it is now; an open file stays
// readable whatever becomes of its name. raw is the list.
func openAll(fs vfs.FS, dir string, kind Kind) (raw []byte, out openedAll, err error) {
	raw, err = vfs.ReadFile(fs, path.Join(dir, listName), listHeader+maxEntries*listEntry+4)
	if err != nil {
		return nil, out, fmt.Errorf("read segment list: %w", err)
	}
	l, err := decodeList(raw, kind)
	if err != nil {
		return nil, out, fmt.Errorf("segment list: %w; let the daemon repair it first", err)
	}
	files, err := segmentFiles(fs, dir, kind)
	if err != nil {
		return nil, out, err
	}
	r := found{list: l}
	r.assign(files)
	for _, e := range r.list.entries {
		if e.file == "" {
			out.missing = true
			continue
		}
		f, err := fs.Open(path.Join(dir, e.file))
		if vfs.IsNotExist(err) {
			out.missing = true
			continue
		}
		if err != nil {
			out.close()
			return nil, openedAll{}, fmt.Errorf("open segment: %w", err)
		}
		out.all = append(out.all, opened{name: e.file, open: e.last == 0, file: f})
	}
	return raw, out, nil
}

func (o opened) copy(put func(name string, size int64, r io.Reader) error) error {
	size, err := o.file.Size()
	if err != nil {
		return fmt.Errorf("size segment: %w", err)
	}
	if !o.open {
		return put(o.name, size, io.NewSectionReader(o.file, 0, size))
	}
	b, err := backwards(o.file, size)
	if err != nil {
		return fmt.Errorf("read segment: %w", err)
	}
	return put(o.name, int64(len(b)), bytes.NewReader(b))
}

// backwards reads a file that is being written at its end, page by page from
// the last: since a writer goes forwards, what stands before a page that was
// seen new is new as well, and no batch is copied with a hole.
func backwards(f vfs.File, size int64) ([]byte, error) {
	b := make([]byte, size)
	for at := (size - 1) &^ (page - 1); at >= 0; at -= page {
		if _, err := f.ReadAt(b[at:min(at+page, size)], at); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return b, nil
}
