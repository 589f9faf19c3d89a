package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decode writes n into v, reporting what does not fit and going on.
func (d *Document) decode(n *yaml.Node, v reflect.Value, path string) {
	pl := place{d.file, n.Line, n.Column}
	d.places[path] = pl
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.report(pl, path, "YAML anchors and aliases are not supported", "write the value out")
	case n.Tag == "!!null":
		// A key without a value keeps its default.
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.decode(n, v.Elem(), path)
	case isText(v):
		d.text(n, v, path)
	default:
		d.decodeKind(n, v, path)
	}
}

func (d *Document) decodeKind(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Struct:
		if d.want(n, yaml.MappingNode, path, "a mapping of keys") {
			d.structure(n, v, path)
		}
	case reflect.Map:
		if d.want(n, yaml.MappingNode, path, "a mapping of keys") {
			d.mapping(n, v, path)
		}
	case reflect.Slice:
		if d.want(n, yaml.SequenceNode, path, "a list") {
			d.list(n, v, path)
		}
	case reflect.Interface:
		d.anything(n, v, path)
	default:
		if d.want(n, yaml.ScalarNode, path, kindName(v.Type())) {
			d.scalar(n, v, path)
		}
	}
}

func (d *Document) want(n *yaml.Node, k yaml.Kind, path, what string) bool {
	if n.Kind == k {
		return true
	}
	d.report(place{d.file, n.Line, n.Column}, path, "want "+what+", got "+nodeName(n), "")
	return false
}

func (d *Document) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	for key, value := range d.pairs(n, path) {
		at := join(path, key.Value)
		if f, ok := fields[key.Value]; ok {
			d.onlyOnce(f, at, key)
			d.decode(value, v.FieldByIndex(f.Index), at)
			continue
		}
		if f, ok := secretFile(fields, key.Value); ok {
			d.onlyOnce(f, strings.TrimSuffix(at, "_file"), key)
			d.secretFile(value, v.FieldByIndex(f.Index), at)
			continue
		}
		d.report(place{d.file, key.Line, key.Column}, at, "unknown key", suggest(key.Value, fields))
	}
}

func (d *Document) mapping(n *yaml.Node, v reflect.Value, path string) {
	m := reflect.MakeMap(v.Type())
	for key, value := range d.pairs(n, path) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item, join(path, key.Value))
		k := reflect.New(v.Type().Key()).Elem()
		k.SetString(key.Value)
		m.SetMapIndex(k, item)
	}
	v.Set(m)
}

func (d *Document) list(n *yaml.Node, v reflect.Value, path string) {
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.decode(item, s.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
	v.Set(s)
}

// pairs yields the keys and values of a mapping, reporting keys given twice.
func (d *Document) pairs(n *yaml.Node, path string) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				d.report(place{d.file, key.Line, key.Column}, path, "want a plain key, got "+nodeName(key), "")
				continue
			}
			if first, ok := seen[key.Value]; ok {
				d.report(place{d.file, key.Line, key.Column}, join(path, key.Value),
					fmt.Sprintf("key given twice, first in line %d", first), "keep one of them")
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

// anything keeps free-form values, such as arguments passed on unread.
func (d *Document) anything(n *yaml.Node, v reflect.Value, path string) {
	var x any
	if err := n.Decode(&x); err != nil {
		d.report(place{d.file, n.Line, n.Column}, path, err.Error(), "")
		return
	}
	if x != nil {
		v.Set(reflect.ValueOf(x))
	}
}

// scalar decodes strings, numbers and booleans. A string takes any scalar as it
// is written: edge: 0815 is the name 0815, not a number.
func (d *Document) scalar(n *yaml.Node, v reflect.Value, path string) {
	if v.Kind() == reflect.String {
		v.SetString(n.Value)
		return
	}
	if err := n.Decode(v.Addr().Interface()); err != nil {
		d.report(place{d.file, n.Line, n.Column}, path, fmt.Sprintf("want %s, got %q", kindName(v.Type()), n.Value), "")
	}
}

// text decodes types that read themselves from text: Bytes, Duration, Secret.
func (d *Document) text(n *yaml.Node, v reflect.Value, path string) {
	if !d.want(n, yaml.ScalarNode, path, kindName(v.Type())) {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
		d.report(place{d.file, n.Line, n.Column}, path, err.Error(), "")
	}
}

func isText(v reflect.Value) bool {
	if !v.CanAddr() {
		return false
	}
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// describer is how a text type names itself in messages and in the schema.
type describer interface{ describe() (what, pattern string) }

func kindName(t reflect.Type) string {
	if s, ok := reflect.New(t).Interface().(describer); ok {
		what, _ := s.describe()
		return what
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 to %d", maxOf(t))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	default:
		return strings.ToLower(t.Name())
	}
}

func maxOf(t reflect.Type) uint64 { return 1<<t.Bits() - 1 }

func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return fmt.Sprintf("%q", n.Value)
	default:
		return "something else"
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
