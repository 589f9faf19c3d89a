package stream_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/notify/notifytest"
	"github.com/linshao/linshao/cloud/internal/notify/stream"
)

// sessions counts the pages that li-wei has open.
type sessions struct {
	t     *testing.T
	mu    sync.Mutex
	away  bool
	heard []notify.Body
}

func (s *sessions) Page(estate, staff string, body []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away || estate != "garden" || staff != "li-wei" {
		s.away = false
		return 0
	}
	var b notify.Body
	if err := json.Unmarshal(body, &b); err != nil {
		s.t.Error(err)
	}
	s.heard = append(s.heard, b)
	return 2
}

func TestContract(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Harness {
		s := &sessions{t: t}
		return notifytest.Harness{
			Notifier: stream.New(s), Channel: duty.Channel{Kind: "stream"},
			Reject: func() { s.away = true },
			Heard:  func() []notify.Body { s.mu.Lock(); defer s.mu.Unlock(); return s.heard },
		}
	})
}
