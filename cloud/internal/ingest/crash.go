package ingest

import "github.com/linshao/linshao/protocol/kit/chaos"

// dieBefore and dieAfter stand around the commit of a group; each lane has its
// own points, so that a chaos build dies in both.
func (l *lane) dieBefore() {
	if l.series {
		chaos.At("ingest.samples.before")
	} else {
		chaos.At("ingest.alarms.before")
	}
}

func (l *lane) dieAfter() {
	if l.series {
		chaos.At("ingest.samples.after")
	} else {
		chaos.At("ingest.alarms.after")
	}
}
