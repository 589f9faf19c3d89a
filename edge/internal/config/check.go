package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/config"
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
	c.GuardListen("mqtt.tls.listen", t.Listen, c.strongLogins() || t.ClientCA != "", "give every device a password, or set client_ca")
	for key, file := range map[string]string{"cert": t.Cert, "key": t.Key} {
		if err := readable(file); err != nil {
			c.At("mqtt.tls."+key, err.Error(), "name a readable PEM file")
		}
	}
}

// strongLogins reports whether no device has an empty or a short password.
func (c checker) strongLogins() bool {
	return !slices.ContainsFunc(c.p.MQTT.Devices, func(l Login) bool { return len(l.Password) < 8 })
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
		case l.Password == "":
			c.At(at+".password", "the password of "+l.ID+" is empty", "set password or password_file")
		}
		seen[l.ID] = true
	}
	c.p.Logins = slices.Clone(c.p.MQTT.Devices)
	if c.p.MQTT.PasswordFile == "" {
		return
	}
	more, err := readPasswords(c.p.MQTT.PasswordFile)
	if err != nil {
		c.At("mqtt.password_file", err.Error(), "write one id:password a line")
		return
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
	for key, file := range map[string]string{"ca": u.CA, "cert": u.Cert, "key": u.Key} {
		if file == "" {
			continue
		}
		if err := readable(file); err != nil {
			c.At("uplink."+key, err.Error(), "name a readable PEM file")
		}
	}
}

// The alarm reserve and two segments of samples must fit.
const minOutboxBytes = 32 << 20

func (c checker) outbox() {
	o := c.p.Outbox
	if o.MaxBytes < minOutboxBytes {
		c.At("outbox.max_bytes", fmt.Sprintf("%s is too little", o.MaxBytes), "write at least 32MiB")
	}
	if o.MaxAge < config.Duration(3600e9) {
		c.At("outbox.max_age", fmt.Sprintf("%s is too short", o.MaxAge), "write at least 1h")
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
	}
	for _, d := range c.p.Compiled {
		_, mistakes := d.RulesOf(c.p.Rules)
		for _, m := range mistakes {
			c.At("rules"+pathOf(m.Path), m.What, m.Mend)
		}
	}
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
