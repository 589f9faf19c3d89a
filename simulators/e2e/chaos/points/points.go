// Package points lists the places of the product where a chaos build may die,
// by reading its source: every call of chaos.At with a string literal.
package points

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Point is one of them.
type Point struct {
	Name string
	// Daemon passes it: "edge", "cloud", or both where it is empty.
	Daemon string
}

// List returns every point below the repository root top, by name. It errors
// if a name is not a literal of the form part.action.before or .after, or is
// written twice.
func List(top string) ([]Point, error) {
	var all []Point
	for _, from := range []struct{ folder, daemon string }{
		{"edge", "edge"}, {"cloud", "cloud"}, {filepath.Join("protocol", "kit"), ""},
	} {
		err := filepath.WalkDir(filepath.Join(top, from.folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				if err == nil && d.Name() == "node_modules" {
					return filepath.SkipDir
				}
				return err
			}
			if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			names, err := inFile(path)
			for _, n := range names {
				all = append(all, Point{Name: n, Daemon: from.daemon})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read points of %s: %w", from.folder, err)
		}
	}
	slices.SortFunc(all, func(a, b Point) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(all); i++ {
		if all[i].Name == all[i-1].Name {
			return nil, fmt.Errorf("point %s is written twice", all[i].Name)
		}
	}
	return all, nil
}

func inFile(path string) ([]string, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || err != nil || !isAt(call.Fun) {
			return err == nil
		}
		var name string
		if name, err = literal(call); err != nil {
			err = fmt.Errorf("%s: %w", set.Position(call.Pos()), err)
			return false
		}
		names = append(names, name)
		return true
	})
	return names, err
}

func isAt(f ast.Expr) bool {
	s, ok := f.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "At" {
		return false
	}
	p, ok := s.X.(*ast.Ident)
	return ok && p.Name == "chaos"
}

func literal(call *ast.CallExpr) (string, error) {
	if len(call.Args) != 1 {
		return "", fmt.Errorf("chaos.At wants one name")
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", fmt.Errorf("the name of a point is a string literal")
	}
	name, err := strconv.Unquote(lit.Value)
	if err != nil {
		return "", err
	}
	parts := strings.Split(name, ".")
	if len(parts) != 3 || (parts[2] != "before" && parts[2] != "after") {
		return "", fmt.Errorf("%q is not part.action.before or .after", name)
	}
	return name, nil
}
