package config

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/invopop/jsonschema"
)

// Schema returns a JSON Schema of the file that Load accepts into target's
// type, for editors. Fields are described by their jsonschema tags.
func Schema(target any, title string) ([]byte, error) {
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		DoNotReference:             true,
		Anonymous:                  true,
		Mapper:                     schemaOf,
		KeyNamer:                   func(s string) string { return s },
	}
	s := r.Reflect(target)
	s.Title = title
	addSecretFiles(s, reflect.TypeOf(target))
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("marshal schema: %w", err)
	}
	return append(b, '\n'), nil
}

// schemaOf describes types by how they are written, not by their fields; nil
// leaves a type to reflection.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	if t == reflect.TypeFor[time.Duration]() {
		t = reflect.TypeFor[Duration]()
	}
	v := reflect.New(t).Interface()
	d, ok := v.(describer)
	if !ok {
		if _, text := v.(encoding.TextUnmarshaler); text {
			return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}}
		}
		return nil
	}
	what, pattern := d.describe()
	if pattern == "" {
		return &jsonschema.Schema{Type: "string"}
	}
	return &jsonschema.Schema{
		Description: what,
		OneOf:       []*jsonschema.Schema{{Type: "string", Pattern: pattern}, {Type: "integer", Minimum: "0"}},
	}
}

// addSecretFiles adds x_file beside every Secret x.
func addSecretFiles(s *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		if t.Kind() != reflect.Pointer {
			if s = element(s, t); s == nil {
				return
			}
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || s.Properties == nil {
		return
	}
	for key, f := range fieldsOf(t) {
		if f.Type == secretType {
			s.Properties.Set(key+"_file", &jsonschema.Schema{Type: "string", Description: "path of a file that holds " + key})
		} else if p, ok := s.Properties.Get(key); ok {
			addSecretFiles(p, f.Type)
		}
	}
}

func element(s *jsonschema.Schema, t reflect.Type) *jsonschema.Schema {
	if t.Kind() == reflect.Slice {
		return s.Items
	}
	return s.AdditionalProperties
}
