package archtest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// Documented reports every key of a JSON Schema that the page does not name in
// backquotes, alone or with its path as in `mqtt.tls.cert`. The path of what
// stands in a list has [] after the list's name. Beside a secret x, x_file
// needs no mention of its own.
func Documented(t *testing.T, page string, schema []byte) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var root node
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	if len(root.Properties) == 0 {
		t.Fatal("the schema has no keys")
	}
	root.walk("", func(path, key string) {
		if !strings.Contains(string(text), "`"+path+"`") && !strings.Contains(string(text), "`"+key+"`") {
			t.Errorf("%s does not name %s", page, path)
		}
	})
}

// node is as much of a JSON Schema as has keys.
type node struct {
	Properties map[string]node
	Items      *node
}

func (n node) walk(path string, visit func(path, key string)) {
	for key, p := range n.Properties {
		at := strings.TrimPrefix(path+"."+key, ".")
		_, secret := n.Properties[strings.TrimSuffix(key, "_file")]
		switch {
		case len(p.Properties) > 0: // a section is named by what is in it
			p.walk(at, visit)
		case !strings.HasSuffix(key, "_file") || !secret:
			visit(at, key)
			p.walk(at, visit)
		}
	}
	if n.Items != nil {
		n.Items.walk(path+"[]", visit)
	}
}
