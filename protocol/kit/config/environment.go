package config

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// override walks the target and lets the environment replace what it names:
// http.listen is PREFIX_HTTP_LISTEN. Lists and mappings are given as YAML in
// one line. It runs after the file, so the environment wins.
func (d *Document) override(target reflect.Value, o Options) {
	if o.Prefix == "" {
		return
	}
	env := map[string]string{}
	for _, kv := range o.Environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, o.Prefix+"_") {
			env[k] = v
		}
	}
	if len(env) > 0 {
		d.overrideStruct(target, env, o.Prefix, "")
	}
}

func (d *Document) overrideStruct(v reflect.Value, env map[string]string, name, path string) {
	fields := fieldsOf(v.Type())
	for key, f := range fields {
		variable := name + "_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))
		field, at := v.FieldByIndex(f.Index), join(path, key)
		if text, ok := env[variable]; ok {
			d.overrideValue(field, variable, text, at)
		} else if text, ok := env[variable+"_FILE"]; ok && f.Type == secretType {
			d.overrideSecret(field, variable+"_FILE", text, at)
		}
		d.descend(field, env, variable, at)
	}
}

// descend looks for overrides below field. A nil section is made only if the
// environment names something in it.
func (d *Document) descend(field reflect.Value, env map[string]string, variable, at string) {
	if field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct {
		if field.IsNil() {
			if !named(env, variable+"_") {
				return
			}
			field.Set(reflect.New(field.Type().Elem()))
		}
		field = field.Elem()
	}
	if field.Kind() == reflect.Struct && !isText(field) {
		d.overrideStruct(field, env, variable, at)
	}
}

func named(env map[string]string, prefix string) bool {
	for k := range env {
		if strings.HasPrefix(k, prefix) {
			return true
		}
	}
	return false
}

// overrideValue decodes text as the file would have been, with the variable's
// name as the place of everything in it.
func (d *Document) overrideValue(field reflect.Value, variable, text, at string) {
	sub := &Document{file: variable, dir: ".", places: map[string]place{}, bad: map[string]bool{}}
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if !scalarTarget(field) {
		if n = sub.parse([]byte(text)); n == nil {
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
		}
	} else if field.Kind() != reflect.String && !isText(field) {
		n.Tag = "" // let the decoder resolve numbers and booleans
	}
	sub.decode(n, field, at)
	for path := range sub.places {
		d.places[path] = place{file: variable}
	}
	for _, p := range sub.problems {
		d.report(place{file: variable}, p.Path, p.Message, p.Mend)
	}
}

func scalarTarget(v reflect.Value) bool {
	if isText(v) {
		return true
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Interface, reflect.Pointer:
		return false
	default:
		return true
	}
}

func (d *Document) overrideSecret(field reflect.Value, variable, file, at string) {
	d.places[at] = place{file: variable}
	secret, err := readSecret(".", file)
	if err != nil {
		d.report(place{file: variable}, at, err.Error(), "make the file readable for the user the daemon runs as")
		return
	}
	field.SetString(secret)
}
