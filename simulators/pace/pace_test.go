package pace

import (
	"testing"
	"time"
)

func TestAtSpeedOneTheTimesAreOne(t *testing.T) {
	t.Parallel()
	p := New(1000, 1000, 1)
	if got := p.Virtual(61_000); got != 61_000 {
		t.Errorf("Virtual = %d", got)
	}
	if got := p.Wall(61_000); got != 61_000 {
		t.Errorf("Wall = %d", got)
	}
}

func TestADayInTwentyFourMinutes(t *testing.T) {
	t.Parallel()
	p := New(1000, 500_000, 60)
	if got := p.Virtual(1000 + 24*60_000); got != 500_000+24*3_600_000 {
		t.Errorf("Virtual = %d", got)
	}
	if got := p.Wall(500_000 + 60_000); got != 2000 {
		t.Errorf("Wall = %d", got)
	}
	if got := p.Every(time.Second, 100*time.Millisecond); got != 100*time.Millisecond {
		t.Errorf("Every = %s", got)
	}
}
