package config

import (
	"reflect"
	"slices"
	"strings"
)

// fieldsOf maps the keys of a struct to its fields. Keys come from the yaml
// tag, or are the lower-cased field name; embedded structs and those tagged
// ",inline" are part of their surroundings; "-" is left out.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	m := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		key := keyOf(f)
		if key == "" || outOfReach(t, f) {
			continue
		}
		m[key] = f
	}
	return m
}

// keyOf returns "" for fields that are no keys of their own.
func keyOf(f reflect.StructField) string {
	name, rest, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	switch {
	case !f.IsExported() || name == "-" || f.Anonymous && name == "" || rest == "inline":
		return ""
	case name != "":
		return name
	default:
		return strings.ToLower(f.Name)
	}
}

// outOfReach: VisibleFields also yields fields below embedded pointers and
// below embedded structs that have a key of their own.
func outOfReach(t reflect.Type, f reflect.StructField) bool {
	for i := 1; i < len(f.Index); i++ {
		p := t.FieldByIndex(f.Index[:i])
		if p.Type.Kind() != reflect.Struct || keyOf(p) != "" {
			return true
		}
	}
	return false
}

var secretType = reflect.TypeFor[Secret]()

// secretFile finds the Secret x that a key x_file stands for.
func secretFile(fields map[string]reflect.StructField, key string) (reflect.StructField, bool) {
	name, ok := strings.CutSuffix(key, "_file")
	f, known := fields[name]
	return f, ok && known && f.Type == secretType
}

// suggest proposes the known key nearest to a misspelt one.
func suggest(key string, fields map[string]reflect.StructField) string {
	known := make([]string, 0, len(fields))
	for k := range fields {
		known = append(known, k)
	}
	slices.Sort(known)
	best, distance := "", 1+max(1, len(key)/3)
	for _, k := range known {
		if n := edits(strings.ToLower(key), k); n < distance {
			best, distance = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// edits is the Levenshtein distance of two short words, a swap of neighbours
// counting as one.
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			n := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, rows[i-2][j-2]+1)
			}
			rows[i][j] = n
		}
	}
	return rows[len(a)][len(b)]
}
