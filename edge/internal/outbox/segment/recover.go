package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// Recovery says in what state a log was found.
type Recovery struct {
	// Proven: the log shows that it still holds its newest record. If it is
	// false the owner must Begin a new Life before it appends; so it must
	// for a log that is new.
	Proven bool
	// New: there was nothing at all.
	New bool
	// LostFirst to LostLast are acknowledged records that are gone from the
	// log's end; both 0 if none are known.
	LostFirst, LostLast Index
	// LostLife is the life they belong to.
	LostLife Life
	// MarkLife is the life that the mark speaks of, zero without one.
	MarkLife Life
	// Notes tell an operator what was repaired.
	Notes []string
}

// found is a log as it lies on disk, sorted out. Making it changes nothing.
type found struct {
	Recovery
	list list
	mark mark
	// rebuilt: the list on disk is damaged, or not the newest.
	rebuilt bool
	// marked: mark is valid.
	marked bool
	// last is the newest record there is or was sealed.
	last Index
	// reopened are the ids of segments whose end was found by reading.
	reopened []uint64
	// bare is where a listed segment would have begun that has no record.
	bare Index
	// unlisted are files that the list still names and need not.
	unlisted []string
	// stray are segment files that the list does not name.
	stray []stray
}

type stray struct {
	name string
	// ours: its header is valid, and says this id.
	ours bool
	header
	// idle: it was found to hold no frame.
	idle bool
}

func (r *found) notef(format string, a ...any) { r.Notes = append(r.Notes, fmt.Sprintf(format, a...)) }

// find sorts out what is on disk.
func find(fs vfs.FS, dir, markName string, kind Kind) (*found, error) {
	r := &found{}
	var err error
	if r.mark, r.marked, err = readMark(fs, markName, kind); err != nil {
		return nil, fmt.Errorf("read mark: %w", err)
	}
	files, err := segmentFiles(fs, dir, kind)
	if err != nil {
		return nil, err
	}
	r.list, err = readList(fs, dir, kind)
	switch {
	case errors.Is(err, errMagic), errors.Is(err, errCRC), errors.Is(err, errClaim), vfs.IsNotExist(err):
		r.rebuilt, r.New = true, true
		r.rebuild(files)
		if !vfs.IsNotExist(err) || len(files) > 0 {
			r.notef("%v: rebuilt from %d segments", err, len(r.list.entries))
		}
	case err != nil:
		return nil, err
	}
	if err := r.sort(fs, dir, files); err != nil {
		return nil, err
	}
	if r.correct() {
		r.rebuilt = true
		if err := r.sort(fs, dir, files); err != nil {
			return nil, err
		}
	}
	if r.rebuilt {
		r.bridge()
	}
	r.New = r.New && !r.marked && len(r.list.entries) == 0
	r.judge()
	return r, nil
}

// sort finds the files of what is listed, and what else there is.
func (r *found) sort(fs vfs.FS, dir string, files []segmentFile) error {
	r.assign(files)
	if err := r.readOpen(fs, dir); err != nil {
		return err
	}
	return r.readStray(fs, dir)
}

// segmentFile is a file that looks like a segment, whatever its name.
type segmentFile struct {
	name  string
	named uint64 // the id its name says, 0 if none
	header
	ok bool // header is valid
}

func segmentFiles(fs vfs.FS, dir string, kind Kind) ([]segmentFile, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var out []segmentFile
	for _, n := range names {
		hex, ok := strings.CutSuffix(n, ".seg")
		if !ok {
			continue
		}
		s := segmentFile{name: n}
		if id, err := strconv.ParseUint(hex, 16, 64); err == nil && fileName(id) == n {
			s.named = id
		}
		if s.header, err = readHeader(fs, path.Join(dir, n), kind); err == nil {
			s.ok = true
		} else if errors.Is(err, ErrNewer) {
			return nil, fmt.Errorf("segment %s: %w", n, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func fileName(id uint64) string { return fmt.Sprintf("%016x.seg", id) }

func readHeader(fs vfs.FS, name string, kind Kind) (header, error) {
	f, err := fs.Open(name)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return header{}, err
	}
	return decodeHeader(b[:n], kind)
}

// rebuild makes a list from the segments' own headers [S-2.2]. Each counts as
// open: its end is not known.
func (r *found) rebuild(files []segmentFile) {
	byID := map[uint64]segmentFile{}
	for _, f := range files {
		if old, twice := byID[f.id]; f.ok && (!twice || old.named != old.id) {
			byID[f.id] = f
		}
	}
	ours := r.ourLives(byID)
	for _, f := range byID {
		if !ours[f.life] {
			continue
		}
		r.list.entries = append(r.list.entries, entry{header: f.header})
		r.list.nextID = max(r.list.nextID, f.id+1)
	}
	slices.SortFunc(r.list.entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	if n := len(r.list.entries); n > 0 {
		r.list.life = r.list.entries[n-1].life
	}
}

// assign finds the file of each entry [S-2.3]: the one whose header says so,
// best under its own name, else one under that name whose header is damaged.
func (r *found) assign(files []segmentFile) {
	taken := map[string]bool{}
	for i := range r.list.entries {
		e := &r.list.entries[i]
		best := 0
		for _, f := range files {
			rank := 0
			switch {
			case f.ok && f.id == e.id && f.salt == e.salt && f.named == e.id:
				rank = 3
			case f.ok && f.id == e.id && f.salt == e.salt:
				rank = 2
			case !f.ok && f.named == e.id:
				rank = 1
			}
			if rank > best {
				best, e.file = rank, f.name
			}
		}
		taken[e.file] = true
		if best == 0 {
			r.notef("segment %s is missing", fileName(e.id))
		}
		if best == 1 || best == 2 {
			r.notef("segment %s was found as %s, header damaged: %t", fileName(e.id), e.file, best == 1)
		}
	}
	for _, f := range files {
		if !taken[f.name] {
			r.stray = append(r.stray, stray{name: f.name, ours: f.ok, header: f.header})
		}
		// Whatever is listed or not: an id that exists is never used again.
		r.list.nextID = max(r.list.nextID, f.id+1)
		if f.named < 1<<62 { // junk may be called anything
			r.list.nextID = max(r.list.nextID, f.named+1)
		}
	}
}

// readStray finds out which strays hold nothing.
func (r *found) readStray(fs vfs.FS, dir string) error {
	for i := range r.stray {
		s := &r.stray[i]
		if !s.ours || s.idle {
			continue
		}
		e := entry{header: s.header, file: s.name}
		if err := e.findEnd(fs, dir); err != nil {
			return err
		}
		s.idle = e.last == 0
	}
	return nil
}

// readOpen finds the ends of segments that were not sealed [S-6] and drops
// those without a record.
func (r *found) readOpen(fs vfs.FS, dir string) error {
	var kept []entry
	es := r.list.entries
	for i := range es {
		e := es[i]
		if e.last == 0 {
			if err := e.findEnd(fs, dir); err != nil {
				return err
			}
			r.reopened = append(r.reopened, e.id)
		}
		if e.last == 0 && e.file == "" && i+1 < len(es) && es[i+1].first > e.first {
			e.last = es[i+1].first - 1 // gone, but what was in it is bounded
		}
		if e.last == 0 {
			r.bare = e.first
			if e.file != "" {
				r.unlisted = append(r.unlisted, e.file)
			}
			continue
		}
		r.last = max(r.last, e.last)
		kept = append(kept, e)
	}
	r.list.entries = kept
	return nil
}

// findEnd reads e to its last valid frame. An entry without one keeps last 0.
func (e *entry) findEnd(fs vfs.FS, dir string) error {
	e.used = headerSize
	if e.file == "" {
		return nil
	}
	f, err := fs.Open(path.Join(dir, e.file))
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("size segment: %w", err)
	}
	c := cursor{file: f, salt: e.salt, off: headerSize}
	for {
		fr, err := c.next(size)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.last == 0 {
			e.before = min(fr.durable, e.first-1)
		}
		e.note(fr, c.off)
	}
}

// note takes a frame that ends at off into what is known of e. A disk may have
// left a copy of one in the wrong place, so that they do not come in order.
func (e *entry) note(f frame, off int64) {
	e.last, e.used, e.newestMS = max(e.last, f.index), off, max(e.newestMS, f.ms)
	if f.kind == frameAnchor {
		e.anchor = max(e.anchor, f.index)
	}
}

// judge decides whether the log holds its newest record [S-5.4].
func (r *found) judge() {
	if r.marked {
		r.MarkLife = r.mark.life
	}
	switch {
	case r.New:
	case !r.marked:
		r.notef("high-water mark is missing or damaged")
	case r.mark.life != r.list.life:
		r.notef("log and high-water mark are of different lives")
	case r.last >= r.mark.durable:
		r.Proven = true
	}
	if r.marked && r.last < r.mark.durable {
		r.LostFirst, r.LostLast = r.last+1, r.mark.durable
		if r.bare <= r.mark.durable {
			r.LostFirst = max(r.LostFirst, r.bare)
		}
		r.LostLife = r.mark.life
		r.notef("records %d to %d were acknowledged and are gone", r.LostFirst, r.LostLast)
	}
}

// next is the first Index that was certainly never given out.
func (r *found) next(o Options) Index {
	n := max(r.last, r.list.life.Base, o.Floor)
	if r.marked {
		n = max(n, r.mark.issued)
	} else if !r.New {
		n += o.Lease
	}
	return n + 1
}
