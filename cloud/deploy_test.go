package cloud_test

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/profiles"
)

const deploy = "../deploy"

// filesIn returns the files below deploy with one of the endings.
func filesIn(t *testing.T, endings ...string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(deploy, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && slices.Contains(endings, filepath.Ext(p)) {
			out = append(out, p)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatal("no files of", endings, err)
	}
	return out
}

func load(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) == ".json" {
		err = json.Unmarshal(b, into)
	} else {
		err = yaml.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func TestDeployFilesAreWellFormed(t *testing.T) {
	t.Parallel()
	for _, f := range filesIn(t, ".yaml", ".json") {
		var anything any
		load(t, f, &anything)
	}
}

// known returns the names that a query may use: those our code counts, those
// every Prometheus has, and those of the shipped profiles' series.
func known(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{"up": true, "process_resident_memory_bytes": true, "go_goroutines": true}
	metric := regexp.MustCompile(`"(linshao_(?:edge|cloud)_[a-z_]+)"`)
	for _, module := range []string{"../edge", "../cloud"} {
		err := filepath.WalkDir(module, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			text, err := os.ReadFile(p)
			for _, m := range metric.FindAllStringSubmatch(string(text), -1) {
				names[m[1]], names[m[1]+"_bucket"] = true, true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range profiles.Names() {
		text, err := profiles.Text(name)
		if err != nil {
			t.Fatal(err)
		}
		var p struct {
			Kind   string
			Points []struct{ Name string }
		}
		if err := yaml.Unmarshal(text, &p); err != nil {
			t.Fatal(err)
		}
		names[series.Name(p.Kind, "online")] = true
		for _, q := range p.Points {
			names[series.Name(p.Kind, q.Name)] = true
		}
	}
	return names
}

// checkQuery parses a query and reports names that nothing yields.
func checkQuery(t *testing.T, where, query string, names map[string]bool) {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %s: %v", where, query, err)
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if v, ok := n.(*parser.VectorSelector); ok && v.Name != "" && !names[v.Name] {
			t.Errorf("%s: nothing is called %s", where, v.Name)
		}
		return nil
	})
}

func TestAlertRulesParseAndAskForWhatExists(t *testing.T) {
	t.Parallel()
	const file = deploy + "/prometheus/linshao.rules.yaml"
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	names := known(t)
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			checkQuery(t, r.Alert, r.Expr, names)
			if r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s: a summary and a severity are needed", r.Alert)
			}
		}
	}
}

type dashboard struct {
	UID, Title string
	Templating struct {
		List []struct {
			Query struct{ Query string }
		}
	}
	Panels []struct {
		ID      int
		Title   string
		Targets []struct{ Expr string }
	}
}

func TestDashboardsAskForWhatExists(t *testing.T) {
	t.Parallel()
	names, seen := known(t), map[string]bool{}
	selector := regexp.MustCompile(`^label_values\((.+), \w+\)$`)
	for _, f := range filesIn(t, ".json") {
		var d dashboard
		load(t, f, &d)
		if d.UID == "" || seen[d.UID] || len(d.Panels) == 0 {
			t.Errorf("%s: needs a uid of its own and panels", f)
		}
		seen[d.UID] = true
		for _, v := range d.Templating.List {
			m := selector.FindStringSubmatch(v.Query.Query)
			if m == nil {
				t.Errorf("%s: variable query %q", f, v.Query.Query)
				continue
			}
			checkQuery(t, f, m[1], names)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				checkQuery(t, f+" "+p.Title, q.Expr, names)
			}
		}
	}
}

type compose struct {
	Services map[string]struct {
		Image       string
		Build       struct{ Dockerfile, Target string }
		Ports       []string
		Volumes     []string
		Healthcheck any
	}
	Volumes map[string]any
}

func TestComposePinsAndPublishesOnLoopback(t *testing.T) {
	t.Parallel()
	var c compose
	load(t, deploy+"/compose/compose.yaml", &c)
	dockerfile, err := os.ReadFile(deploy + "/docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s := c.Services[name]
		if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
			t.Errorf("%s: image %s is not pinned", name, s.Image)
		}
		if s.Build.Target != "" && !strings.Contains(string(dockerfile), " AS "+s.Build.Target+"\n") {
			t.Errorf("%s: the Dockerfile has no stage %s", name, s.Build.Target)
		}
		if s.Build.Target != "" && s.Healthcheck == nil {
			t.Errorf("%s: no health check", name)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: port %s is published beyond loopback", name, p)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, known := c.Volumes[source]; known {
				continue
			}
			if _, err := os.Stat(filepath.Join(deploy, "compose", source)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestEveryMetricIsInTheGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range known(t) {
		if strings.HasPrefix(name, "linshao_") && !strings.HasSuffix(name, "_bucket") && !strings.Contains(string(guide), name) {
			t.Errorf("docs/operations.md does not say what %s is", name)
		}
	}
}
