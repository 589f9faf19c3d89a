package uplink

import (
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
)

// dieBefore and dieAfter are the crash points of sending, one pair for each
// lane.
func dieBefore(lane envelope.Lane) {
	switch lane {
	case envelope.LaneAlarm:
		chaos.At("uplink.alarm.before")
	case envelope.LaneLive:
		chaos.At("uplink.live.before")
	case envelope.LaneBackfill:
		chaos.At("uplink.backfill.before")
	}
}

func dieAfter(lane envelope.Lane) {
	switch lane {
	case envelope.LaneAlarm:
		chaos.At("uplink.alarm.after")
	case envelope.LaneLive:
		chaos.At("uplink.live.after")
	case envelope.LaneBackfill:
		chaos.At("uplink.backfill.after")
	}
}
