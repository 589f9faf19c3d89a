package embedded

import (
	"fmt"
	"os"
	"path/filepath"
)

// dropHeads removes the mapped chunks, so that the library builds its memory
// from its logs alone. The logs hold all that is not in a block and are fsynced
// before a Receipt; mapped chunks hold the same, are not fsynced, and where a
// power cut tore one, the library has been seen to refuse the store, or to skip
// the samples of the log that a torn chunk should have held.
func dropHeads(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, "chunks_head")); err != nil {
		return fmt.Errorf("remove mapped chunks: %w", err)
	}
	return nil
}
