// Package web holds the built console: the dispatcher's page, the patrol
// phone's page and their assets, as `make web` leaves them in dist. It holds
// built files only; the sources stand beside it.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Files returns the built console. Before the first `make web` it holds no
// pages; Built reports that.
func Files() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		return dist // "dist" is a valid path: this does not happen
	}
	return sub
}

// Built reports whether the console was built into this binary.
func Built() bool {
	_, err := fs.Stat(Files(), "index.html")
	return err == nil
}
