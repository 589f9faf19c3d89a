package powercut

import "strings"

// traced are the calls that a recording shows: those that are modelled, those
// that tell what descriptors are, and those that would break the model.
func traced() []string {
	return []string{
		"openat", "open", "openat2", "creat", "close", "dup", "dup2", "dup3", "read", "readv", "lseek",
		"write", "writev", "pwrite64", "pwritev", "pwritev2", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range",
		"ftruncate", "truncate", "fallocate", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
		"link", "linkat", "symlink", "symlinkat", "copy_file_range", "sendfile", "splice", "mmap", "msync",
		"io_uring_setup", "bind", "accept", "accept4", "connect",
	}
}

// Recorder is the command line to run a daemon under so that what it does is
// recorded in the file trace. A signal that ends the daemon must be sent to
// the daemon itself: a killed strace would leave lines unwritten.
func Recorder(trace string) []string {
	return []string{
		"strace", "-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-o", trace, "-e", "trace=" + strings.Join(traced(), ","), "--",
	}
}
