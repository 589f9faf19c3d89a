// Package notifytest holds every Notifier to the contract of package notify.
// Each kind of channel brings a Harness: the Notifier in front of a provider
// that answers as told.
package notifytest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
)

// Harness is one Notifier and its provider.
type Harness struct {
	Notifier notify.Notifier
	// Channel is how the provider is reached.
	Channel duty.Channel
	// Reject makes the provider refuse the next message.
	Reject func()
	// Hang makes the provider take the next message and never answer; nil
	// where a provider can't.
	Hang func()
	// Heard returns what reached the provider so far, hung messages included.
	Heard func() []notify.Body
	// Await blocks until the provider has heard n messages.
	Await func(ctx context.Context, n int)
}

const secret = "never-to-be-seen"

func (h Harness) message(id string) notify.Message {
	c := h.Channel
	c.Secret = secret
	return notify.Message{
		ID: id, Estate: "garden", To: "li-wei", Channel: c, Step: 2,
		Ticket: json.RawMessage(`{"id":"t1","title":{"text":"电梯困人"}}`), URL: "http://127.0.0.1:8080/a/x",
	}
}

// Run runs the suite; open makes a fresh Harness for each test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for name, test := range map[string]func(*testing.T, Harness){
		"WhatArrivesIsThePage":         arrives,
		"ARefusalIsRejected":           refused,
		"ARepeatCarriesTheSameID":      repeats,
		"NoAnswerIsUnknown":            hangs,
		"AnEndedContextReturnsAtOnce":  ended,
		"ManySendAtOnce":               concurrent,
		"NoSecretInWhatPeopleGetToSee": discreet,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func arrives(t *testing.T, h Harness) {
	m := h.message("d1")
	if got := h.Notifier.Send(t.Context(), m); got.State != routing.Accepted {
		t.Fatalf("got %+v", got)
	}
	if d := cmp.Diff([]notify.Body{m.Body()}, h.Heard()); d != "" {
		t.Error(d)
	}
}

func refused(t *testing.T, h Harness) {
	h.Reject()
	got := h.Notifier.Send(t.Context(), h.message("d1"))
	if got.State != routing.Rejected || got.Detail == "" {
		t.Errorf("got %+v", got)
	}
}

func repeats(t *testing.T, h Harness) {
	for range 3 {
		if got := h.Notifier.Send(t.Context(), h.message("d1")); got.State != routing.Accepted {
			t.Fatalf("got %+v", got)
		}
	}
	for _, b := range h.Heard() {
		if b.ID != "d1" {
			t.Errorf("heard %s", b.ID)
		}
	}
}

func hangs(t *testing.T, h Harness) {
	if h.Hang == nil {
		t.SkipNow()
	}
	h.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan notify.Outcome, 1)
	go func() { done <- h.Notifier.Send(ctx, h.message("d1")) }()
	h.Await(t.Context(), 1)
	cancel()
	if got := <-done; got.State != routing.Unknown {
		t.Errorf("got %+v", got)
	}
}

func ended(t *testing.T, h Harness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	// Whether it was sent may differ; that Send returns is what counts.
	if got := h.Notifier.Send(ctx, h.message("d1")); got.State == "" {
		t.Errorf("got %+v", got)
	}
}

func concurrent(t *testing.T, h Harness) {
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if got := h.Notifier.Send(t.Context(), h.message(fmt.Sprint("d", i))); got.State != routing.Accepted {
				t.Errorf("got %+v", got)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, b := range h.Heard() {
		seen[b.ID] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d of 20 arrived", len(seen))
	}
}

func discreet(t *testing.T, h Harness) {
	h.Reject()
	rejected := h.Notifier.Send(t.Context(), h.message("d1"))
	accepted := h.Notifier.Send(t.Context(), h.message("d2"))
	sent, err := json.Marshal(h.Heard())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{rejected.Detail, accepted.Detail, string(sent)} {
		if strings.Contains(s, secret) || h.Channel.URL != "" && strings.Contains(s, h.Channel.URL) {
			t.Errorf("%q tells too much", s)
		}
	}
}
