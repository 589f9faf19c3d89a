// Package powercut rebuilds what a disk may hold after the power was cut at
// any moment of a recorded run.
//
// A run is recorded with strace (Recorder): every call that changes names or
// contents below one folder, every sync, and what went over sockets, in the
// order in which the kernel saw it. Parse reads that back; a Disk replays it
// to any position and Crash then decides what survived:
//
//   - Of a file: what was written before its last fsync or fdatasync began.
//     Of later writes any subset, each sector of 512 bytes on its own, and the
//     file's length with or without them; what is missing in between is zero.
//   - Of a folder: its names at its last fsync, and of later creations,
//     renames and removals a prefix, or any subset. An fsync of a file does
//     not keep its name, an fsync of a folder does not keep the folder's own.
//
// That is less than what ext4 or XFS promise, and what POSIX does promise.
//
// Not covered: writes through shared memory maps, which no system call shows.
// They are listed (Trace.Mapped), so that a test can insist that only files
// are mapped whose content does not matter after a crash, such as the -shm
// file of SQLite. A disk that lies about its syncs, or damages what was
// durable, is not modelled either. Calls that change a file and are not
// modelled are an error of Parse, never overlooked.
package powercut
