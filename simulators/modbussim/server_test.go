package modbussim_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/simonvetter/modbus"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/modbussim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *modbussim.Server {
	t.Helper()
	s, err := modbussim.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// master is a Modbus client that is not ours.
func master(t *testing.T, s *modbussim.Server, unit uint8) *modbus.ModbusClient {
	t.Helper()
	c, err := modbus.NewClient(&modbus.ClientConfiguration{URL: s.URL(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetUnitId(unit); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAForeignMasterReadsAllFourSpaces(t *testing.T) {
	t.Parallel()
	s := start(t)
	u := s.Unit(7)
	u.SetHolding(10, 1, 2, 3)
	u.SetInput(20, modbussim.Float32(61.5)...)
	u.SetCoil(3, true, false, true)
	u.SetDiscrete(65535, true)
	c := master(t, s, 7)
	holding, err := c.ReadRegisters(10, 3, modbus.HOLDING_REGISTER)
	if d := cmp.Diff([]uint16{1, 2, 3}, holding); d != "" || err != nil {
		t.Error(d, err)
	}
	if v, err := c.ReadFloat32(20, modbus.INPUT_REGISTER); v != 61.5 || err != nil {
		t.Error(v, err)
	}
	coils, err := c.ReadCoils(3, 3)
	if d := cmp.Diff([]bool{true, false, true}, coils); d != "" || err != nil {
		t.Error(d, err)
	}
	if last, err := c.ReadDiscreteInput(65535); !last || err != nil {
		t.Error(last, err)
	}
}

func TestWhatIsNotThereIsAnException(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Unit(1).SetHolding(0, 5)
	c := master(t, s, 1)
	if _, err := c.ReadRegisters(0, 2, modbus.HOLDING_REGISTER); !errors.Is(err, modbus.ErrIllegalDataAddress) {
		t.Errorf("half-known block: %v", err)
	}
	if err := c.WriteRegister(0, 9); !errors.Is(err, modbus.ErrIllegalFunction) {
		t.Errorf("a write: %v", err)
	}
	if got := s.Unit(1).Served(6); got != 1 {
		t.Errorf("the write was counted %d times", got)
	}
	if err := c.SetUnitId(2); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadRegisters(0, 1, modbus.HOLDING_REGISTER); !errors.Is(err, modbus.ErrGWTargetFailedToRespond) {
		t.Errorf("nobody's unit: %v", err)
	}
}

// ask writes one request for holding register 0, two registers, and returns
// all bytes that come back until want are there or the connection ends.
func ask(t *testing.T, conn net.Conn, transaction uint16, want int) ([]byte, error) {
	t.Helper()
	request := append(binary.BigEndian.AppendUint16(nil, transaction), 0, 0, 0, 6, 1, 3, 0, 0, 0, 2)
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	buf := make([]byte, want)
	n, err := io.ReadFull(conn, buf)
	return buf[:n], err
}

var sound = []byte{0, 9, 0, 0, 0, 7, 1, 3, 4, 0, 11, 0, 22}

func with(i int, b byte) []byte {
	f := append([]byte(nil), sound...)
	f[i] = b
	return f
}

func TestEveryFaultOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault modbussim.Fault
		want  []byte
	}{
		"none":              {modbussim.None, sound},
		"exception":         {modbussim.Exception(4), []byte{0, 9, 0, 0, 0, 3, 1, 0x83, 4}},
		"wrong transaction": {modbussim.WrongTransaction, with(1, 9^0xFF)},
		"wrong protocol":    {modbussim.WrongProtocol, with(3, 1)},
		"wrong unit":        {modbussim.WrongUnit, with(6, 2)},
		"wrong function":    {modbussim.WrongFunction, with(7, 4)},
		"wrong count":       {modbussim.WrongCount, []byte{0, 9, 0, 0, 0, 5, 1, 3, 2, 0, 11}},
		"zero length":       {modbussim.ZeroLength, with(5, 0)},
		"oversize":          {modbussim.Oversize, with(4, 0xFF)},
		"short frame":       {modbussim.ShortFrame, sound[:12]},
		"twice":             {modbussim.Twice, append(append([]byte(nil), sound...), sound...)},
		"drip":              {modbussim.Drip, sound},
		"hang up":           {modbussim.HangUp, nil},
		"reset":             {modbussim.Reset, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.Unit(1).SetHolding(0, 11, 22)
			s.Unit(1).Fault(c.fault, 1)
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			got, err := ask(t, conn, 9, max(len(c.want), 1))
			if d := cmp.Diff(c.want, append([]byte(nil), got...)); d != "" {
				t.Errorf("%s (%v)", d, err)
			}
		})
	}
}

func TestThePreviousAnswerComesAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Unit(1).SetHolding(0, 11, 22)
	s.Unit(1).Fault(modbussim.None, 1)
	s.Unit(1).Fault(modbussim.Previous, 1)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	first, _ := ask(t, conn, 8, len(sound))
	s.Unit(1).SetHolding(0, 33)
	second, _ := ask(t, conn, 9, len(sound))
	third, _ := ask(t, conn, 10, len(sound))
	if d := cmp.Diff(first, second); d != "" {
		t.Error(d)
	}
	if third[1] != 10 || third[10] != 33 {
		t.Errorf("the script did not end: % x", third)
	}
}

// In virtual time: silence lasts, lateness is exact.
func TestSilenceAndLateness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := modbussim.Detached()
		defer s.Close()
		s.Unit(1).SetHolding(0, 11, 22)
		here, there := net.Pipe()
		defer here.Close()
		s.Connect(there)
		begin := time.Now()
		s.Unit(1).Fault(modbussim.Late(90*time.Second), 1)
		if got, err := ask(t, here, 9, len(sound)); cmp.Diff(sound, got) != "" {
			t.Errorf("% x, %v", got, err)
		}
		if d := time.Since(begin); d != 90*time.Second {
			t.Errorf("answered after %v", d)
		}
		s.Unit(1).Fault(modbussim.Silence, -1)
		_ = here.SetDeadline(time.Now().Add(time.Hour))
		if got, err := ask(t, here, 9, 1); err == nil {
			t.Errorf("silence said % x", got)
		}
		s.Unit(1).Heal()
		_ = here.SetDeadline(time.Now().Add(time.Hour))
		if got, err := ask(t, here, 9, len(sound)); err != nil {
			t.Errorf("not healed: % x, %v", got, err)
		}
	})
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Unit(1).Fault(modbussim.Late(time.Hour), -1)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the server")
	}
}

// mbpoll is Debian's Modbus master.
func mbpoll(t *testing.T, s *modbussim.Server, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("mbpoll")
	if err != nil {
		t.Fatal("mbpoll is missing: apt-get install mbpoll")
	}
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-m", "tcp", "-p", port, "-0", "-1", "-q"}, args...)
	out, err := exec.CommandContext(t.Context(), path, append(args, host)...).CombinedOutput()
	if err != nil {
		t.Fatalf("mbpoll: %v\n%s", err, out)
	}
	return string(out)
}

func TestMbpollReadsTheLift(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.Unit(0xF7).SetLift(modbussim.Lift{
		Faults: 0x002, Person: true, AlarmKey: true, Floor: -2, SpeedMS: 1.75,
		DoorOpenings: 70_000, FloorsTravelled: 5, FloorsAbove: 11, MotorC: 61.5,
	})
	out := mbpoll(t, s, "-a", "247", "-r", "0", "-c", "19", "-t", "4:hex")
	got := regexp.MustCompile(`0x[0-9A-F]{4}`).FindAllString(out, -1)
	want := []string{
		"0x0002", "0x5000", "0xFE12", "0x0001", "0x1170", "0x0000", "0x0005", "0x0000", "0x0000", "0x0000",
		"0x0000", "0x0000", "0x0000", "0x0B00", "0x0100", "0x001E", "0x5A0F", "0x0F01", "0x0114",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s\n%s", d, out)
	}
	if out := mbpoll(t, s, "-a", "247", "-r", "100", "-c", "1", "-t", "3:float", "-B"); !strings.Contains(out, "61.5") {
		t.Errorf("the probe: %s", out)
	}
}
