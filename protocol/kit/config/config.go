// Package config reads a daemon's YAML file strictly: unknown keys, values of
// the wrong type and keys given twice are all reported at once, each as
// file:line:column with what is wrong and how to mend it. The environment
// overrides any key (LINSHAO_HTTP_LISTEN=…), secrets may stand in files, and a
// JSON Schema of the same types is printed for editors.
//
// The caller prefills the target with defaults and passes a check of its own,
// whose findings are attached to the lines they are about:
//
//	opts := defaults()
//	err := config.Load("edge.yaml", &opts, config.Options{Prefix: "LINSHAO"}, func(d *config.Document) {
//		if opts.Estate == "" {
//			d.At("estate", "an estate is needed", "say which estate this edge serves, as in estate: sunrise-garden")
//		}
//	})
//
// YAML anchors, aliases and several documents in one file are refused: what a
// line means must be visible on that line. The package reads files and the
// environment handed to it; it changes nothing.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxBytes bounds a configuration file; an estate of 10,000 devices needs 2 MB.
const maxBytes = 16 << 20

// Options say what surrounds the file.
type Options struct {
	// Prefix of the environment variables that override keys, without the
	// underscore; empty: the environment is ignored.
	Prefix string
	// Environ is the environment as os.Environ gives it.
	Environ []string
}

// Load reads file into the struct that into points to, applies the environment,
// and calls check (which may be nil) to find what is wrong with the values. The
// error, if any, is an *Error holding every Problem, sorted by line. On an
// error the target is partly filled and must not be used.
func Load(file string, into any, o Options, check func(*Document)) error {
	b, err := read(file)
	if err != nil {
		return &Error{[]Problem{{File: file, Message: err.Error(), Mend: "give the path of a readable YAML file"}}}
	}
	return Decode(file, b, into, o, check)
}

// Decode is Load for bytes already read; file is used for messages, and secret
// files are looked up relative to its directory.
func Decode(file string, b []byte, into any, o Options, check func(*Document)) error {
	d := &Document{file: file, dir: filepath.Dir(file), places: map[string]place{}, bad: map[string]bool{}}
	target := reflect.ValueOf(into).Elem()
	if root := d.parse(b); root != nil {
		d.decode(root, target, "")
	}
	d.override(target, o)
	if check != nil && !d.unreadable {
		check(d)
	}
	return d.err()
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(b) > maxBytes {
		err = fmt.Errorf("larger than %d bytes", maxBytes)
	}
	return b, err
}

// Document is a file being checked: it knows where each value came from.
type Document struct {
	file, dir string
	// places maps the path of every value that was read to its origin.
	places map[string]place
	// bad holds the paths that already have a Problem.
	bad      map[string]bool
	problems []Problem
	// unreadable: not YAML at all, so there are no values to check.
	unreadable bool
}

type place struct {
	file         string
	line, column int
}

// At attaches a Problem to the value at path, written as in
// "devices[3].modbus.url". If the file has no such value, the nearest
// surrounding one is pointed at. A value that already has a Problem gets no
// second one: what is wrong with a value that could not be read is known.
func (d *Document) At(path, message, mend string) {
	for p := path; ; p = parent(p) {
		if d.bad[p] {
			return
		}
		if p == "" {
			break
		}
	}
	d.report(d.nearest(path), path, message, mend)
}

func (d *Document) nearest(path string) place {
	for {
		if pl, ok := d.places[path]; ok {
			return pl
		}
		if path == "" {
			return place{file: d.file, line: 1, column: 1}
		}
		path = parent(path)
	}
}

func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func (d *Document) report(pl place, path, message, mend string) {
	d.bad[path] = true
	d.problems = append(d.problems, Problem{
		File: pl.file, Line: pl.line, Column: pl.column, Path: path, Message: message, Mend: mend,
	})
}

// parse returns the root node, nil if the file is empty or not YAML.
func (d *Document) parse(b []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	err := dec.Decode(&doc)
	if err == nil {
		if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
			d.report(place{d.file, max(1, second.Line), max(1, second.Column)}, "", "more than one YAML document", "remove everything from the second --- on")
		}
	}
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return nil
	case err != nil:
		d.unreadable = true
		line, message := syntax(err)
		d.report(place{d.file, line, 1}, "", message, "mend the YAML: indent with spaces, quote text that holds : or #")
		return nil
	}
	return doc.Content[0]
}

var lineNumber = regexp.MustCompile(`line (\d+)(?:, column \d+)?: ?`)

// syntax takes the line number out of the parser's message.
func syntax(err error) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	line = 1
	if m := lineNumber.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = strings.Replace(message, m[0], "", 1)
	}
	return line, "not valid YAML: " + message
}
