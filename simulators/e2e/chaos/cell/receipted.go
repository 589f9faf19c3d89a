package cell

import (
	"strings"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// Receipted is one Envelope that a collector called stored.
type Receipted struct {
	// At is where the write of the Receipt began: at any later position the
	// edge may have forgotten it.
	At       int
	Envelope envelope.Envelope
}

// RecordedCloud reads the sockets of a collector's trace, in the order of the
// Receipts. mqtt is the port that edges connect to.
func RecordedCloud(t *powercut.Trace, mqtt int) (out []Receipted, err error) {
	came := map[string]envelope.Envelope{}
	hear := func(_ powercut.Conn, _ int, p packets.ControlPacket) error {
		m, ok := p.(*packets.PublishPacket)
		if !ok || !strings.Contains(m.TopicName, "/up/") || strings.HasSuffix(m.TopicName, "/hello") {
			return nil
		}
		e, err := envelope.Decode(m.Payload)
		if err == nil {
			came[covers(e.Epoch, e.Log, e.Sequences)] = e
		}
		return err
	}
	say := func(_ powercut.Conn, at int, p packets.ControlPacket) error {
		m, ok := p.(*packets.PublishPacket)
		if !ok || !strings.HasSuffix(m.TopicName, "/receipt") {
			return nil
		}
		r, err := envelope.DecodeReceipt(m.Payload)
		if err != nil || r.Verdict != envelope.Stored {
			return err
		}
		for k, e := range came {
			if e.Epoch == r.Epoch && e.Log == r.Log && envelope.RangeSet(nil).AddAll(r.Sequences).ContainsAll(e.Sequences) {
				out = append(out, Receipted{at, e})
				delete(came, k)
			}
		}
		return nil
	}
	err = packetsOf(t, func(c powercut.Conn) bool { return c.Listener == mqtt }, hear, say)
	return out, err
}
