package planfile

import (
	"testing"

	"github.com/linshao/linshao/protocol/archtest"
	"github.com/linshao/linshao/protocol/kit/config"
)

func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	schema, err := config.Schema(&document{}, "plan file")
	if err != nil {
		t.Fatal(err)
	}
	archtest.Documented(t, "../../../docs/configuration.md", schema)
}
