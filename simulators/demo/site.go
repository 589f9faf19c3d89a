package demo

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/linshao/linshao/simulators/estate"
)

// site is everything a demo consists of: who and what, where it listens, and
// the secrets. It is settled before anything is started.
type site struct {
	dir, bin         string
	cloudHTTP        string
	cloudMQTT        string
	publicURL        string
	pager, sim       string // addresses to listen on
	pagerURL, simURL string // known once they listen
	estates          []*place
	keys             keys
	fresh            bool // the data folder holds no demo yet
}

// place is one estate of the demo.
type place struct {
	ID, Name, Edge string
	plan           estate.Plan
	staff          []person
	// http, mqtt and modbus are this estate's addresses.
	http, mqtt, modbus string
}

// person is somebody who can be paged.
type person struct {
	ID, Name, Post string
	Phone          string
	Member         bool // 党员
	Vanguard       bool // 党员先锋岗
	Skills         []string
}

// login is an account of the demo; Staff ties it to a person.
type login struct {
	Name, Role, Estate, Staff string
}

const (
	adminLogin = "demo-admin"
	// guestDevice is nobody's: its password is given away, so that people can
	// publish as a device of their own.
	guestDevice = "gate-guest-1"
)

func newSite(o Options, dir string) (*site, error) {
	s := &site{
		dir: dir, bin: o.Bin, cloudHTTP: o.CloudHTTP, cloudMQTT: o.CloudMQTT,
		pager: o.PagerHTTP, sim: o.SimHTTP,
	}
	for i := range o.Estates {
		s.estates = append(s.estates, newPlace(i))
	}
	if err := s.takePorts(o); err != nil {
		return nil, err
	}
	s.publicURL = o.PublicURL
	if s.publicURL == "" {
		s.publicURL = "http://" + reachable(s.cloudHTTP)
	}
	return s, s.openKeys()
}

// takePorts gives every listener its port: the bases first, then the next free
// ones for further estates. The MQTT base of the cloud lies right behind that
// of the edges, so "next" skips what is taken.
func (s *site) takePorts(o Options) error {
	l := ledger{taken: map[string]bool{}}
	if err := errors.Join(l.base("--cloud-http", &s.cloudHTTP), l.base("--cloud-mqtt", &s.cloudMQTT)); err != nil {
		return err
	}
	bases := []struct {
		flag, addr string
		at         func(*place) *string
	}{
		{"--edge-http", o.EdgeHTTP, func(p *place) *string { return &p.http }},
		{"--edge-mqtt", o.EdgeMQTT, func(p *place) *string { return &p.mqtt }},
		{"--modbus", o.Modbus, func(p *place) *string { return &p.modbus }},
	}
	for _, b := range bases {
		for i, p := range s.estates {
			at := b.at(p)
			*at = b.addr
			var err error
			if i == 0 {
				err = l.base(b.flag, at)
			} else {
				err = l.next(b.flag, at)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// ledger remembers which addresses are given away.
type ledger struct{ taken map[string]bool }

// base takes exactly the address, or a free port where it says :0.
func (l *ledger) base(flag string, at *string) error {
	free, err := probe(*at)
	if err == nil && l.taken[free] {
		err = fmt.Errorf("%s is used twice", free)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w; choose another address", flag, *at, err)
	}
	l.taken[free] = true
	*at = free
	return nil
}

// next takes the first free port behind the address.
func (l *ledger) next(flag string, at *string) error {
	host, port, err := net.SplitHostPort(*at)
	if err != nil {
		return fmt.Errorf("%s %s: %w", flag, *at, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("%s %s: the port is no number", flag, *at)
	}
	for tries := 1; tries <= 100; tries++ {
		addr := net.JoinHostPort(host, strconv.Itoa(n+tries))
		if n == 0 {
			addr = *at
		}
		free, err := probe(addr)
		if err == nil && !l.taken[free] {
			l.taken[free] = true
			*at = free
			return nil
		}
	}
	return fmt.Errorf("%s %s: none of the 100 ports behind it is free", flag, *at)
}

// probe listens for a moment to see that an address can be had.
func probe(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	defer func() { _ = ln.Close() }()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if port == "0" {
		_, port, err = net.SplitHostPort(ln.Addr().String())
	}
	return net.JoinHostPort(host, port), err
}

// reachable replaces a listen address on all interfaces by one that works on
// this machine: 0.0.0.0 is not printed to anybody.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) binary(name string) string { return filepath.Join(s.bin, name) }

// logins are the admin and one account per role, each bound to a person of the
// first estate.
func (s *site) logins() []login {
	home := s.estates[0].ID
	return []login{
		{Name: adminLogin, Role: "admin"},
		{Name: s.staffID("manager"), Role: "admin", Staff: s.staffID("manager")},
		{Name: s.staffID("desk"), Role: "dispatcher", Staff: s.staffID("desk")},
		{Name: s.staffID("patrol"), Role: "patrol", Estate: home, Staff: s.staffID("patrol")},
		{Name: s.staffID("maintainer"), Role: "maintainer", Estate: home, Staff: s.staffID("maintainer")},
		{Name: s.staffID("council"), Role: "viewer", Estate: home, Staff: s.staffID("council")},
	}
}

// staffID is the first person of a post in the first estate; "council" is the
// residents' observer, who has no post and is never paged.
func (s *site) staffID(post string) string {
	for _, p := range s.estates[0].staff {
		if p.Post == post || p.Post == "" && post == "council" {
			return p.ID
		}
	}
	return ""
}

// readyLine is what programs read to find the demo: its form is a promise.
func (s *site) readyLine() string {
	var edges, staff []string
	for _, e := range s.estates {
		edges = append(edges, "http://"+reachable(e.http))
	}
	for _, l := range s.logins() {
		if l.Name != adminLogin {
			staff = append(staff, l.Name+":"+s.keys.Logins[l.Name])
		}
	}
	return fmt.Sprintf("READY console=http://%s edges=%s sim=%s mqtt=mqtt://%s user=%s password=%s token=%s device=%s:%s staff=%s",
		reachable(s.cloudHTTP), strings.Join(edges, ","), s.simURL, reachable(s.estates[0].mqtt),
		adminLogin, s.keys.Logins[adminLogin], s.keys.Token, guestDevice, s.keys.Devices[guestDevice],
		strings.Join(staff, ","))
}

// readyURLs are asked before READY is said, the cloud first.
func (s *site) readyURLs() []string {
	urls := []string{"http://" + reachable(s.cloudHTTP) + "/readyz"}
	for _, e := range s.estates {
		urls = append(urls, "http://"+reachable(e.http)+"/readyz")
	}
	return urls
}
