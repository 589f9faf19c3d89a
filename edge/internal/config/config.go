// Package config reads edge.yaml: strictly, with every mistake named by file,
// line and column and how to mend it. It is the only reader of configuration
// on the edge; what it returns is checked and compiled, so that nothing after
// it has to ask whether a value makes sense.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/config"
)

// File is edge.yaml.
type File struct {
	Estate      string        `yaml:"estate" jsonschema:"description=Id of the estate this edge serves"`
	Edge        string        `yaml:"edge" jsonschema:"description=Id of this edge within the estate"`
	DataDir     string        `yaml:"data_dir" jsonschema:"description=Everything the edge keeps"`
	HTTP        HTTP          `yaml:"http"`
	MQTT        MQTT          `yaml:"mqtt"`
	Uplink      *Uplink       `yaml:"uplink" jsonschema:"description=Printed by linshao-cloud edge-credential create; without it the edge works alone"`
	Outbox      Outbox        `yaml:"outbox"`
	ProfilesDir string        `yaml:"profiles_dir" jsonschema:"description=Profiles besides the shipped ones"`
	Devices     []Device      `yaml:"devices"`
	Rules       []device.Rule `yaml:"rules" jsonschema:"description=Rules besides those that profiles bring; one of the same id replaces it"`
}

// HTTP is the edge's own page.
type HTTP struct {
	Listen string        `yaml:"listen"`
	Token  config.Secret `yaml:"token" jsonschema:"description=Demanded outside loopback"`
}

// MQTT is where devices that publish by themselves sign in.
type MQTT struct {
	Listen       string  `yaml:"listen"`
	TLS          *TLS    `yaml:"tls"`
	Devices      []Login `yaml:"devices"`
	PasswordFile string  `yaml:"password_file" jsonschema:"description=Lines of id:password or id:argon2id-hash"`
}

// TLS is a second listener, with certificates.
type TLS struct {
	Listen   string `yaml:"listen"`
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca" jsonschema:"description=Devices may sign in with certificates of this authority, common name = device id"`
}

// Login is one device's password.
type Login struct {
	ID       string        `yaml:"id"`
	Password config.Secret `yaml:"password"`
}

// Uplink is the way to the cloud.
type Uplink struct {
	URL      string        `yaml:"url"`
	Username string        `yaml:"username"`
	Password config.Secret `yaml:"password"`
	CA       string        `yaml:"ca"`
	Cert     string        `yaml:"cert"`
	Key      string        `yaml:"key"`
}

// Outbox bounds what waits for the cloud.
type Outbox struct {
	MaxBytes config.Bytes    `yaml:"max_bytes"`
	MaxAge   config.Duration `yaml:"max_age"`
	MinFree  config.Bytes    `yaml:"min_free"`
}

// Device is one device of the estate.
type Device struct {
	ID       string           `yaml:"id"`
	Profile  string           `yaml:"profile"`
	Location string           `yaml:"location"`
	Modbus   *device.Endpoint `yaml:"modbus"`
}

// Plan is a checked configuration.
type Plan struct {
	File
	// Compiled are the devices with their profiles.
	Compiled []device.Device
	// Profiles are all that are known, by name.
	Profiles map[string]*device.Profile
	// Logins are the passwords of the file and of the password file.
	Logins []Login
}

func defaults() File {
	return File{
		DataDir: "./data/edge", HTTP: HTTP{Listen: "127.0.0.1:8081"}, MQTT: MQTT{Listen: "127.0.0.1:1883"},
		Outbox:      Outbox{MaxBytes: 2 << 30, MaxAge: config.Duration(35 * 24 * time.Hour), MinFree: 256 << 20},
		ProfilesDir: defaultProfilesDir,
	}
}

const defaultProfilesDir = "./profiles"

// Load reads and checks a file; environ is os.Environ's, from which LINSHAO_*
// overrides keys. The error is a *config.Error that names every mistake's
// place and mend; it changes nothing on disk.
func Load(path string, environ []string) (Plan, error) {
	p := Plan{File: defaults()}
	err := config.Load(path, &p.File, config.Options{Prefix: "LINSHAO", Environ: environ}, func(d *config.Document) {
		if f := p.MQTT.PasswordFile; f != "" && !filepath.IsAbs(f) {
			p.MQTT.PasswordFile = filepath.Join(filepath.Dir(path), f)
		}
		c := checker{Document: d, p: &p}
		c.names()
		c.logins()
		c.listeners()
		c.uplink()
		c.outbox()
		var broken error
		if p.Profiles, broken = loadProfiles(p.ProfilesDir); broken != nil {
			d.At("profiles_dir", broken.Error(), "mend the profile or remove it")
			return // without profiles every device would be a mistake
		}
		c.devices()
		c.rules()
	})
	return p, err
}

// Schema returns the JSON Schema of edge.yaml, for editors.
func Schema() ([]byte, error) { return config.Schema(&File{}, "linshao-edge configuration") }

// checkURL accepts the URL of a broker.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return fmt.Errorf("not a URL: %w", err)
	}
	switch u.Scheme {
	case "tcp", "mqtt", "ssl", "tls", "mqtts":
	default:
		return fmt.Errorf("scheme %q is not one of tcp, mqtt, ssl, tls, mqtts", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("the host is missing")
	}
	if u.Port() == "" {
		return errors.New("the port is missing")
	}
	return nil
}

func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// IsMistake reports whether an error is one that the operator mends in a file.
func IsMistake(err error) bool {
	var c *config.Error
	var p device.Problems
	return errors.As(err, &c) || errors.As(err, &p)
}

// LoadRules reads a file that holds the key rules, as edge.yaml does.
func LoadRules(path string) ([]device.Rule, error) {
	var f struct {
		Rules []device.Rule `yaml:"rules"`
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &config.Error{Problems: []config.Problem{{File: path, Message: err.Error(), Mend: "give the path of a readable YAML file"}}}
	}
	err = config.Decode(path, text, &f, config.Options{}, func(d *config.Document) {
		for i := range f.Rules {
			if err := detect.Check(&f.Rules[i]); err != nil {
				d.At(fmt.Sprintf("rules[%d].detector", i), err.Error(), "")
			}
		}
	})
	return f.Rules, err
}
