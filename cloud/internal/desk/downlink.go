package desk

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/linshao/linshao/protocol/ticket"
)

// Downlinks returns what an edge must hear of a ticket's log: everything born
// in the cloud, once under the ticket's own id and once under each alias. An
// edge that lost its memory raised the condition under a new id and knows the
// ticket by that alone; what it can't place does it no harm.
func Downlinks(aliases []ticket.ID, log []ticket.Transition) []ticket.Transition {
	var down []ticket.Transition
	for _, x := range log {
		if x.Stamp.Origin != Origin {
			continue
		}
		down = append(down, x)
		if x.Kind == ticket.Alias || x.Kind == ticket.Raise {
			continue
		}
		for _, a := range aliases {
			twin := x
			twin.ID, twin.Ticket = derivedID(x.ID, string(a)), a
			down = append(down, twin)
		}
	}
	return down
}

// derivedID is a UUID (version 8) that depends on parts alone, so that making
// it again makes the same one.
func derivedID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
