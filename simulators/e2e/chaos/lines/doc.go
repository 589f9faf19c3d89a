// Package lines holds the rows of the scorecard that attack the lines between
// edges and their cloud, and those that load both: long cuts, networks that
// lie, fleets that come back at once, silence, backlogs in memory, wear of
// flash, soaks. It has no code of its own.
//
// Run `make build` first; `make chaos` and `make test` do.
package lines
