// Package archtest turns the rules of the layout into tests: which package
// may import which, and that every package says what it is. Each module's
// arch_test.go states its own rules; this package only checks them.
//
// A rule that guards against a package which no longer exists fails too, so
// that rules do not outlive what they were for.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Prefix is what the import paths of all our modules start with.
const Prefix = "github.com/linshao/linshao/"

// Rule forbids imports to some packages of one module.
type Rule struct {
	// In lists folders relative to the module; a trailing "/..." includes
	// all below.
	In []string
	// Except lists folders, in the same form, that In would include.
	Except []string
	// Forbid lists import paths; a trailing "/..." includes all below.
	// Paths without a dot in their first part are the standard library's.
	Forbid []string
	// Tests extends the rule to _test.go files.
	Tests bool
	// Why is printed with every violation.
	Why string
}

// Check parses every Go file below root, the folder of a module, and reports
// each import that a rule forbids.
func Check(t *testing.T, root string, rules []Rule) {
	t.Helper()
	for _, r := range rules {
		for _, f := range r.Forbid {
			checkExists(t, root, f)
		}
	}
	walk(t, root, func(dir, file string, imports []string) {
		for _, r := range rules {
			if strings.HasSuffix(file, "_test.go") && !r.Tests || !matchAny(r.In, dir) || matchAny(r.Except, dir) {
				continue
			}
			for _, imp := range imports {
				if matchAny(r.Forbid, imp) {
					t.Errorf("%s imports %s: %s", filepath.Join(dir, file), imp, r.Why)
				}
			}
		}
	})
}

// PackageComments reports every package below root without a package comment.
func PackageComments(t *testing.T, root string) {
	t.Helper()
	documented := map[string]bool{}
	fset := token.NewFileSet()
	walk(t, root, func(dir, file string, _ []string) {
		if strings.HasSuffix(file, "_test.go") {
			return
		}
		f, err := parser.ParseFile(fset, filepath.Join(root, dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		documented[dir] = documented[dir] || f.Doc != nil
	})
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment: say what it is, what it guarantees and what it does not", dir)
		}
	}
}

// walk calls fn for every Go file of the module at root, without the modules
// nested in it, generated code and test data.
func walk(t *testing.T, root string, fn func(dir, file string, imports []string)) {
	t.Helper()
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(root, p, d.Name())
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, ".pb.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		imports := make([]string, 0, len(f.Imports))
		for _, i := range f.Imports {
			s, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, s)
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		fn(filepath.ToSlash(rel), d.Name(), imports)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func skipDir(root, p, name string) error {
	if p == root {
		return nil
	}
	if name == "node_modules" || name == "testdata" || strings.HasPrefix(name, ".") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// checkExists fails for a forbidden path of ours that names no folder.
func checkExists(t *testing.T, root, pattern string) {
	t.Helper()
	rest, ours := strings.CutPrefix(strings.TrimSuffix(pattern, "/..."), Prefix)
	if !ours {
		return
	}
	top := root
	for {
		if _, err := os.Stat(filepath.Join(top, "go.work")); err == nil {
			break
		}
		up := filepath.Join(top, "..")
		a, _ := filepath.Abs(top)
		if b, _ := filepath.Abs(up); a == b {
			t.Fatalf("no go.work above %s", root)
		}
		top = up
	}
	if _, err := os.Stat(filepath.Join(top, filepath.FromSlash(rest))); err != nil {
		t.Errorf("a rule forbids %s, which does not exist: mend or drop the rule", pattern)
	}
}

func matchAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if base, below := strings.CutSuffix(p, "/..."); below {
			if s == base || strings.HasPrefix(s, base+"/") || base == "." {
				return true
			}
		} else if path.Clean(p) == s {
			return true
		}
	}
	return false
}
