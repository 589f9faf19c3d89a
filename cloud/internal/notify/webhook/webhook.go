// Package webhook pages by HTTP: a signed JSON POST to an address of the
// person's choice (docs/api.md is its reference).
//
// 2xx is accepted; 429 with Retry-After is rate-limited; every other answer is
// rejected; no answer is unknown. Redirects are not followed: a page with
// personal data goes where it was told to go or nowhere.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/chaos"
)

// mostRetryAfter bounds what a provider may ask for: beyond it, another
// attempt is better than obedience.
const mostRetryAfter = time.Hour

// maxAnswerBytes of an answer are read so that the connection can be used
// again.
const maxAnswerBytes = 16 << 10

// Notifier posts to webhooks.
type Notifier struct {
	client *http.Client
	now    func() time.Time
}

var _ notify.Notifier = (*Notifier)(nil)

// Dial connects to address, a host:port.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// New returns a Notifier. now reads a Retry-After that is a date; dial may be
// nil: TCP.
func New(now func() time.Time, dial Dial) *Notifier {
	if dial == nil {
		dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	}
	transport := &http.Transport{
		// No proxy from the environment: a page takes no way that is not in
		// the configuration.
		DialContext:           dial,
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: notify.Deadline,
		MaxIdleConnsPerHost:   4,
		IdleConnTimeout:       30 * time.Second,
		ForceAttemptHTTP2:     true,
		DisableCompression:    true,
	}
	return &Notifier{now: now, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives idle connections back.
func (n *Notifier) Close() { n.client.CloseIdleConnections() }

// Send implements notify.Notifier.
func (n *Notifier) Send(ctx context.Context, m notify.Message) notify.Outcome {
	body, err := json.Marshal(m.Body())
	if err != nil {
		return notify.Outcome{State: routing.Rejected, Detail: "encode page: " + err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.Channel.URL, bytes.NewReader(body))
	if err != nil {
		return notify.Outcome{State: routing.Rejected, Detail: "the webhook's address cannot be used"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "linshao-cloud")
	req.Header.Set("Idempotency-Key", m.ID)
	req.Header.Set("X-Linshao-Signature", Sign(m.Channel.Secret, body))
	chaos.At("webhook.post.before")
	resp, err := n.client.Do(req)
	chaos.At("webhook.post.after")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = resp.Body.Close() }()
	// What the answer says counts, not whether its body arrives.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswerBytes))
	return n.judge(resp)
}

// Sign returns the value of X-Linshao-Signature.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// failed tells a connection that never stood (certainly nothing was sent) from
// one that broke. The address is left out of the detail: it may hold a key.
func failed(err error) notify.Outcome {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return notify.Outcome{State: routing.Rejected, Detail: "connect: " + op.Err.Error()}
	}
	var late net.Error
	if errors.Is(err, context.Canceled) || errors.As(err, &late) && late.Timeout() {
		return notify.Outcome{State: routing.Unknown, Detail: "no answer in time"}
	}
	return notify.Outcome{State: routing.Unknown, Detail: "the connection broke before an answer"}
}

func (n *Notifier) judge(resp *http.Response) notify.Outcome {
	detail := fmt.Sprintf("HTTP %d", resp.StatusCode)
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return notify.Outcome{State: routing.Accepted, Detail: detail}
	case resp.StatusCode == http.StatusTooManyRequests:
		if wait, ok := n.retryAfter(resp.Header.Get("Retry-After")); ok {
			return notify.Outcome{State: notify.RateLimited, RetryAfter: wait, Detail: detail}
		}
	}
	return notify.Outcome{State: routing.Rejected, Detail: detail}
}

func (n *Notifier) retryAfter(value string) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, mostRetryAfter), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(n.now()), 0), mostRetryAfter), true
}
