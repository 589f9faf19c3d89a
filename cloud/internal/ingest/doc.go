// Package ingest takes what edges send up, makes it durable, and only then
// says so with a Receipt.
//
// Two lanes run side by side and never wait for each other. The alarm lane
// commits Transitions and ledger in a relational transaction of its own. The
// samples lane gathers Envelopes of many edges into one group: series,
// fsync, then events and ledger in one transaction, then the Receipts. A group
// is whatever arrived while the one before was being committed, so an idle
// lane commits at once and a busy one in large groups, with no timer.
//
// It guarantees:
//   - a Receipt is never sent before the commit it speaks of [P-4];
//   - effects are exactly once although delivery is at least once: the ledger
//     of settled Sequences is read first and written last, in the transaction
//     of the effects, and every effect is idempotent besides;
//   - what can never be stored is answered with rejected(reason) and keeps
//     nobody waiting, neither its own edge nor another;
//   - memory is bounded: queues by bytes, shared fairly between edges; when
//     one is full its sender waits.
//
// It does not decide what a Transition means (desk), nor does it know MQTT:
// a broker adapter calls Receive.
package ingest
