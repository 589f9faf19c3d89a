// Package disk holds the rows of the scorecard about disks: power that is cut
// (R3), space that runs out (R5), calls that fail (R6). They attack the real
// daemons, one at a time: package cell is an edge alone, package powercut
// rebuilds disks. It has no code of its own.
package disk
