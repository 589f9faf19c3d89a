// Package segment is one durable log of records: append a batch, read it
// beside the writing, cut it off at the front. FORMAT.md specifies every byte;
// code cites its clauses as [S-n.m].
//
// Guarantees, on any vfs.FS that keeps its own:
//
//   - When Append has returned nil, its records survive kill, panic and power
//     cut. One batch costs one fsync.
//   - A record that is served is the record that was appended, byte by byte.
//     Damage costs the damaged records only; each is reported as damaged where
//     it lay, the rest is served in order [S-3.4].
//   - An Index is never given to two records, whatever failed, was lost,
//     emptied or reopened [S-5.2].
//   - A log that lost acknowledged records at its end says so when it is
//     opened [S-5.4]; its owner then begins a new life.
//   - After a write or fsync that failed, nothing is acknowledged on that file
//     any more [S-1.4]. Append goes on with a new file as soon as there can be
//     one, without restart.
//   - Opening repairs. It fails only when the disk does not answer.
//
// It does not: judge what a body means, limit the log's size, or notice that
// a whole disk was set back to an older state; the owner does the first two and
// the cloud the third. One process writes a log at a time (package datadir
// holds the lock); any number may Inspect it meanwhile.
package segment
