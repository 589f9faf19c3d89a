// Package chaos holds the rows of the scorecard that attack real processes:
// kills, crash points, disks that fill or fail, networks that lie. Package rig
// is the town they attack, checker the judge. It has no code of its own.
//
// Run `make build build-chaos` first; `make chaos` and `make test` do.
package chaos
