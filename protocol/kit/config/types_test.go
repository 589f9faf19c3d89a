package config_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/kit/config"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, size := range map[string]config.Bytes{
		"0": 0, "17": 17, "512KiB": 512 << 10, "2GiB": 2 << 30, "1.5 MiB": 3 << 19, "100MB": 100e6, "3B": 3,
	} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != size {
			t.Errorf("%q: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "-1", "GiB", "1 XB", "9e30TiB", "NaN", "Inf"} {
		var b config.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted as %d", text, b)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, d := range map[string]time.Duration{
		"0s": 0, "30s": 30 * time.Second, "5m": 5 * time.Minute, "35d": 35 * 24 * time.Hour,
		"1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond, "0.5d": 12 * time.Hour,
	} {
		var got config.Duration
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != d {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "5", "-3s", "d", "NaNd", "1e9d", "soon", "1d-2h"} {
		var got config.Duration
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted as %v", text, got)
		}
	}
}

func TestSizesAndSpansSurviveBeingWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := config.Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "bytes"))
		text, _ := b.MarshalText()
		var back config.Bytes
		if err := back.UnmarshalText(text); err != nil || back != b {
			t.Fatalf("%d → %s → %d, %v", b, text, back, err)
		}
		d := config.Duration(rapid.Int64Range(0, int64(1000*24*time.Hour)).Draw(t, "span"))
		text, _ = d.MarshalText()
		var again config.Duration
		if err := again.UnmarshalText(text); err != nil || again != d {
			t.Fatalf("%d → %s → %d, %v", d, text, again, err)
		}
	})
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:80": true, "[::1]:80": true, "localhost:80": true, "[::ffff:127.0.0.1]:80": true,
		":80": false, "0.0.0.0:80": false, "[::]:80": false, "192.168.1.2:80": false, "example.org:80": false, "127.0.0.1": false, "": false,
	} {
		if config.Loopback(address) != want {
			t.Errorf("%q: want %v", address, want)
		}
	}
}

func TestNothingListensOutsideLoopbackWithoutCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		listen  string
		secured bool
		want    string
	}{
		{"127.0.0.1:8081", false, ""},
		{"0.0.0.0:8081", true, ""},
		{"0.0.0.0:8081", false, "edge.yaml:1:16: http.listen: refusing to listen on 0.0.0.0:8081 without credentials; set http.token"},
		{"8081", true, "edge.yaml:1:16: http.listen: want HOST:PORT, got 8081; for example 127.0.0.1:8080"},
	} {
		_, bad := decode(t, "http: {listen: \""+c.listen+"\"}\n", config.Options{}, func(d *config.Document) {
			d.GuardListen("http.listen", c.listen, c.secured, "set http.token")
		})
		got := strings.Join(bad, "\n")
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSchemaDescribesWhatLoadAccepts(t *testing.T) {
	t.Parallel()
	b, err := config.Schema(&edge{}, "edge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Title      string
		Additional any `json:"additionalProperties"`
		Properties map[string]struct {
			Type       string
			OneOf      []map[string]any
			Properties map[string]any
			Items      struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	if s.Title != "edge.yaml" || s.Additional != false {
		t.Errorf("title %q, additional %v", s.Title, s.Additional)
	}
	for _, key := range []string{"estate", "data_dir", "http", "token", "token_file", "devices", "limits"} {
		if _, ok := s.Properties[key]; !ok {
			t.Errorf("no %s in %s", key, b)
		}
	}
	if _, ok := s.Properties["outbox"].Properties["max_age"]; !ok {
		t.Error("no outbox.max_age")
	}
	if _, ok := s.Properties["devices"].Items.Properties["password_file"]; !ok {
		t.Error("no devices[].password_file")
	}
}
