package demo

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// askEvery is the pause between two looks at a process that is coming up.
const askEvery = 50 * time.Millisecond

// awaitReady asks url until it answers 200, the time is up or something failed.
func awaitReady(ctx context.Context, failed <-chan struct{}, url string) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	again := time.NewTicker(askEvery)
	defer again.Stop()
	for {
		why, ok := ask(ctx, client, url)
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last answer: %s", url, ctx.Err(), why)
		case <-failed:
			return fmt.Errorf("wait for %s: a part failed", url)
		case <-again.C:
		}
	}
}

func ask(ctx context.Context, client *http.Client, url string) (why string, ok bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error(), false
	}
	resp, err := client.Do(r)
	if err != nil {
		return err.Error(), false
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // only to say why
	return resp.Status + " " + string(text), resp.StatusCode == http.StatusOK
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return ln, nil
}
