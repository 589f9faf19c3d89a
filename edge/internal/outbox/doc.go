// Package outbox keeps what the edge has learnt until the cloud has it. It is
// two logs (package segment), alarm and samples, and what is known about their
// records: which are settled, which are gone and why.
//
//	dir/
//	  alarm/ samples/   the logs, alarm.mark samples.mark their marks
//	  state             settled ranges, gaps, sessions: text with a checksum
//	  reserve           space that only alarms may use
//
// Guarantees:
//
//   - Append returns nil when all its records survive kill and power cut. The
//     alarm records are durable before the samples are written, so an
//     acknowledged message never lacks its ticket.
//   - Only Settle, which takes the cloud's Receipts, makes the outbox forget a
//     record [P-4.1]. Sending, leasing or a broker's acknowledgement do not.
//   - A Sequence is never given to two records of one epoch, and an epoch never
//     to two lives of the logs [P-2.3, P-2.4]. When a log cannot prove that it
//     holds its newest record, or the state is lost, both logs begin a new
//     epoch at the same time; what waits from before keeps its old names.
//   - Bounds (bytes, age, free disk) cost the oldest samples, whole segments at
//     a time, as counted gaps that the cloud is told of. Alarm records are
//     never dropped, and part of the disk is kept for them alone.
//   - A full disk makes Append fail and nothing else; it works again as soon as
//     there is space.
//   - Damage costs the damaged records, is reported as a gap, and blocks
//     nothing.
//   - Replay gives back every alarm record since the newest checkpoint, in
//     order: the log is cut off neither before it is settled nor behind that
//     checkpoint.
//
// It does not know tickets, lanes, or the way to the cloud; sending is package
// uplink's. One process opens an outbox at a time (package datadir holds the
// lock), while any may Inspect it.
//
// A position is a record's place in its log across all epochs (segment.Index):
// it only ever grows. A Sequence is its place within an epoch.
package outbox
