package topic_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/topic"
)

func TestDeviceTopicsParseBack(t *testing.T) {
	t.Parallel()
	d := topic.Device("gate-east-1")
	for s, leaf := range map[string]string{
		d.Telemetry(): topic.Telemetry, d.Events(): topic.Events, d.Status(): topic.Status,
		d.Commands(): topic.Commands, d.Result("7"): topic.Result,
	} {
		got, gotLeaf, cmd, err := topic.ParseDevice(s)
		if err != nil || got != d || gotLeaf != leaf || (leaf == topic.Result) != (cmd == "7") {
			t.Errorf("%s: %q %q %q %v", s, got, gotLeaf, cmd, err)
		}
	}
	if got, want := d.Telemetry(), "devices/gate-east-1/telemetry"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestForeignTopicsAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "devices", "devices/", "devices//telemetry", "devices/A/telemetry", "devices/a/telemetry/x", "devices/a",
		"devices/a/commands/1", "devices/a/commands//result", "devices/a/commands/1/2/result", "devices/#", "devices/+/telemetry",
		"$SYS/x", "devices/" + strings.Repeat("a", 65) + "/telemetry", "devices/.a/status",
	} {
		if _, _, _, err := topic.ParseDevice(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
	for _, s := range []string{"linshao/v1/e/g", "linshao/v1/e/g/up", "linshao/v1/e/g/up/other", "linshao/v1/E/g/up/live", "linshao/v2/e/g/up/live", "linshao/v1//g/up/live"} {
		if _, _, err := topic.ParseUplink(s); err == nil {
			t.Errorf("%q was taken", s)
		}
	}
}

func TestUplinkTopicsParseBack(t *testing.T) {
	t.Parallel()
	u := topic.Uplink{Estate: "sunrise-garden", Edge: "sunrise-1"}
	for s, leaf := range map[string]string{
		u.Up("alarm"): topic.UpAlarm, u.Up("live"): topic.UpLive, u.Up("backfill"): topic.UpBackfill, u.Hello(): topic.UpHello,
		u.Receipt(): topic.DownReceipt, u.Command(): topic.DownCommand, u.Config(): topic.DownConfig,
		u.Transition(): topic.DownTransition, u.Welcome(): topic.DownWelcome, u.Status(): topic.Status,
	} {
		got, gotLeaf, err := topic.ParseUplink(s)
		if err != nil || got != u || gotLeaf != leaf {
			t.Errorf("%s: %v %q %v", s, got, gotLeaf, err)
		}
	}
	if got, want := u.Up("alarm"), "linshao/v1/sunrise-garden/sunrise-1/up/alarm"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNothingParsedCarriesAWildcard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringMatching(`(devices|linshao/v1)(/[a-z0-9+#$._-]{0,4}){1,5}`).Draw(rt, "topic")
		if d, _, _, err := topic.ParseDevice(s); err == nil && strings.ContainsAny(string(d), "+#/$") {
			rt.Fatalf("%q gave device %q", s, d)
		}
		if u, _, err := topic.ParseUplink(s); err == nil && strings.ContainsAny(u.Estate+u.Edge, "+#/$") {
			rt.Fatalf("%q gave %v", s, u)
		}
	})
}

func TestPatrolPages(t *testing.T) {
	t.Parallel()
	if s := topic.PatrolPage("sunrise-garden", "li-wei"); !topic.IsPatrolPage(s) || !strings.HasPrefix(s, topic.PatrolPages("sunrise-garden")) {
		t.Errorf("%s is no patrol page", s)
	}
	for _, s := range []string{"linshao/v1/e/patrol/pages", "linshao/v1/e/patrol/+/pages", "linshao/v1/e/patrol/a/b/pages", "linshao/v1/e/g/down/receipt", "x"} {
		if topic.IsPatrolPage(s) {
			t.Errorf("%s is taken for a patrol page", s)
		}
	}
}
