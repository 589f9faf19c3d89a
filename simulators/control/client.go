package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/linshao/linshao/simulators/estate"
)

// Inject asks a running simulation at base (the sim URL of READY) to bring a
// fault on.
func Inject(ctx context.Context, base string, f estate.Fault, device string, lasts time.Duration) error {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is no URL of a simulation, such as http://127.0.0.1:9090", base)
	}
	body, err := json.Marshal(wish{Fault: f, Device: device, Seconds: lasts.Seconds()})
	if err != nil {
		return fmt.Errorf("encode fault: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath("faults").String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask simulation: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("ask simulation: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusAccepted {
		return nil
	}
	var problem struct{ Detail string }
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if json.Unmarshal(text, &problem) == nil && problem.Detail != "" {
		return fmt.Errorf("the simulation refused: %s", problem.Detail)
	}
	return fmt.Errorf("the simulation answered %s: %s", resp.Status, strings.TrimSpace(string(text)))
}
