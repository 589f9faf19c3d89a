package config

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/kit/password"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/topic"
)

// checker finds what is wrong with the values; each method checks one section.
type checker struct {
	*config.Document
	p *Plan
}

const nameMend = "use a-z, 0-9, '.', '_', '-', starting with a letter or digit, at most 64"

func (c checker) names() {
	for _, n := range []struct{ key, value, example string }{
		{"estate", c.p.Estate, "sunrise-garden"}, {"edge", c.p.Edge, "sunrise-1"},
	} {
		switch {
		case n.value == "":
			c.At(n.key, n.key+" is missing", "add "+n.key+": "+n.example)
		case !topic.Valid(n.value):
			c.At(n.key, fmt.Sprintf("%q is no name", n.value), nameMend)
		}
	}
	if c.p.DataDir == "" {
		c.At("data_dir", "data_dir is empty", "name a folder, such as ./data/edge")
	}
}

func (c checker) listeners() {
	c.GuardListen("http.listen", c.p.HTTP.Listen, len(c.p.HTTP.Token) >= 16, "set http.token to 16 characters or more, or listen on 127.0.0.1")
	if c.p.MQTT.Listen != "" {
		c.GuardListen("mqtt.listen", c.p.MQTT.Listen, c.strongLogins(), "give every device a password of 8 characters or more, or listen on 127.0.0.1")
	}
	t := c.p.MQTT.TLS
	if t == nil {
		return
	}
	// A client CA adds a way in and takes none away: passwords still count.
	c.GuardListen("mqtt.tls.listen", t.Listen, c.strongLogins(), "give every device a password of 8 characters or more, or listen on 127.0.0.1")
	c.keyPair("mqtt.tls", t.Cert, t.Key)
	if t.ClientCA != "" {
		c.authority("mqtt.tls.client_ca", t.ClientCA)
	}
}

// keyPair checks a certificate and its key, both of which must be there.
func (c checker) keyPair(section, cert, key string) {
	ok := true
	for _, f := range []struct{ key, file string }{{"cert", cert}, {"key", key}} {
		if f.file == "" {
			c.At(section+"."+f.key, f.key+" is missing", "name a readable PEM file")
			ok = false
		} else if err := readable(f.file); err != nil {
			c.At(section+"."+f.key, err.Error(), "name a readable PEM file")
			ok = false
		}
	}
	if !ok {
		return
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		c.At(section+".cert", err.Error(), "name a certificate and the key that belongs to it")
	}
}

// authority checks a file of CA certificates.
func (c checker) authority(path, file string) {
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		c.At(path, err.Error(), "name a readable PEM file")
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		c.At(path, file+" holds no certificate", "name the PEM file of the authority")
	}
}

// strongLogins reports whether no device has an empty or a short password,
// wherever it stands.
func (c checker) strongLogins() bool {
	return !slices.ContainsFunc(c.p.Logins, func(l Login) bool { return len(l.Password) < 8 })
}

func (c checker) logins() {
	seen := map[string]bool{}
	for i, l := range c.p.MQTT.Devices {
		at := fmt.Sprintf("mqtt.devices[%d]", i)
		switch {
		case !topic.Valid(l.ID):
			c.At(at+".id", fmt.Sprintf("%q is no device id", l.ID), nameMend)
		case seen[l.ID]:
			c.At(at+".id", l.ID+" stands twice", "keep one of them")
		default:
			if err := password.Valid(string(l.Password)); err != nil {
				c.At(at+".password", "of "+l.ID+": "+err.Error(), "set password or password_file")
			}
		}
		seen[l.ID] = true
	}
	c.p.Logins = slices.Clone(c.p.MQTT.Devices)
	if c.p.MQTT.PasswordFile == "" {
		return
	}
	more, err := readPasswords(c.p.MQTT.PasswordFile, seen)
	if err != nil {
		c.At("mqtt.password_file", err.Error(), "write one id:password a line")
	}
	c.p.Logins = append(c.p.Logins, more...)
}

func (c checker) uplink() {
	u := c.p.Uplink
	if u == nil {
		return
	}
	if err := checkURL(u.URL); err != nil {
		c.At("uplink.url", err.Error(), "write tcp://HOST:1884 or ssl://HOST:8884")
	}
	if u.Cert == "" && (u.Username == "" || u.Password == "") {
		c.At("uplink", "neither username and password nor a certificate is set", "paste what `linshao-cloud edge-credential create` printed")
	}
	if u.CA != "" {
		c.authority("uplink.ca", u.CA)
	}
	if u.Cert != "" || u.Key != "" {
		c.keyPair("uplink", u.Cert, u.Key)
	}
}

// The alarm reserve and two segments of samples must fit.
const minOutboxBytes = 32 << 20

// cloudWindow is how old samples may be that the cloud still stores.
const cloudWindow = telemetry.OldestAgeMS * time.Millisecond

func (c checker) outbox() {
	o := c.p.Outbox
	if o.MaxBytes < minOutboxBytes {
		c.At("outbox.max_bytes", fmt.Sprintf("%s is too little", o.MaxBytes), "write at least 32MiB")
	}
	if o.MaxAge < config.Duration(3600e9) {
		c.At("outbox.max_age", fmt.Sprintf("%s is too short", o.MaxAge), "write at least 1h")
	}
	if o.MaxAge > config.Duration(cloudWindow) {
		c.At("outbox.max_age", fmt.Sprintf("%s is more than the cloud takes", time.Duration(o.MaxAge)), "write at most 35d")
	}
	if o.MinFree < 0 {
		c.At("outbox.min_free", "negative", "write 0 or more")
	}
}

func (c checker) devices() {
	seen := map[string]bool{}
	for i, d := range c.p.Devices {
		at := fmt.Sprintf("devices[%d]", i)
		if !topic.Valid(d.ID) {
			c.At(at+".id", fmt.Sprintf("%q is no device id", d.ID), nameMend)
		} else if seen[d.ID] {
			c.At(at+".id", d.ID+" stands twice", "give each device an id of its own")
		}
		seen[d.ID] = true
		profile, ok := c.p.Profiles[d.Profile]
		if !ok {
			c.At(at+".profile", fmt.Sprintf("there is no profile %q", d.Profile), "use one of "+strings.Join(profileNames(c.p.Profiles), ", "))
			continue
		}
		if c.endpoint(at, d, profile) {
			c.p.Compiled = append(c.p.Compiled, device.Device{ID: d.ID, Kind: profile.Kind, Profile: profile, Location: d.Location, Modbus: d.Modbus})
		}
	}
}

func (c checker) endpoint(at string, d Device, p *device.Profile) bool {
	switch {
	case p.Protocol == device.Modbus && d.Modbus == nil:
		c.At(at, "profile "+p.Name+" speaks Modbus, but no address is given", `add modbus: {url: "tcp://HOST:502", unit: 1}`)
	case p.Protocol == device.MQTT && d.Modbus != nil:
		c.At(at+".modbus", "profile "+p.Name+" speaks MQTT", "remove modbus")
	case d.Modbus != nil:
		if _, err := d.Modbus.Address(); err != nil {
			c.At(at+".modbus.url", err.Error(), "")
			return false
		}
		return true
	default:
		return true
	}
	return false
}

func (c checker) rules() {
	seen := map[string]bool{}
	for i, r := range c.p.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		if seen[r.ID] {
			c.At(at+".id", "rule "+r.ID+" stands twice", "give each rule an id of its own")
		}
		seen[r.ID] = true
		if err := detect.Check(&c.p.Rules[i]); err != nil {
			c.At(at+".detector", err.Error(), "")
		}
		// A rule that judges nothing is a person who is not paged.
		if r.Device != "" && r.Device != device.Any && !c.has(func(d device.Device) bool { return d.ID == r.Device }) {
			c.At(at+".device", "there is no device "+r.Device, "name one of devices")
		}
		if r.Kind != "" && r.Kind != device.Any && len(c.p.Devices) > 0 && !c.has(func(d device.Device) bool { return d.Kind == r.Kind }) {
			c.At(at+".kind", "no device is of kind "+r.Kind, "name the kind that a device's profile has")
		}
	}
	for _, d := range c.p.Compiled {
		_, mistakes := d.RulesOf(c.p.Rules)
		for _, m := range mistakes {
			c.At("rules"+pathOf(m.Path), m.What, m.Mend)
		}
	}
}

// has reports whether such a device is configured; it takes devices with
// mistakes of their own for any.
func (c checker) has(is func(device.Device) bool) bool {
	return len(c.p.Compiled) < len(c.p.Devices) || slices.ContainsFunc(c.p.Compiled, is)
}

// pathOf writes a mistake's path as the document knows it.
func pathOf(path []any) string {
	var b strings.Builder
	for _, step := range path {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&b, "[%d]", i)
			continue
		}
		fmt.Fprintf(&b, ".%v", step)
	}
	return b.String()
}

func profileNames(m map[string]*device.Profile) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
