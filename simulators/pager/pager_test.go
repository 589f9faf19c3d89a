package pager_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/pager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is what a page comes from.
type collector struct {
	*testing.T
	p      *pager.Pager
	client *http.Client
}

func start(t *testing.T) collector {
	t.Helper()
	p, err := pager.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Trust("li-wei", "s3cret")
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() { client.CloseIdleConnections(); p.Close() })
	return collector{t, p, client}
}

// send posts a delivery and returns the status, 0 for no answer.
func (c collector) send(ctx context.Context, id, staff, secret string) (int, string) {
	c.Helper()
	body := `{"id":"` + id + `","ticket":{"fault":"entrapment"},"to":"` + staff + `","step":1,"url":"http://x/a/1"}`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.p.URL()+"/"+staff, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", id)
	r.Header.Set("X-Linshao-Signature", pager.Sign(secret, []byte(body)))
	resp, err := c.client.Do(r)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

func TestASignedPageIsWrittenDownOnce(t *testing.T) {
	c := start(t)
	for range 3 {
		if status, _ := c.send(t.Context(), "d-1", "li-wei", "s3cret"); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	pages := c.p.Pages()
	if len(pages) != 1 {
		t.Fatalf("%d pages", len(pages))
	}
	g := pages[0]
	if g.ID != "d-1" || g.Staff != "li-wei" || g.Step != 1 || g.URL != "http://x/a/1" ||
		!g.Verified || !g.Accepted || g.Repeats != 2 || string(g.Ticket) != `{"fault":"entrapment"}` || g.AtMS == 0 {
		t.Errorf("%+v", g)
	}
}

func TestTheJournalHearsOfEveryRequest(t *testing.T) {
	c := start(t)
	var got []string
	c.p.Journal(func(r pager.Request) { got = append(got, r.Key+" "+r.Verdict) })
	c.p.Script("li-wei", pager.Answer{Status: 500})
	for range 3 {
		c.send(t.Context(), "d-1", "li-wei", "s3cret")
	}
	c.send(t.Context(), "d-2", "li-wei", "guess")
	if want := "[d-1 refused d-1 accepted d-1 accepted]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestAForgedPageIsRefused(t *testing.T) {
	c := start(t)
	if status, _ := c.send(t.Context(), "d-1", "li-wei", "guess"); status != 401 {
		t.Errorf("status %d", status)
	}
	if len(c.p.Pages()) != 0 || c.p.Forged() != 1 {
		t.Errorf("pages %v, forged %d", c.p.Pages(), c.p.Forged())
	}
	if status, _ := c.send(t.Context(), "d-2", "stranger", ""); status != 200 || c.p.Pages()[0].Verified {
		t.Errorf("somebody without a secret: %d, %+v", status, c.p.Pages())
	}
}

func TestTheProviderMisbehavesAsScripted(t *testing.T) {
	c := start(t)
	c.p.Script("li-wei", pager.Answer{Status: 429, RetryAfterSeconds: 7}, pager.Answer{Status: 400})
	if status, after := c.send(t.Context(), "d-1", "li-wei", "s3cret"); status != 429 || after != "7" {
		t.Errorf("first: %d, Retry-After %q", status, after)
	}
	if status, _ := c.send(t.Context(), "d-1", "li-wei", "s3cret"); status != 400 {
		t.Errorf("second: %d", status)
	}
	if g := c.p.Pages()[0]; g.Accepted || g.Refused != 2 {
		t.Errorf("%+v", g)
	}
	if status, _ := c.send(t.Context(), "d-1", "li-wei", "s3cret"); status != 200 {
		t.Errorf("third: %d", status)
	}
}

func TestAHangingProviderGivesNoAnswer(t *testing.T) {
	c := start(t)
	c.p.Script("", pager.Answer{Hang: true}, pager.Answer{Hang: true})
	ctx, hangUp := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		status, _ := c.send(ctx, "d-1", "li-wei", "s3cret")
		done <- status
	}()
	wait, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, err := c.p.Await(wait, func(g pager.Page) bool { return g.ID == "d-1" })
	if err != nil || g.Accepted {
		t.Fatalf("%+v, %v", g, err)
	}
	hangUp()
	if status := <-done; status != 0 {
		t.Errorf("status %d", status)
	}
	// Close must not wait for one that nobody gives up on.
	go func() {
		status, _ := c.send(t.Context(), "d-2", "li-wei", "s3cret")
		done <- status
	}()
	if _, err := c.p.Await(wait, func(g pager.Page) bool { return g.ID == "d-2" }); err != nil {
		t.Fatal(err)
	}
	if err := c.p.Close(); err != nil {
		t.Error(err)
	}
	<-done
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	c := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.p.Await(ctx, func(pager.Page) bool { return false }); err == nil {
		t.Error("it waited for nothing and found it")
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	c := start(t)
	for _, body := range []string{"", "nonsense", `{"to":"li-wei"}`, `{"id":"d-1","to":"somebody-else"}`} {
		resp, err := c.client.Post(c.p.URL()+"/li-wei", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%q: %d", body, resp.StatusCode)
		}
	}
}
