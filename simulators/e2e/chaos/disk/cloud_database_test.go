package disk_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// databases checks the database alone on n more images, most of them by
// chance, without a collector: SQLite's own tool opens each in milliseconds.
func (e *cloudImages) databases(n int) {
	d, err := e.tr.NewDisk(e.before)
	must(e.t, err)
	for i, at := range positions(e.tr, n, e.r.Rand(2)) {
		must(e.t, d.Advance(at))
		im, name := d.Worst(), fmt.Sprintf("database, worst at %d", at)
		if i%4 > 0 {
			im, name = d.Crash(e.r.Rand(i)), fmt.Sprintf("database, seed %d of case %d at %d", e.r.Seed(i), i, at)
		}
		onlyDatabase(im)
		dir := filepath.Join(e.dir, "database")
		must(e.t, im.Write(dir))
		broken := false
		integrity(e.r, dir, func(format string, args ...any) {
			broken = true
			e.r.Violation("%s: %s; the image: %s", name, fmt.Sprintf(format, args...), im)
		})
		if broken {
			keep(e.t, im, "R3-cloud "+name)
		}
		must(e.t, os.RemoveAll(dir))
		e.r.Count("database_images", 1)
	}
}

// onlyDatabase leaves the database, its log and the log's index.
func onlyDatabase(im *powercut.Image) {
	im.Folders = nil
	for name := range maps.Clone(im.Files) {
		if !strings.HasPrefix(name, "linshao.db") {
			delete(im.Files, name)
		}
	}
}
