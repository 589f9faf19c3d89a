package config_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/config"
)

// word is written as text, whatever it holds.
type word struct{ Hidden string }

func (w *word) UnmarshalText(b []byte) error { w.Hidden = string(b); return nil }

func TestSchemaDescribesHowAValueIsWritten(t *testing.T) {
	t.Parallel()
	b, err := config.Schema(&struct {
		For  time.Duration `yaml:"for"`
		Word word          `yaml:"word"`
	}{}, "rule")
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Properties map[string]struct {
			Properties map[string]any
			OneOf      []struct{ Type string }
		}
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	for key, p := range s.Properties {
		if len(p.Properties) != 0 || len(p.OneOf) == 0 || p.OneOf[0].Type != "string" {
			t.Errorf("%s: an editor would refuse text: %+v", key, p)
		}
	}
}
