package detect

// level is a two-valued signal that must last before it counts: riseMS to
// become active, fallMS to be over. A value holds until the next one says
// otherwise, so a change is dated where its hold time ended, whether a Sample
// or a Tick found that out.
type level struct {
	riseMS, fallMS int64
	active         bool
	// pending: the signal differs from active since sinceMS (the device's
	// time) and monoMS (the edge's).
	pending         bool
	sinceMS, monoMS int64
}

// put takes the signal as it is at atMS.
func (l *level) put(dst []Change, on bool, atMS, monoMS int64) []Change {
	dst = l.settle(dst, atMS-l.sinceMS)
	if on == l.active {
		l.pending = false
		return dst
	}
	if !l.pending {
		l.pending, l.sinceMS, l.monoMS = true, atMS, monoMS
	}
	return l.settle(dst, atMS-l.sinceMS)
}

// tick lets the edge's own time complete what is pending.
func (l *level) tick(dst []Change, monoMS int64) []Change {
	return l.settle(dst, monoMS-l.monoMS)
}

// lost forgets a fall that has not completed: unknown is not normal. A rise
// goes on, because what was last known is that something is wrong.
func (l *level) lost() {
	if l.active {
		l.pending = false
	}
}

func (l *level) settle(dst []Change, lastedMS int64) []Change {
	hold := l.riseMS
	if l.active {
		hold = l.fallMS
	}
	if !l.pending || lastedMS < hold {
		return dst
	}
	l.active, l.pending = !l.active, false
	return append(dst, Change{Active: l.active, AtMS: l.sinceMS + hold})
}

// seed makes the level active without saying so.
func (l *level) seed() { l.active, l.pending = true, false }
