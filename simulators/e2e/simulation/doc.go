// Package simulation runs edges, the WAN, the cloud, devices, a pager and the
// people it rings in one process on virtual time. The daemons are the real
// ones, wired by their app packages, with a clock, a disk and a network from
// here; SQLite and the series store are real too, on a folder in memory. Two
// hours pass in about two seconds.
//
// A seed decides everything that happens between the parts: what devices say
// and when, how long each piece takes, every cut, crash, power cut, disk error,
// clock jump, and how the pager behaves. One memnet.Bus makes these happen one
// at a time, each when all that the one before caused has come to rest. What
// the Go scheduler decides is left: the order of goroutines that are awake in
// the same instant of virtual time. Run with GOMAXPROCS=1 that is hardly ever
// seen from outside; Outcome.Trace tells whether it was.
//
// After every run what devices were told and what the pager saw is judged
// against what the cloud holds, as its API shows it.
//
// In safety mode faults go on until the end, at which everything loses its
// power at once; then it is let heal, and nothing may be lost, made up or done
// twice. In liveness mode faults stop, and everything must be done within a
// bound of virtual time as well.
package simulation
