package demo

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	qrcode "github.com/skip2/go-qrcode"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
)

// teller talks to the person at the terminal and breaks things, by the story
// or by a key. A nil screen keeps it quiet.
type teller struct {
	site    *site
	sims    control.Estates
	log     *slog.Logger
	options Options

	mu     sync.Mutex // guards all below: story and keys speak at once
	screen io.Writer
	// menu is what the digits choose from while it is open.
	menu []scene
}

// faultNames are the faults as people say them.
func faultName(f estate.Fault) string {
	switch f {
	case estate.Entrapment:
		return "电梯困人"
	case estate.OverheatDrift:
		return "电机升温"
	case estate.DoorForced:
		return "强行开门"
	case estate.DoorHeld:
		return "门未关"
	case estate.RobotStuck:
		return "机器人卡住"
	}
	return "设备失联"
}

// say prints lines.
func (t *teller) say(lines ...string) {
	if t.screen == nil {
		return
	}
	fmt.Fprintln(t.screen, strings.Join(lines, "\n"))
}

// greet shows where everything is.
func (t *teller) greet() {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.site
	console := "http://" + reachable(s.cloudHTTP)
	lines := []string{
		"邻哨 Linshao " + t.options.Version,
		fmt.Sprintf("演示模式:数据为模拟,%s · 种子 %d · 速度 %gx", t.fate(), t.options.Seed, t.options.Speed),
		"  调度台    " + s.publicURL + other(console, s.publicURL),
		"  手机巡更  " + s.publicURL + "/m",
	}
	for _, p := range s.estates {
		lines = append(lines, fmt.Sprintf("  边缘页    http://%s %s", reachable(p.http), p.Name))
	}
	lines = append(lines,
		fmt.Sprintf("  MQTT      mqtt://%s   Modbus tcp://%s", reachable(s.estates[0].mqtt), reachable(s.estates[0].modbus)),
		fmt.Sprintf("  登录      %s / %s", adminLogin, s.keys.Logins[adminLogin]),
	)
	lines = append(lines, t.code()...)
	t.say(append(lines, t.prompt())...)
}

func (t *teller) fate() string {
	if t.options.Data != "" || t.options.Keep {
		return "保存在 " + t.site.dir
	}
	return "退出即清除"
}

func other(console, public string) string {
	if console == public {
		return ""
	}
	return "      " + console
}

// code is the QR of the phone page, or why there is none.
func (t *teller) code() []string {
	u, err := url.Parse(t.site.publicURL)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() {
		return []string{"  手机扫码:加 --lan,同一 Wi-Fi 的手机即可打开(注意防火墙与 Wi-Fi 隔离)"}
	}
	q, err := qrcode.New(t.site.publicURL+"/m", qrcode.Low)
	if err != nil {
		t.log.Debug("no QR code", "err", err)
		return nil
	}
	return strings.Split(strings.TrimRight(q.ToSmallString(false), "\n"), "\n")
}

func (t *teller) prompt() string {
	const keys = "[空格] 立即困人  [f] 选择故障  [q] 退出"
	if !t.options.Faults {
		return keys
	}
	first := story(t.site)[0]
	return fmt.Sprintf("%d 秒后:%s%s。%s", int(firstFault.Seconds()), t.where(first.device), faultName(first.fault), keys)
}

// where is a device's place as people call it.
func (t *teller) where(device string) string {
	_, id, _ := strings.Cut(device, ":")
	for _, p := range t.site.estates {
		for _, d := range p.plan.Devices {
			if d.ID == id {
				return p.Name + d.Location
			}
		}
	}
	return device
}

// bring brings a fault on for its own time and says so.
func (t *teller) bring(f estate.Fault, device string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bringLocked(f, device)
}

func (t *teller) bringLocked(f estate.Fault, device string) {
	if err := t.sims.Begin(f, device, 0); err != nil {
		t.log.Warn("fault not brought on", "fault", string(f), "device", device, "err", err)
		return
	}
	t.say("» " + t.where(device) + " " + faultName(f))
}

// ctrlD ends input; Ctrl-C comes as a signal.
const ctrlD = 4

// press answers a key; it reports whether the person wants to leave.
func (t *teller) press(key byte) (quit bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case key == 'q' || key == 'Q' || key == ctrlD:
		t.say("正在退出……")
		return true
	case key == ' ':
		first := story(t.site)[0]
		t.bringLocked(first.fault, first.device)
	case key == 'f' || key == 'F':
		t.openMenu()
	case t.menu != nil:
		t.choose(key)
	}
	return false
}

// menuKeys number the menu; there is one letter too for long menus.
const menuKeys = "1234567890abcdeghijklmnoprstuvwxyz"

func (t *teller) openMenu() {
	t.menu = nil
	for _, p := range t.site.estates {
		for _, d := range p.plan.Devices {
			for _, f := range estate.Faults(d.Kind) {
				if f != estate.DeviceSilent || d.Kind == estate.Robot {
					t.menu = append(t.menu, scene{fault: f, device: p.ID + ":" + d.ID})
				}
			}
		}
	}
	t.menu = t.menu[:min(len(t.menu), len(menuKeys))]
	var lines []string
	for i, m := range t.menu {
		lines = append(lines, fmt.Sprintf("  [%c] %s %s", menuKeys[i], t.where(m.device), faultName(m.fault)))
	}
	t.say(lines...)
}

func (t *teller) choose(key byte) {
	if i := slices.Index([]byte(menuKeys), key); i >= 0 && i < len(t.menu) {
		t.bringLocked(t.menu[i].fault, t.menu[i].device)
	}
	t.menu = nil
}
