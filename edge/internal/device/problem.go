package device

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Problem is one thing wrong in a file, with where it stands and what mends
// it.
type Problem struct {
	File         string
	Line, Column int
	What, Mend   string
}

// Error returns "file:line:column: what; mend".
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", p.File, p.Line, p.Column, p.What, p.Mend)
}

// Problems are all that is wrong in a file, in the order of its lines.
type Problems []Problem

// Error returns one line for each Problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Mistake is a Problem before its place is known: Path leads to it, strings
// being keys and ints indexes.
type Mistake struct {
	Path       []any
	What, Mend string
}

// under returns the mistake as seen from further up.
func (m Mistake) under(path ...any) Mistake {
	m.Path = append(slices.Clone(path), m.Path...)
	return m
}

// locate finds the key a path leads to, or the deepest that exists: what is
// missing is reported where it should stand.
func locate(n *yaml.Node, path []any) (line, column int) {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	line, column = n.Line, n.Column
	for _, step := range path {
		key, value := child(n, step)
		if value == nil {
			return line, column
		}
		n, line, column = value, key.Line, key.Column
	}
	return line, column
}

func child(n *yaml.Node, step any) (key, value *yaml.Node) {
	switch s := step.(type) {
	case int:
		if n.Kind == yaml.SequenceNode && s < len(n.Content) {
			return n.Content[s], n.Content[s]
		}
	case string:
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == s {
				return n.Content[i], n.Content[i+1]
			}
		}
	}
	return nil, nil
}

// problems gives the mistakes their places.
func problems(file string, root *yaml.Node, ms []Mistake) Problems {
	var ps Problems
	for _, m := range ms {
		line, column := locate(root, m.Path)
		ps = append(ps, Problem{File: file, Line: line, Column: column, What: m.What, Mend: m.Mend})
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return ps
}

var unknownKey = regexp.MustCompile(`^field (\S+) not found in type (\S+)$`)

// loadProblems turns the loader's complaints into Problems.
func loadProblems(file string, err error) Problems {
	var many *yaml.LoadErrors
	if !errors.As(err, &many) {
		var one *yaml.LoadError
		if !errors.As(err, &one) {
			return Problems{{File: file, Line: 1, Column: 1, What: err.Error(), Mend: "write valid YAML"}}
		}
		many = &yaml.LoadErrors{Errors: []*yaml.LoadError{one}}
	}
	var ps Problems
	for _, e := range many.Errors {
		p := Problem{File: file, Line: e.Mark.Line, Column: e.Mark.Column, What: e.Message, Mend: "correct the value"}
		if m := unknownKey.FindStringSubmatch(e.Message); m != nil {
			p.What, p.Mend = "unknown key "+m[1], "remove it or use one of "+strings.Join(keysOf(m[2]), ", ")
		}
		ps = append(ps, p)
	}
	return ps
}

// keysOf lists the keys that a mapping of the named type may have.
func keysOf(typeName string) []string {
	var keys []string
	for _, v := range []any{Profile{}, Polling{}, Range{}, Point{}, EventDefinition{}, Rule{}, Condition{}} {
		t := reflect.TypeOf(v)
		if t.String() != typeName {
			continue
		}
		for i := range t.NumField() {
			keys = append(keys, t.Field(i).Tag.Get("yaml"))
		}
	}
	return keys
}
