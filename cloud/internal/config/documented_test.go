package config_test

import (
	"testing"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/protocol/archtest"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	schema, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	archtest.Documented(t, "../../../docs/configuration.md", schema)
}
