package embedded

import "testing"

// The library allocates a file of a block in full before it writes: a store
// that makes blocks at every start must not ask for more room than that disk
// has which is all but full.
func TestABlockNeedsLittleRoom(t *testing.T) {
	t.Parallel()
	if got := libraryOptions(Options{}).MaxBlockChunkSegmentSize; got > 32<<20 {
		t.Errorf("%d bytes are allocated for a block", got)
	}
	if got := libraryOptions(Options{SegmentBytes: 1 << 20}).MaxBlockChunkSegmentSize; got != 1<<20 {
		t.Errorf("%d bytes, though 1 MiB was asked for", got)
	}
}
