package outbox

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	stateName    = "state"
	stateMagic   = "linshao-outbox-state"
	stateVersion = 1
	stateLimit   = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrNewer: a file of the outbox was written by a newer version.
var ErrNewer = segment.ErrNewer

// errState: the state file is there but can't be believed.
var errState = errors.New("outbox state is damaged")

// state is what the file of that name holds: one line of magic, version and
// CRC-32C of the rest in hex, then JSON. It is replaced as a whole. An older
// one would only make the cloud see records twice that it has; but sessions
// and gaps are written before they count.
type state struct {
	// Epochs are those of the logs that it was written beside: the current
	// one, and the next where one was about to begin. What it says is about
	// positions, which mean nothing in another outbox.
	Epochs  []string   `json:"epochs"`
	Session Session    `json:"session"`
	Alarm   knownState `json:"alarm"`
	Samples knownState `json:"samples"`
}

// Session is one connection's durable identity [P-5.2].
type Session struct {
	ID       string `json:"id"`
	Previous string `json:"previous"`
	// Used says that a broker has taken its hello: the next connection gets
	// a new one.
	Used bool `json:"used"`
}

type knownState struct {
	Settled [][2]segment.Index `json:"settled"`
	Gaps    []gapState         `json:"gaps"`
}

type gapState struct {
	First  segment.Index `json:"first"`
	Last   segment.Index `json:"last"`
	Epoch  string        `json:"epoch"`
	Base   segment.Index `json:"base"`
	Reason string        `json:"reason"`
	FromMS int64         `json:"from_ms,omitempty"`
	ToMS   int64         `json:"to_ms,omitempty"`
}

// isOf reports whether s was written beside a log that has one of lives.
func (s state) isOf(lives []segment.Life) bool {
	return len(s.Epochs) == 0 || slices.ContainsFunc(lives, func(l segment.Life) bool { return slices.Contains(s.Epochs, hex.EncodeToString(l.ID[:])) })
}

func (k *known) save() knownState {
	var s knownState
	for _, r := range k.settled {
		s.Settled = append(s.Settled, [2]segment.Index{segment.Index(r.First), segment.Index(r.Last)})
	}
	for _, g := range k.gaps {
		s.Gaps = append(s.Gaps, gapState{g.First, g.Last, hex.EncodeToString(g.Life.ID[:]), g.Life.Base, g.Reason, g.FromMS, g.ToMS})
	}
	return s
}

func (s knownState) load() (known, error) {
	var k known
	for _, r := range s.Settled {
		if r[0] < 1 || r[1] < r[0] || r[1] >= math.MaxInt64 {
			return known{}, errState
		}
		k.settled = k.settled.Add(span(r[0], r[1]))
	}
	for _, g := range s.Gaps {
		id, err := hex.DecodeString(g.Epoch)
		if err != nil || len(id) != 16 || g.First <= g.Base || g.Last < g.First || g.Last >= math.MaxInt64 {
			return known{}, errState
		}
		k.lose(gap{g.First, g.Last, segment.Life{ID: [16]byte(id), Base: g.Base}, g.Reason, g.FromMS, g.ToMS})
	}
	return k, nil
}

// newest is the highest position that s speaks of.
func (s knownState) newest() segment.Index {
	var n segment.Index
	for _, r := range s.Settled {
		n = max(n, r[1])
	}
	for _, g := range s.Gaps {
		n = max(n, g.Last)
	}
	return n
}

func encodeState(s state) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode outbox state: %w", err)
	}
	return append([]byte(stateHead(stateVersion, body)+"\n"), body...), nil
}

// stateHead is the line before body. Its checksum covers the version too.
func stateHead(version int, body []byte) string {
	head := fmt.Sprintf("%s %d", stateMagic, version)
	crc := crc32.Update(crc32.Checksum([]byte(head), castagnoli), castagnoli, body)
	return fmt.Sprintf("%s %08x", head, crc)
}

func decodeState(b []byte) (state, error) {
	head, body, _ := bytes.Cut(b, []byte("\n"))
	var version int
	var crc uint32
	if n, err := fmt.Sscanf(string(head), stateMagic+" %d %08x", &version, &crc); n != 2 || err != nil {
		return state{}, errState
	}
	if string(head) != stateHead(version, body) {
		return state{}, errState
	}
	if version > stateVersion {
		return state{}, fmt.Errorf("version %d: %w", version, ErrNewer)
	}
	var s state
	if err := json.Unmarshal(body, &s); err != nil {
		return state{}, errState
	}
	return s, nil
}

// readState returns the state in dir. ok is false when there is none, or a
// damaged one.
func readState(fs vfs.FS, dir string) (s state, ok bool, err error) {
	b, err := vfs.ReadFile(fs, dir+"/"+stateName, stateLimit)
	if vfs.IsNotExist(err) || errors.Is(err, vfs.ErrTooLarge) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("read outbox state: %w", err)
	}
	s, err = decodeState(b)
	if errors.Is(err, errState) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("read %s: %w", stateName, err)
	}
	return s, true, nil
}
