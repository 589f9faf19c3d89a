package logging_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/kit/logging"
)

func TestJSONIsOneObjectPerLine(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log, err := logging.New(&b, "info", "json", true)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hidden")
	log.Info("edge started", "edge", "sunrise-1")
	var line struct{ Msg, Edge string }
	if err := json.Unmarshal(b.Bytes(), &line); err != nil || line.Msg != "edge started" || line.Edge != "sunrise-1" {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestTextHasColoursOnlyOnATerminal(t *testing.T) {
	t.Parallel()
	for _, colours := range []bool{true, false} {
		var b bytes.Buffer
		log, err := logging.New(&b, "warn", "text", colours)
		if err != nil {
			t.Fatal(err)
		}
		log.Info("hidden")
		log.Warn("outbox is nearly full", "used", "91%")
		if got := strings.Contains(b.String(), "\x1b["); got != colours {
			t.Errorf("colours %v, got %q", colours, b.String())
		}
		if !strings.Contains(b.String(), "outbox is nearly full") || strings.Contains(b.String(), "hidden") {
			t.Errorf("got %q", b.String())
		}
	}
}

func TestWrongFlagsAreRefusedWithTheMend(t *testing.T) {
	t.Parallel()
	if _, err := logging.New(nil, "loud", "text", false); err == nil || !strings.Contains(err.Error(), "debug") {
		t.Errorf("level: %v", err)
	}
	if _, err := logging.New(nil, "info", "xml", false); err == nil || !strings.Contains(err.Error(), "json") {
		t.Errorf("format: %v", err)
	}
	if _, err := (logging.Flags{LogLevel: "error", LogFormat: "json"}).Logger(); err != nil {
		t.Error(err)
	}
}
