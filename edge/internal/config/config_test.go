package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/config"
)

// estate is a folder with an edge.yaml and what it names.
type estate struct {
	t   *testing.T
	dir string
}

func newEstate(t *testing.T) estate { return estate{t, t.TempDir()} }

func (e estate) write(name, text string) string {
	e.t.Helper()
	p := filepath.Join(e.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
	return p
}

func (e estate) load(yaml string, env ...string) (config.Plan, error) {
	return config.Load(e.write("edge.yaml", strings.ReplaceAll(yaml, "DIR", e.dir)), env)
}

// pair writes a certificate and its key.
func (e estate) pair(name string) {
	e.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		e.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		e.t.Fatal(err)
	}
	e.write(name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	e.write(name+".key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

const head = "estate: sunrise\nedge: sunrise-1\n"

func TestAPlanIsWhatTheFileSays(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.write("passwords", "# devices\n\ngate-2:pass:with:colons\r\n")
	e.pair("edge")
	p, err := e.load(head+`
mqtt:
  devices: [{id: gate-1, password: one}]
  password_file: passwords
  tls: {listen: 127.0.0.1:8883, cert: DIR/edge.crt, key: DIR/edge.key, client_ca: DIR/edge.crt}
uplink: {url: "ssl://cloud:8884", ca: DIR/edge.crt, cert: DIR/edge.crt, key: DIR/edge.key}
devices:
  - {id: gate-1, profile: access-gate, location: 东门}
  - {id: lift-1, profile: lift-terminal, modbus: {url: "tcp://10.0.0.9:502", unit: 3}}
rules:
  - {id: too-warm, device: gate-1, detector: threshold, metric: motor_temp, above: 70, severity: minor}
`, "LINSHAO_OUTBOX_MAX_AGE=2d")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Compiled) != 2 || p.Compiled[0].Location != "东门" || p.Compiled[1].Modbus.Unit != 3 {
		t.Errorf("devices %+v", p.Compiled)
	}
	if len(p.Logins) != 2 || p.Logins[1].ID != "gate-2" || p.Logins[1].Password.Reveal() != "pass:with:colons" {
		t.Errorf("%d logins", len(p.Logins))
	}
	if time.Duration(p.Outbox.MaxAge) != 48*time.Hour || p.HTTP.Listen != "127.0.0.1:8081" || p.Outbox.MaxBytes != 2<<30 {
		t.Errorf("outbox %+v, http %+v", p.Outbox, p.HTTP)
	}
}

// Every mistake names its place and the mend.
func TestMistakes(t *testing.T) {
	t.Parallel()
	const good = "edge.crt, key: DIR/edge.key"
	for name, c := range map[string]struct{ yaml, want string }{
		"no estate":            {"edge: a\n", "1:1: estate: estate is missing; add estate: sunrise-garden"},
		"bad edge":             {"estate: a\nedge: Ä\n", `2:7: edge: "Ä" is no name; use a-z`},
		"unknown key":          {head + "edg: x\n", "3:1: edg: unknown key; did you mean edge?"},
		"no data dir":          {head + "data_dir: ''\n", "3:11: data_dir: data_dir is empty; name a folder"},
		"open page":            {head + "http: {listen: 0.0.0.0:8081, token: short}\n", "3:16: http.listen: refusing to listen on 0.0.0.0:8081 without credentials; set http.token"},
		"no port":              {head + "http: {listen: localhost}\n", "3:16: http.listen: want HOST:PORT"},
		"open broker":          {head + "mqtt:\n  listen: 0.0.0.0:1883\n  devices: [{id: a, password: short}]\n", "4:11: mqtt.listen: refusing to listen"},
		"short in file":        {head + "mqtt:\n  listen: 0.0.0.0:1883\n  password_file: passwords\n", "4:11: mqtt.listen: refusing to listen"},
		"open TLS with CA":     {head + "mqtt:\n  devices: [{id: a, password: short}]\n  tls: {listen: 0.0.0.0:8883, client_ca: DIR/edge.crt, cert: DIR/" + good + "}\n", "5:17: mqtt.tls.listen: refusing to listen"},
		"no certificate":       {head + "mqtt:\n  tls: {listen: 127.0.0.1:8883, key: DIR/edge.key}\n", "4:8: mqtt.tls.cert: cert is missing; name a readable PEM file"},
		"not a certificate":    {head + "mqtt:\n  tls: {listen: 127.0.0.1:8883, cert: DIR/passwords, key: DIR/edge.key}\n", "4:39: mqtt.tls.cert: tls: failed to find any PEM data"},
		"somebody else's key":  {head + "mqtt:\n  tls: {listen: 127.0.0.1:8883, cert: DIR/edge.crt, key: DIR/other.key}\n", "4:39: mqtt.tls.cert: tls: private key does not match"},
		"client CA is nothing": {head + "mqtt:\n  tls: {listen: 127.0.0.1:8883, client_ca: DIR/passwords, cert: DIR/" + good + "}\n", "4:44: mqtt.tls.client_ca: DIR/passwords holds no certificate"},
		"bad login":            {head + "mqtt:\n  devices: [{id: A, password: x}]\n", `4:18: mqtt.devices[0].id: "A" is no device id`},
		"login twice":          {head + "mqtt:\n  devices:\n    - {id: a, password: x}\n    - {id: a, password: x}\n", "6:12: mqtt.devices[1].id: a stands twice"},
		"empty password":       {head + "mqtt:\n  devices: [{id: a}]\n", "4:13: mqtt.devices[0].password: of a: the password is empty; set password or password_file"},
		"bad hash":             {head + "mqtt:\n  devices:\n    - id: a\n      password: $argon2id$nonsense\n", "6:17: mqtt.devices[0].password: of a: not an argon2id hash"},
		"bad password file":    {head + "mqtt:\n  password_file: bad\n", "4:18: mqtt.password_file: DIR/bad:1: not id:password\nDIR/bad:3: not an argon2id hash"},
		"password twice":       {head + "mqtt:\n  devices: [{id: a, password: x}]\n  password_file: passwords\n", "5:18: mqtt.password_file: DIR/passwords:1: a has a password already"},
		"no password file":     {head + "mqtt:\n  password_file: nowhere\n", "4:18: mqtt.password_file: open DIR/nowhere: no such file"},
		"uplink without port":  {head + "uplink: {url: tcp://cloud, username: u, password: p}\n", "3:15: uplink.url: the port is missing; write tcp://HOST:1884"},
		"uplink without host":  {head + "uplink: {url: \"tcp://:1884\", username: u, password: p}\n", "3:15: uplink.url: the host is missing"},
		"uplink scheme":        {head + "uplink: {url: \"http://cloud:80\", username: u, password: p}\n", `3:15: uplink.url: scheme "http" is not one of`},
		"uplink for nobody":    {head + "uplink: {url: \"tcp://cloud:1884\"}\n", "3:9: uplink: neither username and password nor a certificate is set; paste what"},
		"uplink half a pair":   {head + "uplink: {url: \"ssl://cloud:1884\", cert: DIR/edge.crt}\n", "3:9: uplink.key: key is missing"},
		"uplink CA":            {head + "uplink: {url: \"ssl://cloud:1884\", username: u, password: p, ca: DIR/gone}\n", "3:65: uplink.ca: open DIR/gone: no such file"},
		"small outbox":         {head + "outbox: {max_bytes: 1MiB}\n", "3:21: outbox.max_bytes: 1MiB is too little; write at least 32MiB"},
		"long age":             {head + "outbox: {max_age: 36d}\n", "3:19: outbox.max_age: 864h0m0s is more than the cloud takes; write at most 35d"},
		"short age":            {head + "outbox: {max_age: 5m}\n", "3:19: outbox.max_age: 5m0s is too short; write at least 1h"},
		"bad device":           {head + "devices: [{id: 'a b', profile: access-gate}]\n", `3:16: devices[0].id: "a b" is no device id`},
		"device twice":         {head + "devices:\n  - {id: a, profile: access-gate}\n  - {id: a, profile: access-gate}\n", "5:10: devices[1].id: a stands twice"},
		"no such profile":      {head + "devices: [{id: a, profile: gat}]\n", `3:28: devices[0].profile: there is no profile "gat"; use one of access-gate`},
		"Modbus for a gate":    {head + "devices: [{id: a, profile: access-gate, modbus: {url: \"tcp://h:502\"}}]\n", "3:49: devices[0].modbus: profile access-gate speaks MQTT; remove modbus"},
		"no Modbus address":    {head + "devices: [{id: a, profile: lift-terminal}]\n", "3:11: devices[0]: profile lift-terminal speaks Modbus, but no address is given; add modbus:"},
		"bad Modbus address":   {head + "devices: [{id: a, profile: lift-terminal, modbus: {url: \"serial:x\"}}]\n", "3:57: devices[0].modbus.url: "},
		"rule twice":           {head + "rules:\n  - {id: r, detector: stale, after: 1h, severity: minor}\n  - {id: r, detector: stale, after: 1h, severity: minor}\n", "5:10: rules[1].id: rule r stands twice"},
		"rule for nobody":      {head + "rules:\n  - {id: r, device: lift-9, detector: stale, after: 1h, severity: minor}\n", "4:21: rules[0].device: there is no device lift-9; name one of devices"},
		"rule for no kind":     {head + "devices: [{id: a, profile: access-gate}]\nrules:\n  - {id: r, kind: lifft, detector: stale, after: 1h, severity: minor}\n", "5:19: rules[0].kind: no device is of kind lifft"},
		"rule of no detector":  {head + "rules:\n  - {id: r, detector: magic, severity: minor}\n", "4:23: rules[0].detector: "},
		"rule about nothing":   {head + "devices: [{id: a, profile: access-gate}]\nrules:\n  - {id: r, device: a, detector: threshold, metric: humour, above: 1, severity: minor}\n", "5:53: rules[0].metric: for a: "},
		"bad profile":          {head + "profiles_dir: DIR/profiles\n", "3:15: profiles_dir: DIR/profiles/x.yaml:1:1: "},
		"no profiles":          {head + "profiles_dir: DIR/gone\n", "3:15: profiles_dir: open DIR/gone: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t)
			e.pair("edge")
			e.pair("other")
			e.write("passwords", "a:short\n")
			e.write("bad", "nonsense\nb:fine\nc:$argon2id$x\n")
			if err := os.Mkdir(filepath.Join(e.dir, "profiles"), 0o700); err != nil {
				t.Fatal(err)
			}
			e.write("profiles/x.yaml", "profil: x\n")
			_, err := e.load(c.yaml)
			if err == nil || !config.IsMistake(err) {
				t.Fatalf("not a mistake: %v", err)
			}
			want := filepath.Join(e.dir, "edge.yaml:") + strings.ReplaceAll(c.want, "DIR", e.dir)
			if !strings.Contains(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// What is wrong in one section does not hide what is wrong in another.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	_, err := e.load("estate: a\nprofiles_dir: DIR/gone\noutbox: {max_age: 1m}\n")
	for _, want := range []string{"edge: edge is missing", "profiles_dir: open", "outbox.max_age: 1m"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is missing in\n%v", want, err)
		}
	}
}

// A password is in no message.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.write("bad", "topsecret\n")
	p, err := e.load(head + "mqtt:\n  password_file: bad\n  devices: [{id: a, password: $argon2id$topsecret}]\n")
	if err == nil || strings.Contains(err.Error()+fmt.Sprintf("%+v", p), "topsecret") {
		t.Errorf("%v %+v", err, p)
	}
}

func TestAnEstatesOwnProfileReplacesAShippedOne(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	e.write("gate.yaml", "profile: access-gate\nkind: gate\nprotocol: mqtt\ntitle: ours\nsource: us\npoints:\n  - {name: door}\n")
	e.write("notes.txt", "no profile")
	p, err := e.load(head + "profiles_dir: DIR\ndevices: [{id: a, profile: access-gate}]\n")
	if err == nil {
		t.Fatal("edge.yaml in the folder of profiles was taken for one")
	}
	own := filepath.Join(e.dir, "own")
	if err := errors.Join(os.Mkdir(own, 0o700), os.Rename(filepath.Join(e.dir, "gate.yaml"), filepath.Join(own, "gate.yaml"))); err != nil {
		t.Fatal(err)
	}
	p, err = e.load(head + "profiles_dir: DIR/own\ndevices: [{id: a, profile: access-gate}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Compiled[0].Profile.Title; got != "ours" {
		t.Errorf("profile %q", got)
	}
}

func TestRulesOfAFile(t *testing.T) {
	t.Parallel()
	e := newEstate(t)
	rules, err := config.LoadRules(e.write("rules.yaml", "rules:\n  - {id: r, detector: stale, after: 1h, severity: minor}\n"))
	if err != nil || len(rules) != 1 || rules[0].ID != "r" {
		t.Errorf("%+v, %v", rules, err)
	}
	for text, want := range map[string]string{
		"- {id: r}\n":                            "bare.yaml:1:1: ",
		"rules:\n  - {id: r, detector: magic}\n": "bare.yaml:2:23: rules[0].detector: ",
	} {
		if _, err := config.LoadRules(e.write("bare.yaml", text)); err == nil || !config.IsMistake(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := config.LoadRules(filepath.Join(e.dir, "gone")); !config.IsMistake(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}
