package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Bytes is a size, written as 512KiB, 2GiB, 100MB or a plain number of bytes.
type Bytes int64

var byteUnits = []struct {
	suffix string
	size   float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
	{"", 1},
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(f >= 0) || f*u.size >= math.MaxInt64 {
			break
		}
		*b = Bytes(f * u.size)
		return nil
	}
	return fmt.Errorf("want a size such as 256MiB or 2GiB, got %q", s)
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String uses the largest binary unit that divides the size.
func (b Bytes) String() string {
	for i := 3; i >= 0; i-- {
		if size := int64(byteUnits[i].size); b != 0 && int64(b)%size == 0 {
			return strconv.FormatInt(int64(b)/size, 10) + byteUnits[i].suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func (Bytes) describe() (string, string) {
	return "a size such as 256MiB or 2GiB", `^[0-9]+(\.[0-9]+)? ?([KMGT]iB|[kKMGT]?B)?$`
}

// Duration is a time span, written as 250ms, 30s, 5m, 12h or 35d, or a sum such
// as 1d12h.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	bad := fmt.Errorf("want a time span such as 30s, 5m or 35d, got %q", s)
	var total time.Duration
	rest := s
	if days, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0) || n > 100*365 {
			return bad
		}
		total, rest = time.Duration(n*float64(24*time.Hour)), after
	}
	if rest != "" || s == "" {
		r, err := time.ParseDuration(rest)
		if err != nil || r < 0 {
			return bad
		}
		total += r
	}
	*d = Duration(total)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes whole days as days.
func (d Duration) String() string {
	const day = Duration(24 * time.Hour)
	if d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return time.Duration(d).String()
}

func (Duration) describe() (string, string) {
	return "a time span such as 30s, 5m or 35d", `^[0-9.]+(ms|s|m|h|d|us|ns)([0-9.]+(ms|s|m|h))*$`
}

// Secret is a password, token or key. It is never printed: not by %v, not by
// slog, not when marshalled. Beside a key x of this type, the key x_file is
// understood: the path of a file that holds the secret alone.
type Secret string

const redacted = "(secret)"

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Secret) UnmarshalText(text []byte) error { *s = Secret(text); return nil }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue hides the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (Secret) describe() (string, string) { return "text", "" }

func (d *Document) secretFile(n *yaml.Node, v reflect.Value, path string) {
	d.places[path] = place{d.file, n.Line, n.Column}
	d.places[strings.TrimSuffix(path, "_file")] = d.places[path]
	if !d.want(n, yaml.ScalarNode, path, "the path of a file") {
		return
	}
	secret, err := readSecret(d.dir, n.Value)
	if err != nil {
		d.report(d.places[path], path, err.Error(), "make the file readable for the user the daemon runs as")
		return
	}
	v.SetString(secret)
}

// onlyOnce reports a Secret given both as a value and as a file.
func (d *Document) onlyOnce(f reflect.StructField, path string, key *yaml.Node) {
	if _, seen := d.places[path]; seen && f.Type == secretType {
		d.report(place{d.file, key.Line, key.Column}, path, "given both as a value and as a file", "keep one of them")
	}
}

func readSecret(dir, file string) (string, error) {
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(b), "\r\n")
	if secret == "" {
		return "", errors.New(file + " is empty")
	}
	return secret, nil
}
