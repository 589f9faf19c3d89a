// Package cell is one edge alone: the real daemon between devices that number
// what they say and a collector that only remembers. The rows about broken
// disks need hundreds of them in minutes; a whole town with its cloud would
// take too long, and would show no more of the edge's disk.
//
// The collector speaks the cloud's part of the uplink protocol. What it was
// sent, it holds in a Ledger; what devices were told, in a Journal. Judging is
// comparing the two: the daemon's own counters only say when to look.
package cell
