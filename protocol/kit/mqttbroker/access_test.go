package mqttbroker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

func withWill(topic, payload string, qos byte) func(*packets.Packet) {
	return func(pk *packets.Packet) {
		pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte(payload)
		pk.Connect.WillQos, pk.Connect.WillRetain = qos, true
	}
}

func TestConnectIsRefused(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for _, c := range []struct {
		name   string
		change func(*packets.Packet)
		v4, v5 byte
	}{
		{"wrong password", func(pk *packets.Packet) { pk.Connect.Password = []byte("guess") }, 5, 0x86},
		{"no password", func(pk *packets.Packet) { pk.Connect.PasswordFlag = false; pk.Connect.Password = nil }, 5, 0x86},
		{"no name", func(pk *packets.Packet) { pk.Connect.UsernameFlag = false; pk.Connect.Username = nil }, 5, 0x86},
		{"name with NUL", func(pk *packets.Packet) {
			pk.Connect.Username, pk.Connect.Password = []byte("ga\x00te"), []byte("pw-ga\x00te")
		}, 5, 0x86},
		{"name with a space", func(pk *packets.Packet) { pk.Connect.Username, pk.Connect.Password = []byte("a b"), []byte("pw-a b") }, 5, 0x86},
		{"will on a foreign topic", withWill("devices/lift/status", "offline", 1), 5, 0x87},
		{"will on commands", withWill("devices/gate/commands", "{}", 1), 5, 0x87},
		{"will on $SYS", withWill("$SYS/broker/x", "y", 0), 5, 0x87},
		{"will with a wildcard", withWill("devices/gate/#", "y", 0), 5, 0x87},
		{"will too deep", withWill("devices/gate"+strings.Repeat("/x", 20), "y", 0), 5, 0x87},
		{"will with QoS 2", withWill("devices/gate/status", "y", 2), 0x9b, 0x9b}, // by mochi itself
		{"will with QoS 3", withWill("devices/gate/status", "y", 3), 0x82, 0x82}, // by mochi itself
		{"long client id", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = strings.Repeat("x", 300) }, 2, 0x85},
		{"enhanced authentication", func(pk *packets.Packet) {
			if pk.Properties.AuthenticationMethod = "SCRAM"; pk.ProtocolVersion == 4 {
				pk.Connect.Password = nil // MQTT 3.1.1 has none: any other refusal
				pk.Connect.PasswordFlag = false
			}
		}, 5, 0x8c},
	} {
		for _, version := range []byte{4, 5} {
			p := e.dial(t)
			ack := p.login("gate", func(pk *packets.Packet) { pk.ProtocolVersion = version; c.change(pk) })
			want := c.v4
			if version == 5 {
				want = c.v5
			}
			if ack.ReasonCode != want {
				t.Errorf("%s, v%d: CONNACK %#x, want %#x", c.name, version, ack.ReasonCode, want)
			}
			p.wantClosed()
		}
	}
	if n := e.b.Stats().Sessions; n != 0 || len(e.presence) != 0 {
		t.Errorf("%d sessions, %d notices", n, len(e.presence))
	}
	p := e.dial(t)
	if ack := p.login("gate", func(pk *packets.Packet) {
		pk.ProtocolVersion, pk.Connect.ProtocolName = 3, []byte("MQIsdp")
	}); ack.ReasonCode != 1 {
		t.Errorf("MQTT 3.1: CONNACK %d", ack.ReasonCode)
	}
}

func TestKeepAliveIsClampedOrRefused(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for asked, used := range map[uint16]uint16{0: 60, 2: 5, 5: 0, 60: 0, 65535: 60} {
		set := func(version byte) func(*packets.Packet) {
			return func(pk *packets.Packet) { pk.ProtocolVersion, pk.Connect.Keepalive = version, asked }
		}
		if ack := e.dial(t).login("gate", set(5)); ack.ReasonCode != 0 || ack.Properties.ServerKeepAlive != used {
			t.Errorf("v5, %d s: reason %d, server keep-alive %d", asked, ack.ReasonCode, ack.Properties.ServerKeepAlive)
		}
		ack := e.dial(t).login("gate", set(4))
		if refused := ack.ReasonCode == 3; refused != (used != 0) {
			t.Errorf("v4, %d s: CONNACK %d", asked, ack.ReasonCode)
		}
	}
}

func TestAClientReadsAndWritesOnlyItsOwnTopics(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	five := e.connect(t, "gate", v5)
	for i, topic := range []string{"devices/lift/telemetry", "devices/gate/commands", "$SYS/x", "a", "devices/gate" + strings.Repeat("/x", 15)} {
		five.publish(topic, "x", uint16(i+1))
		if strings.HasPrefix(topic, "$SYS") {
			continue // mochi ignores these
		}
		if ack := five.want(packets.Puback); ack.ReasonCode != 0x87 {
			t.Errorf("%s: PUBACK reason %#x", topic, ack.ReasonCode)
		}
	}
	for filter, want := range map[string]byte{
		"devices/gate/commands": 1, "devices/lift/commands": 0x87, "devices/gate/#": 0x87, "devices/+/commands": 0x87,
		"#": 0x87, "$SYS/#": 0x87, "$share/g/devices/gate/commands": 0x87,
	} {
		if code := five.subscribe(filter); code != want {
			t.Errorf("%s: SUBACK %#x, want %#x", filter, code, want)
		}
	}
	three := e.connect(t, "lift", nil)
	three.publish("devices/gate/telemetry", "x", 0) // QoS 0 is dropped quietly
	three.ping()
	three.publish("devices/gate/telemetry", "x", 1)
	three.wantClosed()
	if len(e.messages) != 0 {
		t.Errorf("%d forbidden messages were handed over", len(e.messages))
	}
}

func TestCommandsReachTheirDeviceAndAreNeverRetained(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	gate, lift := e.connect(t, "gate", nil), e.connect(t, "lift", nil)
	must(t, e.b.Publish("devices/gate/commands", []byte("before"), 1, false))
	gate.subscribe("devices/gate/commands")
	lift.subscribe("devices/lift/commands")
	must(t, e.b.Publish("devices/gate/commands", []byte("open"), 1, false))
	if m := gate.want(packets.Publish); string(m.Payload) != "open" || m.FixedHeader.Qos != 1 || m.FixedHeader.Retain {
		t.Errorf("got %+v", m)
	}
	lift.ping()
	if err := e.b.Publish("devices/gate/commands", []byte("x"), 1, true); err == nil {
		t.Error("a retained command was accepted")
	}
	if err := e.b.Publish("devices/+/commands", []byte("x"), 1, false); err == nil {
		t.Error("a wildcard was accepted as topic")
	}
}

func TestStatusIsRetainedAndTelemetryIsNot(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	gate := e.connect(t, "gate", nil)
	gate.send(gate.publishBytes("devices/gate/status", "online", 1, true))
	gate.send(gate.publishBytes("devices/gate/telemetry", "{}", 2, true))
	status, telemetry := e.next(t), e.next(t)
	watch := e.connect(t, "watch", nil)
	watch.subscribe("devices/gate/status")
	watch.ping() // nothing yet: it is routed when it is durable
	status.ack(nil)
	telemetry.ack(nil)
	if m := watch.want(packets.Publish); string(m.Payload) != "online" {
		t.Errorf("got %q", m.Payload)
	}
	late := e.connect(t, "gate", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "late" })
	late.subscribe("devices/gate/status")
	if m := late.want(packets.Publish); string(m.Payload) != "online" || !m.FixedHeader.Retain {
		t.Errorf("retained: %+v", m)
	}
	late.subscribe("devices/gate/telemetry")
	late.ping()
}

func TestWills(t *testing.T) {
	t.Parallel()
	will := withWill("devices/gate/status", "offline", 1)
	for _, c := range []struct {
		name string
		end  func(*estate, *peer)
		want bool
	}{
		{"the connection breaks", func(_ *estate, p *peer) { _ = p.Close() }, true},
		{"it breaks the protocol", func(_ *estate, p *peer) { p.send([]byte{0, 0}) }, true},
		{"it connects twice", func(_ *estate, p *peer) { p.send([]byte{0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 30, 0, 0}) }, true},
		{"we drop it", func(e *estate, _ *peer) { e.b.Disconnect("gate") }, true},
		{"it says goodbye", func(_ *estate, p *peer) { p.send([]byte{0xe0, 0}) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := start(t, nil)
			p := e.connect(t, "gate", will)
			await(t, e.presence)
			c.end(e, p)
			if c.want {
				m := e.next(t)
				if !m.Will || m.From != "gate" || m.Topic != "devices/gate/status" || string(m.Payload) != "offline" || !m.Retain {
					t.Errorf("got %+v", m.Message)
				}
				m.ack(nil)
			}
			if left := await(t, e.presence); left.online || left.clean == c.want {
				t.Errorf("presence %+v", left)
			}
			if len(e.messages) != 0 {
				t.Error("an unexpected will")
			}
		})
	}
}

func TestAWillIsNotPublishedWhileTheClientLives(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	will := withWill("devices/gate/status", "offline", 1)
	first := e.connect(t, "gate", will)
	second := e.connect(t, "gate", will) // the same client again
	first.wantClosed()
	third := e.connect(t, "gate", func(pk *packets.Packet) { will(pk); pk.Connect.ClientIdentifier = "another" })
	_ = third.Close()
	eventually(t, "only one is left", func() bool { return e.b.Stats().Sessions == 1 })
	second.ping()
	if c := await(t, e.presence); !c.online || len(e.presence) != 0 || len(e.messages) != 0 {
		t.Errorf("presence %+v and %d more, %d messages", c, len(e.presence), len(e.messages))
	}
	_ = second.Close()
	e.next(t).ack(nil)
	if c := await(t, e.presence); c.online {
		t.Errorf("presence %+v", c)
	}
}

func TestAWillNeverOvertakesTheRevivedClient(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	e.messages = make(chan received) // the will has to wait for its taker
	p := e.connect(t, "gate", withWill("devices/gate/status", "offline", 1))
	_ = p.Close()
	eventually(t, "the will is under way", func() bool { return e.b.Stats().Messages == 1 })
	done := make(chan *peer)
	go func() {
		again := e.dial(t)
		again.login("gate", nil)
		again.publish("devices/gate/status", "online", 1)
		done <- again
	}()
	if m := e.next(t); !m.Will {
		t.Errorf("first came %+v", m.Message)
	}
	if m := e.next(t); string(m.Payload) != "online" {
		t.Errorf("then came %+v", m.Message)
	}
	await(t, done)
}

func TestClientIDsBelongToTheirUser(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	victim := e.connect(t, "gate", func(pk *packets.Packet) { pk.Connect.ClientIdentifier, pk.Connect.Clean = "panel", false })
	victim.subscribe("devices/gate/commands")
	must(t, e.b.Publish("devices/gate/commands", []byte("secret"), 1, false))
	victim.want(packets.Publish) // not acknowledged: it stays in flight
	for _, id := range []string{"panel", "gate panel", "gate panel 1"} {
		thief := e.connect(t, "lift", func(pk *packets.Packet) { pk.Connect.ClientIdentifier, pk.Connect.Clean = id, false })
		thief.ping() // nothing was inherited
		victim.ping()
	}
}

func TestASessionEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	for _, version := range []byte{4, 5} {
		stay := func(pk *packets.Packet) {
			pk.ProtocolVersion, pk.Connect.Clean = version, false
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 3600, true
		}
		p := e.connect(t, "gate", stay)
		p.subscribe("devices/gate/commands")
		must(t, e.b.Publish("devices/gate/commands", []byte("old"), 1, false))
		p.want(packets.Publish)
		again := e.connect(t, "gate", stay) // expects SessionPresent 0
		p.wantClosed()
		again.ping()
		if e.b.Subscribed("devices/gate/commands") {
			t.Error("the subscription was inherited")
		}
	}
}

func TestRevokedClientsAreDisconnected(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	a, b, lift := e.connect(t, "gate", nil), e.connect(t, "gate", func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "b" }), e.connect(t, "lift", nil)
	if n := e.b.Disconnect("gate"); n != 2 {
		t.Errorf("%d sessions", n)
	}
	a.wantClosed()
	b.wantClosed()
	lift.ping()
}

// TestManyClientsFightingOverOneID takes one client id over and over from many
// goroutines; in the end one session is left, and no trace of the others.
func TestManyClientsFightingOverOneID(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	parallel(8, func(i int) {
		for range 10 {
			p := e.dial(t)
			// Another may take the id before this one is even answered.
			p.send(p.connectBytes("gate", func(pk *packets.Packet) { pk.ProtocolVersion = byte(4 + i%2) }))
			_, _ = p.read()
		}
	})
	last := e.connect(t, "gate", nil)
	last.ping()
	eventually(t, "one session is left", func() bool { return e.b.Stats().Sessions == 1 && e.b.server.Clients.Len() == 2 })
	online := false
	for len(e.presence) > 0 {
		c := <-e.presence
		if c.online == online {
			t.Fatal("presence told twice the same")
		}
		online = c.online
	}
	if !online {
		t.Error("presence ended offline")
	}
}

func TestCertificatesAreIdentities(t *testing.T) {
	t.Parallel()
	ca, pool := authority(t, "ca")
	server := issue(t, ca, "127.0.0.1")
	e := start(t, func(o *Options) {
		o.Listen[0].TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{server}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
		o.Limits.ConnectWithin = patience
	})
	gate := issue(t, ca, "gate")
	p, err := dialTLS(t, e, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{gate}})
	must(t, err)
	if ack := p.login("lift", nil); ack.ReasonCode != 0 {
		t.Fatalf("CONNACK %d", ack.ReasonCode)
	}
	p.publish("devices/gate/telemetry", "x", 1)
	if m := e.next(t); m.From != "gate" {
		t.Errorf("the certificate says gate, the broker %s", m.From)
	} else {
		m.ack(nil)
	}
	p.want(packets.Puback)

	stranger, _ := authority(t, "another ca")
	forged := issue(t, stranger, "gate")
	insist := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &forged, nil }
	if p, err := dialTLS(t, e, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", GetClientCertificate: insist}); err == nil {
		p.wantClosed() // TLS 1.3 tells the client only when it reads
	}
	eventually(t, "the forged certificate is refused", func() bool { return e.b.Stats().RefusedSilent == 1 })
}

func TestATLSHandshakeHasADeadline(t *testing.T) {
	t.Parallel()
	ca, _ := authority(t, "ca")
	e := start(t, func(o *Options) {
		o.Listen[0].TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{issue(t, ca, "127.0.0.1")}}
		o.Limits.ConnectWithin = 50 * time.Millisecond
	})
	p := e.dial(t)
	p.send([]byte{0x16, 3, 1})
	p.wantClosed()
}

func authority(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	c := sign(t, name, nil)
	pool := x509.NewCertPool()
	pool.AddCert(c.Leaf)
	return c, pool
}

func issue(t *testing.T, ca tls.Certificate, name string) tls.Certificate {
	t.Helper()
	return sign(t, name, &ca)
}

func sign(t *testing.T, name string, ca *tls.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: ca == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if name == "127.0.0.1" {
		leaf.IPAddresses = append(leaf.IPAddresses, []byte{127, 0, 0, 1})
	}
	parent, signer := leaf, key
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey.(*ecdsa.PrivateKey)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, parent, &key.PublicKey, signer)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}
}
