package segment

import (
	"cmp"
	"maps"
	"slices"
)

// correct looks whether the list can be the newest one of this log [S-1.6], and
// if not makes a better one; everything must then be sorted again. A list names
// a segment before a record goes into it. So a stray with records is left over
// from the front, or not ours, or the list is older than the log, or of
// another one.
func (r *found) correct() bool {
	known := slices.DeleteFunc(slices.Clone(r.list.entries), func(e entry) bool { return e.file == "" })
	foreign := r.foreign(known)
	missed := map[uint64]segmentFile{}
	for _, s := range r.stray {
		if s.ours && !s.idle && (foreign || r.behind(known, s)) {
			missed[s.id] = segmentFile{header: s.header}
		}
	}
	if len(missed) == 0 {
		return false
	}
	r.notef("the list is not this log's newest: %d segments more were found", len(missed))
	if foreign {
		for _, e := range known {
			missed[e.id] = segmentFile{header: e.header}
		}
		r.list.entries = nil
	}
	ours := r.ourLives(missed)
	for _, id := range slices.Sorted(maps.Keys(missed)) {
		if h := missed[id].header; ours[h.life] {
			r.list.entries = append(r.list.entries, entry{header: h})
		}
	}
	if foreign {
		r.list.life = r.list.entries[len(r.list.entries)-1].life
	}
	r.last, r.bare, r.reopened, r.unlisted, r.stray = 0, 0, nil, nil, nil
	return true
}

// foreign reports whether the list is of another log: nothing of what it names
// is here, or there are segments of the mark's life and it knows none of them.
func (r *found) foreign(known []entry) bool {
	if len(known) == 0 {
		return len(r.list.entries) > 0
	}
	if !r.marked || r.list.life == r.mark.life || slices.ContainsFunc(known, func(e entry) bool { return e.life == r.mark.life }) {
		return false
	}
	return slices.ContainsFunc(r.stray, func(s stray) bool {
		return s.ours && !s.idle && s.life == r.mark.life && !r.behind(known, s)
	})
}

// behind reports whether s goes on where what is listed ends.
func (r *found) behind(known []entry, s stray) bool {
	if s.life != r.list.life && !(r.marked && s.life == r.mark.life) {
		return false
	}
	return len(known) == 0 || s.id > known[len(known)-1].id && s.first > known[len(known)-1].last
}

// bridge finds out what is missing between segments when the list that knew
// their ends is gone: each frame says which Index was durable before it [S-3.3].
func (r *found) bridge() {
	var out []entry
	for _, e := range r.list.entries {
		from, id := e.life.Base, uint64(0)
		if n := len(out); n > 0 {
			p := &out[n-1]
			p.last = max(p.last, min(e.before, e.life.Base))
			if p.life == e.life && p.id+1 == e.id {
				p.last = max(p.last, e.before)
			}
			from, id = max(from, p.last), p.id
		}
		if e.before > from && id+1 < e.id {
			r.notef("records %d to %d are missing before segment %s", from+1, e.before, fileName(e.id))
			gone := entry{header: header{kind: e.kind, id: e.id - 1, first: from + 1, life: e.life, capacity: headerSize}, last: e.before, used: headerSize}
			out = append(out, gone)
		}
		out = append(out, e)
	}
	r.list.entries = out
}

// ourLives are the lives in the headers found that can be of one log: the one
// that the mark names, and then those with the most segments that leave room
// for each other [S-2.4].
func (r *found) ourLives(byID map[uint64]segmentFile) map[Life]bool {
	runs := map[Life]*run{}
	for _, f := range byID {
		if runs[f.life] == nil {
			runs[f.life] = &run{life: f.life, from: f.id, to: f.id}
		}
		runs[f.life].add(f.header)
	}
	sorted := slices.SortedFunc(maps.Values(runs), func(a, b *run) int {
		if marked := r.mark.life; a.life == marked || b.life == marked {
			return cmp.Compare(cond(b.life == marked), cond(a.life == marked))
		}
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(b.newest, a.newest), cmp.Compare(a.from, b.from))
	})
	ours := map[Life]bool{}
	var kept []*run
	for _, x := range sorted {
		if !slices.ContainsFunc(kept, func(k *run) bool { return !k.before(x) && !x.before(k) }) {
			kept = append(kept, x)
			ours[x.life] = true
		}
	}
	return ours
}

// run are the segments of one life.
type run struct {
	life     Life
	n        int
	from, to uint64 // ids
	newest   Index  // the highest first
}

func (x *run) add(h header) {
	x.n++
	x.from, x.to, x.newest = min(x.from, h.id), max(x.to, h.id), max(x.newest, h.first)
}

// before reports whether y can have begun when x was over.
func (x *run) before(y *run) bool { return x.to < y.from && x.newest <= y.life.Base }

func cond(b bool) int {
	if b {
		return 1
	}
	return 0
}
