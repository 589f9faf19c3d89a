package demo

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	yaml "go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/truth"
)

func settled(t *testing.T) *site {
	t.Helper()
	o := options(t, io.Discard)
	s, err := newSite(o, o.Data)
	if err != nil {
		t.Fatal(err)
	}
	s.pagerURL = "http://127.0.0.1:9"
	return s
}

// render marshals as writeFile does and reads back into a checked shape.
func render(t *testing.T, content doc, into any) {
	t.Helper()
	text, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
}

func TestEdgeConfigHasTheContractsKeysAndNoOthers(t *testing.T) {
	s := settled(t)
	uplink, err := uplinkBlock("uplink: {url: tcp://elsewhere:1, username: u, password: p}\n")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Estate, Edge string
		DataDir      string `yaml:"data_dir"`
		HTTP         struct{ Listen string }
		MQTT         struct {
			Listen  string
			Devices []struct{ ID, Password string }
		}
		Uplink  struct{ URL, Username, Password string }
		Devices []struct {
			ID, Profile, Location string
			Modbus                struct {
				URL  string
				Unit int
			}
		}
	}
	render(t, s.edgeConfig(s.estates[0], uplink), &c)
	if c.Estate != "sunrise-garden" || c.Edge != "sunrise-1" || c.Uplink.URL != "tcp://"+s.cloudMQTT || c.Uplink.Password != "p" {
		t.Errorf("%+v", c)
	}
	profiles, accounts := map[string]int{}, 0
	for _, d := range c.Devices {
		profiles[d.Profile]++
		if (d.Profile == "lift-terminal") != (d.Modbus.URL == "tcp://"+s.estates[0].modbus && d.Modbus.Unit > 0) {
			t.Errorf("%+v", d)
		}
	}
	for _, d := range c.MQTT.Devices {
		if d.Password == "" {
			t.Errorf("%s has no password", d.ID)
		}
		accounts++
	}
	if profiles["access-gate"] != 3 || profiles["lift-terminal"] != 3 || profiles["patrol-robot"] != 1 || accounts != 4 {
		t.Errorf("profiles %v, accounts %d", profiles, accounts)
	}
}

func TestSeedsGiveEachEstateItsPeopleAndNoIdTwice(t *testing.T) {
	s := settled(t)
	var c struct {
		Estates []struct {
			ID, Name, Timezone, Hotline string
			Edges                       []struct{ ID string }
		}
		Staff []struct {
			ID, Name, Estate, Phone, Post string
			PartyMember                   bool `yaml:"party_member"`
			Vanguard                      bool
			Skills                        []string
			Channels                      []struct{ Kind, URL, Secret string }
		}
		Rosters []struct {
			ID, Estate string
			Shifts     []struct {
				From, To string
				Days     []string
				Staff    []string
				Leader   string
			}
		}
		Policies []struct {
			ID, Estate string
			Match      struct{ Severity []string }
			Steps      []struct{ To, After string }
		}
	}
	render(t, s.seeds(), &c)
	seen := map[string]bool{}
	once := func(id string) {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	posts := map[string]int{}
	for _, p := range c.Staff {
		once(p.ID)
		posts[p.Estate+"/"+p.Post]++
		if p.Post != "" && (len(p.Channels) != 1 || p.Channels[0].URL != s.pagerURL+"/"+p.ID || p.Channels[0].Secret == "") {
			t.Errorf("%s cannot be paged: %+v", p.ID, p.Channels)
		}
		if len(p.Phone) != 11 {
			t.Errorf("phone %s of %s", p.Phone, p.ID)
		}
	}
	for _, e := range c.Estates {
		once(e.ID)
		for _, post := range []string{"manager", "desk", "maintainer"} {
			if posts[e.ID+"/"+post] != 1 {
				t.Errorf("%s has %d of %s", e.ID, posts[e.ID+"/"+post], post)
			}
		}
	}
	for _, r := range c.Rosters {
		once(r.ID)
		if len(r.Shifts) != 2 || r.Shifts[0].To != r.Shifts[1].From || r.Shifts[1].To != r.Shifts[0].From || len(r.Shifts[0].Days) != 7 {
			t.Errorf("%s leaves a gap: %+v", r.ID, r.Shifts)
		}
	}
	for _, p := range c.Policies {
		once(p.ID)
	}
}

func TestUplinkBlockIsTakenAsPrinted(t *testing.T) {
	for _, text := range []string{"", "no yaml: [", "token: x"} {
		if _, err := uplinkBlock(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestTheStoryCoversEveryFaultAndStartsWithTheLift(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		o := options(t, io.Discard)
		o.Estates = n
		s, err := newSite(o, o.Data)
		if err != nil {
			t.Fatal(err)
		}
		scenes := story(s)
		if scenes[0].fault != estate.Entrapment || scenes[0].at != firstFault || scenes[0].device != "sunrise-garden:lift-3-2" {
			t.Errorf("first %+v", scenes[0])
		}
		seen := map[estate.Fault]bool{}
		for _, sc := range scenes {
			seen[sc.fault] = true
			if sc.at >= encore {
				t.Errorf("%+v comes after the encore", sc)
			}
		}
		if len(seen) != 6 {
			t.Errorf("faults %v", seen)
		}
	}
}

// recorded writes down the faults that are brought on.
type recorded struct {
	control.Estate
	did *[]string
}

func (r recorded) Begin(f estate.Fault, device string, lasts time.Duration) error {
	*r.did = append(*r.did, string(f)+" "+device)
	return r.Estate.Begin(f, device, lasts)
}

// stillEstate is an estate whose time stands still.
type stillEstate struct {
	*estate.Estate
	name string
}

func (s stillEstate) Name() string         { return s.name }
func (s stillEstate) Truth() []truth.Fault { return nil }

func TestKeysBreakThings(t *testing.T) {
	s := settled(t)
	var screen strings.Builder
	var did []string
	tell := &teller{site: s, options: Options{Faults: true, Seed: 42, Speed: 1}, screen: &screen, log: options(t, nil).Log}
	for _, p := range s.estates {
		e, err := estate.New(p.plan, 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		tell.sims = append(tell.sims, recorded{stillEstate{e, p.ID}, &did})
	}
	tell.greet()
	for _, want := range []string{"演示模式", "种子 42", "阳光花园", "和平里", "40 秒后:阳光花园3号楼2单元电梯困人", "[空格]", "--lan"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("%q is not on the screen:\n%s", want, screen.String())
		}
	}
	for _, key := range []byte(" f1x2") { // the menu closes after one choice
		if tell.press(key) {
			t.Fatalf("%q quits", key)
		}
	}
	if want := []string{"entrapment lift-3-2", "door_forced gate-east-1"}; !slices.Equal(did, want) {
		t.Errorf("did %q, want %q", did, want)
	}
	for _, key := range []byte{'q', 4} {
		if !tell.press(key) {
			t.Errorf("%d does not quit", key)
		}
	}
	tell.site.publicURL = "http://192.168.1.23:8080"
	screen.Reset()
	tell.greet()
	if !strings.Contains(screen.String(), "█") {
		t.Errorf("no QR code for a phone:\n%s", screen.String())
	}
}
