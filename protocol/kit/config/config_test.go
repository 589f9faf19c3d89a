package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/protocol/kit/config"
)

type http struct {
	Listen string `yaml:"listen"`
}

type device struct {
	ID       string         `yaml:"id"`
	Password config.Secret  `yaml:"password"`
	Modbus   *modbus        `yaml:"modbus"`
	Unit     uint8          `yaml:"unit"`
	Extra    map[string]any `yaml:"extra"`
}

type modbus struct {
	URL  string `yaml:"url"`
	Unit uint8  `yaml:"unit"`
}

type outbox struct {
	MaxBytes config.Bytes    `yaml:"max_bytes"`
	MaxAge   config.Duration `yaml:"max_age"`
}

type shared struct {
	Estate  string `yaml:"estate"`
	DataDir string `yaml:"data_dir"`
}

type edge struct {
	shared  `yaml:",inline"`
	HTTP    http             `yaml:"http"`
	Outbox  outbox           `yaml:"outbox"`
	Devices []device         `yaml:"devices"`
	Limits  map[string]int   `yaml:"limits"`
	Debug   bool             `yaml:"debug"`
	Ratio   float64          `yaml:"ratio"`
	Token   config.Secret    `yaml:"token"`
	Uplink  *struct{ A int } `yaml:"uplink"`
}

func decode(t *testing.T, yaml string, o config.Options, check func(*config.Document)) (edge, []string) {
	t.Helper()
	e := edge{Outbox: outbox{MaxBytes: 2 << 30}}
	err := config.Decode(filepath.Join(t.TempDir(), "edge.yaml"), []byte(yaml), &e, o, check)
	return e, problems(t, err)
}

// problems drops the directory in front of every line.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var e *config.Error
	if !errors.As(err, &e) {
		t.Fatalf("not an *Error: %v", err)
	}
	var lines []string
	for _, p := range e.Problems {
		p.File = filepath.Base(p.File)
		lines = append(lines, p.String())
	}
	return lines
}

func want(t *testing.T, got []string, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(lines, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestAGoodFile(t *testing.T) {
	t.Parallel()
	e, bad := decode(t, `
estate: 0815
data_dir: ./data
http: {listen: 127.0.0.1:8081}
outbox:
  max_age: 35d
devices:
  - {id: gate-east-1, password: s3cret, extra: {floors: [1, 2]}}
  - id: lift-3-1
    modbus: {url: "tcp://127.0.0.1:1502", unit: 1}
limits: {a: 1}
debug: yes
ratio: 1
uplink:
`, config.Options{}, nil)
	want(t, bad)
	if e.Estate != "0815" || e.HTTP.Listen != "127.0.0.1:8081" || !e.Debug || e.Ratio != 1 || e.Limits["a"] != 1 {
		t.Errorf("%+v", e)
	}
	if e.Outbox.MaxBytes != 2<<30 || time.Duration(e.Outbox.MaxAge) != 35*24*time.Hour {
		t.Errorf("outbox %+v: a default was lost or a value not read", e.Outbox)
	}
	if e.Devices[0].Password.Reveal() != "s3cret" || e.Devices[1].Modbus.Unit != 1 || e.Devices[0].Modbus != nil {
		t.Errorf("devices %+v", e.Devices)
	}
	if e.Uplink != nil {
		t.Error("an empty key must keep its default")
	}
}

func TestEveryProblemIsReportedAtOnceWithItsPlace(t *testing.T) {
	t.Parallel()
	_, bad := decode(t, `estate: sunrise
htpp: {listen: 127.0.0.1:1}
http:
  lisetn: 127.0.0.1:8081
  listen: [a]
devices:
  - id: gate
    id: gate2
    unit: 300
    modbus: tcp://x
  - 7
limits: {a: many}
outbox: {max_bytes: lots, max_age: soon}
debug: perhaps
estate: moonlight
`, config.Options{}, nil)
	want(t, bad,
		`edge.yaml:2:1: htpp: unknown key; did you mean http?`,
		`edge.yaml:4:3: http.lisetn: unknown key; did you mean listen?`,
		`edge.yaml:5:11: http.listen: want text, got a list`,
		`edge.yaml:8:5: devices[0].id: key given twice, first in line 7; keep one of them`,
		`edge.yaml:9:11: devices[0].unit: want a whole number from 0 to 255, got "300"`,
		`edge.yaml:10:13: devices[0].modbus: want a mapping of keys, got "tcp://x"`,
		`edge.yaml:11:5: devices[1]: want a mapping of keys, got "7"`,
		`edge.yaml:12:13: limits.a: want a whole number, got "many"`,
		`edge.yaml:13:21: outbox.max_bytes: want a size such as 256MiB or 2GiB, got "lots"`,
		`edge.yaml:13:36: outbox.max_age: want a time span such as 30s, 5m or 35d, got "soon"`,
		`edge.yaml:14:8: debug: want true or false, got "perhaps"`,
		`edge.yaml:15:1: estate: key given twice, first in line 1; keep one of them`,
	)
}

func TestAnUnknownKeyFarFromAnyListsTheKnownOnes(t *testing.T) {
	t.Parallel()
	_, bad := decode(t, "http: {certificate: x}\n", config.Options{}, nil)
	want(t, bad, "edge.yaml:1:8: http.certificate: unknown key; known here: listen")
}

func TestChecksPointAtTheLinesTheyAreAbout(t *testing.T) {
	t.Parallel()
	_, bad := decode(t, "devices:\n  - {id: gate, unit: 999}\n  - modbus: {unit: 1}\n", config.Options{}, func(d *config.Document) {
		d.At("devices[1].modbus.unit", "unit 1 is taken", "choose another")
		d.At("devices[1].modbus.url", "no address", "add url: tcp://HOST:PORT")
		d.At("estate", "no estate", "add estate: NAME")
		d.At("devices[0].unit", "must be below 248", "this one is silenced: the value could not be read")
	})
	want(t, bad,
		"edge.yaml:1:1: estate: no estate; add estate: NAME",
		`edge.yaml:2:22: devices[0].unit: want a whole number from 0 to 255, got "999"`,
		"edge.yaml:3:13: devices[1].modbus.url: no address; add url: tcp://HOST:PORT",
		"edge.yaml:3:20: devices[1].modbus.unit: unit 1 is taken; choose another",
	)
}

func TestWhatIsNotYAML(t *testing.T) {
	t.Parallel()
	for yaml, prefix := range map[string]string{
		"estate: a\n\thttp: x\n":            "edge.yaml:2:1: not valid YAML",
		"estate: [a\n":                      "edge.yaml:",
		"estate: a\n---\nestate: b\n":       "edge.yaml:2:1: more than one YAML document",
		"limits: &x {a: 1}\n":               "edge.yaml:1:9: limits: YAML anchors",
		"- a\n":                             "edge.yaml:1:1: want a mapping of keys, got a list",
		"estate: a\n? [complex]\n: value\n": "edge.yaml:2:3: want a plain key",
	} {
		_, bad := decode(t, yaml, config.Options{}, func(*config.Document) {})
		if len(bad) != 1 || !strings.HasPrefix(bad[0], prefix) {
			t.Errorf("%q: %v", yaml, bad)
		}
	}
	_, bad := decode(t, "", config.Options{}, nil)
	want(t, bad)
}

func TestAMissingFile(t *testing.T) {
	t.Parallel()
	var e edge
	bad := problems(t, config.Load(filepath.Join(t.TempDir(), "edge.yaml"), &e, config.Options{}, nil))
	if len(bad) != 1 || !strings.Contains(bad[0], "no such file") {
		t.Errorf("%v", bad)
	}
}

func TestTheEnvironmentOverridesAnyKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	e, bad := decode(t, "http: {listen: 127.0.0.1:8081}\ndevices: [{id: old}]\n", config.Options{
		Prefix: "LINSHAO",
		Environ: []string{
			"LINSHAO_HTTP_LISTEN=127.0.0.1:9999", "LINSHAO_OUTBOX_MAX_BYTES=1GiB", "LINSHAO_DATA_DIR=/var/lib: #odd",
			"LINSHAO_DEVICES=[{id: new, modbus: {unit: 3}}]", "LINSHAO_DEBUG=true", "LINSHAO_RATIO=0.5",
			"LINSHAO_UPLINK_A=4", "LINSHAO_TOKEN_FILE=" + file, "LINSHAOX=1", "LINSHAO_LIMITS={a: 2}",
		},
	}, nil)
	want(t, bad)
	if e.HTTP.Listen != "127.0.0.1:9999" || e.Outbox.MaxBytes != 1<<30 || e.DataDir != "/var/lib: #odd" || !e.Debug || e.Ratio != 0.5 {
		t.Errorf("%+v", e)
	}
	if len(e.Devices) != 1 || e.Devices[0].ID != "new" || e.Devices[0].Modbus.Unit != 3 || e.Uplink.A != 4 || e.Limits["a"] != 2 {
		t.Errorf("%+v", e)
	}
	if e.Token.Reveal() != "from-file" {
		t.Errorf("token %q", e.Token.Reveal())
	}
}

func TestProblemsInTheEnvironmentNameTheVariable(t *testing.T) {
	t.Parallel()
	_, bad := decode(t, "", config.Options{Prefix: "L", Environ: []string{
		"L_OUTBOX_MAX_AGE=later", "L_DEVICES=[{idd: x}]", "L_TOKEN_FILE=/does/not/exist", "L_DEBUG=2", "L_HTTP_LISTEN=x",
	}}, func(d *config.Document) { d.At("http.listen", "bad", "mend") })
	if len(bad) != 5 {
		t.Fatalf("%v", bad)
	}
	all := strings.Join(bad, "\n")
	for _, line := range []string{
		`L_OUTBOX_MAX_AGE: outbox.max_age: want a time span`, `L_DEVICES: devices[0].idd: unknown key; did you mean id?`,
		`L_TOKEN_FILE: token: open /does/not/exist`, `L_DEBUG: debug: want true or false`, `L_HTTP_LISTEN: http.listen: bad; mend`,
	} {
		if !strings.Contains(all, line) {
			t.Errorf("missing %q in\n%s", line, all)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "pw"), "s3cret\n")
	write(t, filepath.Join(dir, "empty"), "\n")
	write(t, filepath.Join(dir, "edge.yaml"), "token_file: pw\ndevices:\n- {id: a, password_file: none}\n- {password_file: pw, password: x}\n- {password: x, password_file: pw}\n- {password_file: empty}\n- {password_file: [x]}\nestate_file: pw\n")
	var e edge
	bad := problems(t, config.Load(filepath.Join(dir, "edge.yaml"), &e, config.Options{}, nil))
	if e.Token.Reveal() != "s3cret" {
		t.Errorf("token %q", e.Token.Reveal())
	}
	if len(bad) != 6 {
		t.Fatalf("%v", bad)
	}
	for i, part := range []string{"no such file", "given both", "given both", "is empty", "path of a file", "unknown key"} {
		if !strings.Contains(bad[i], part) {
			t.Errorf("%q lacks %q", bad[i], part)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	s := config.Secret("hunter2")
	text, err := s.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, device{Password: s}, s, s), string(text), s.LogValue().String()} {
		if strings.Contains(out, "hunter2") {
			t.Errorf("printed: %s", out)
		}
	}
	if s.Reveal() != "hunter2" || config.Secret("").String() != "" {
		t.Error("Reveal or the empty secret is wrong")
	}
}
