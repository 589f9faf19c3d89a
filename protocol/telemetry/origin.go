package telemetry

// Origin says which run of which clock a record was made by, so that the times
// of a boot whose clock was wrong can be put right later.
type Origin struct {
	// Boot identifies one run of the daemon; it changes at every start.
	Boot string
	// MonoMS is the monotonic time since that start.
	MonoMS int64
	// EdgeMS is the wall clock at the same instant.
	EdgeMS int64
	// ClockTrusted: the wall clock had been synchronised since boot.
	ClockTrusted bool
	// SkewKnown: this boot's clock was compared with the cloud's. SkewMS is how
	// far EdgeMS is ahead of it, SkewErrorMS by how much that may be wrong
	// [P-5.5]. For one record they never change, however often it is sent.
	SkewKnown           bool
	SkewMS, SkewErrorMS int64
}

const (
	// OldestAgeMS is how far back a device's own time is believed.
	OldestAgeMS = 35 * 24 * 3600 * 1000
	// NewestAheadMS is how far ahead of the edge's clock it is believed.
	NewestAheadMS = 5 * 60 * 1000
	// SkewBoundMS is how far an edge's clock may be from the cloud's before
	// its times are put right.
	SkewBoundMS = 2000
)

// EffectiveTime chooses the time the stores use for a measurement that the
// device stamped deviceMS (0: not at all) and the edge took at edgeMS. A device
// time outside [edge - 35 d, edge + 5 min] is not believed: the edge's counts
// and the ReceiveTime mark says so [P-5.3].
func EffectiveTime(deviceMS, edgeMS int64) (atMS int64, marks Marks) {
	if deviceMS == 0 || deviceMS < edgeMS-OldestAgeMS || deviceMS > edgeMS+NewestAheadMS {
		return edgeMS, ReceiveTime
	}
	return deviceMS, 0
}

// Skewed reports whether the times of a record must be put right before they
// are stored [P-5.6].
func (o Origin) Skewed() bool {
	return o.SkewKnown && (o.SkewMS > SkewBoundMS || o.SkewMS < -SkewBoundMS)
}

// Doubtful reports whether the edge's times may be anything: nobody has vouched
// for its clock, and it was never compared with another.
func (o Origin) Doubtful() bool { return !o.ClockTrusted && !o.SkewKnown }

// BelievedMS is the best that is known of the instant at which the record was
// made; believed is false if that is nothing.
func (o Origin) BelievedMS() (ms int64, believed bool) {
	if o.Skewed() {
		return o.EdgeMS - o.SkewMS, true
	}
	return o.EdgeMS, !o.Doubtful()
}

// Correct puts the effective times of samples of a record of o right, in
// place: as they would be had the edge's clock been the cloud's. The devices'
// own times are judged anew; EdgeMS stays what the edge said. The samples of a
// doubtful Origin are marked ClockUntrusted, others are left as they are.
func (o Origin) Correct(samples []Sample) {
	switch {
	case o.Skewed():
		for i := range samples {
			s := &samples[i]
			s.AtMS, s.Marks = o.correct(s.AtMS, s.DeviceMS, s.EdgeMS, s.Marks)
		}
	case o.Doubtful():
		for i := range samples {
			samples[i].Marks |= ClockUntrusted
		}
	}
}

// CorrectEvents is Correct for Events.
func (o Origin) CorrectEvents(events []Event) {
	for i := range events {
		e := &events[i]
		switch {
		case o.Skewed():
			e.AtMS, e.Marks = o.correct(e.AtMS, e.DeviceMS, e.EdgeMS, e.Marks)
		case o.Doubtful():
			e.Marks |= ClockUntrusted
		}
	}
}

// correct keeps by how much atMS was nudged. A device that is only believed by
// the edge's clock is as wrong as that: its times keep their distances, or what
// it said in one message would become one instant.
func (o Origin) correct(atMS, deviceMS, edgeMS int64, m Marks) (int64, Marks) {
	said, doubts := EffectiveTime(deviceMS, edgeMS)
	right, marks := EffectiveTime(deviceMS, edgeMS-o.SkewMS)
	if doubts == 0 && marks.Has(ReceiveTime) {
		right = deviceMS - o.SkewMS
	}
	return right + atMS - said, m&^(ReceiveTime|ClockUntrusted) | marks | ClockCorrected
}

// CorrectMS puts one instant right of which it is not known whose clock said
// it, such as a Transition's: of what it says and what it would say by the
// cloud's clock, the one nearer to the instant at which the record was made.
func (o Origin) CorrectMS(atMS int64) int64 {
	if !o.Skewed() {
		return atMS
	}
	made := o.EdgeMS - o.SkewMS
	if abs(atMS-made) <= abs(atMS-o.SkewMS-made) {
		return atMS
	}
	return atMS - o.SkewMS
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
