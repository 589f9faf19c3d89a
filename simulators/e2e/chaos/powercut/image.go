package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sector is the unit that a disk writes whole or not at all.
const sector = 512

// Image is one possible content of the folder after a crash.
type Image struct {
	Files   map[string]content
	Folders []string // parents first
}

// Worst returns the image on which nothing survived that was not promised.
func (d *Disk) Worst() *Image { return d.crash(func() judge { return never }) }

// Kept returns the image on which everything survived: what a killed process
// leaves, or a machine that had the time to write.
func (d *Disk) Kept() *Image { return d.crash(func() judge { return always }) }

// Crash returns an image by chance: each file and each folder has its mood.
func (d *Disk) Crash(r *rand.Rand) *Image { return d.crash(func() judge { return mood(r) }) }

// fate is what became of a piece that was not synced.
type fate int

const (
	lost fate = iota
	kept
	lengthOnly // the file's length tells of it, its bytes are zero
)

// judge decides one piece after the other.
type judge func() fate

func never() fate  { return lost }
func always() fate { return kept }

// mood picks how a crash treats one file or folder. Pure coins would hardly
// ever lose or keep a long write whole.
func mood(r *rand.Rand) judge {
	switch r.IntN(6) {
	case 0:
		return never
	case 1:
		return always
	case 2, 3: // in order, up to some point
		stop := 1 + r.Float64()*15
		return func() fate {
			if r.Float64()*stop > 1 || stop == 0 {
				return kept
			}
			stop = 0
			return lost
		}
	default:
		return func() fate {
			switch r.IntN(16) {
			case 0:
				return lengthOnly
			case 1, 2, 3, 4, 5, 6, 7:
				return lost
			default:
				return kept
			}
		}
	}
}

func (d *Disk) crash(pick func() judge) *Image {
	im := &Image{Files: map[string]content{}}
	seen := map[*node]content{}
	var walk func(n *node, at string)
	walk = func(n *node, at string) {
		names := n.survivors(pick())
		for _, name := range slices.Sorted(maps.Keys(names)) {
			child, p := names[name], filepath.Join(at, name)
			if child.folder {
				im.Folders = append(im.Folders, p)
				walk(child, p)
				continue
			}
			if _, known := seen[child]; !known {
				seen[child] = child.remains(pick())
			}
			im.Files[p] = seen[child]
		}
	}
	walk(d.root, "")
	return im
}

// survivors are the names of a folder after a crash.
func (n *node) survivors(j judge) map[string]*node {
	names := maps.Clone(n.kept)
	for _, c := range n.changes {
		if j() == kept {
			c.apply(names)
		}
	}
	return names
}

// remains is the content of a file after a crash.
func (n *node) remains(j judge) content {
	if len(n.writes) == 0 {
		return n.durable // nobody changes it while the image is written
	}
	c := content{slices.Clone(n.durable.b), n.durable.size}
	for _, w := range n.writes {
		if w.resize {
			if j() == kept {
				c = w.apply(c)
			}
			continue
		}
		for at := w.at; at < w.at+int64(len(w.b)); {
			end := min((at/sector+1)*sector, w.at+int64(len(w.b)))
			switch j() {
			case kept:
				c = (&write{at: at, b: w.b[at-w.at : end-w.at]}).apply(c)
			case lengthOnly:
				c.size = max(c.size, end)
			}
			at = end
		}
	}
	return c
}

// Write makes the folder dir, which must be new or empty, hold the image.
func (im *Image) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, f := range im.Folders {
		if err := os.Mkdir(filepath.Join(dir, f), 0o700); err != nil {
			return err
		}
	}
	for name, c := range im.Files {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, c.b, 0o600); err != nil {
			return err
		}
		if c.size > int64(len(c.b)) {
			if err := os.Truncate(p, c.size); err != nil {
				return err
			}
		}
	}
	return nil
}

// Bytes returns a file of the image; false if it is not there.
func (im *Image) Bytes(name string) ([]byte, bool) {
	c, ok := im.Files[name]
	if !ok {
		return nil, false
	}
	return append(slices.Clone(c.b), make([]byte, c.size-int64(len(c.b)))...), true
}

// String lists the files with their sizes.
func (im *Image) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(im.Files)) {
		fmt.Fprintf(&b, "%s %d, ", name, im.Files[name].size)
	}
	return b.String()
}
