//go:build !linux

package vfs

// Allocate implements File: the file gets its length, nothing is reserved.
func (f osFile) Allocate(size int64) error { return f.Truncate(size) }
