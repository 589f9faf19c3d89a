package powercut

import (
	"os/exec"
	"strings"
)

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

// Record wraps a command so that what it does is recorded in the file trace.
// Signals sent to the command reach strace, which passes on those that end it.
func Record(trace string, command ...string) *exec.Cmd {
	args := append([]string{
		"-f", "-y", "-xx", "-s", "16777216", "--seccomp-bpf", "-o", trace, "-e", "trace=" + strings.Join(traced(), ","), "--",
	}, command...)
	return exec.Command("strace", args...)
}
