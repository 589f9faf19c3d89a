package device_test

import (
	"testing"

	"github.com/linshao/linshao/edge/internal/device"
)

func TestEndpointAddress(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"tcp://127.0.0.1:1502":   "127.0.0.1:1502",
		"tcp://[::1]:502":        "[::1]:502",
		"tcp://lift-3.local:502": "lift-3.local:502",
		"127.0.0.1:502":          "",
		"tcp://127.0.0.1":        "",
		"tcp://:502":             "",
		"tcp://h:0":              "",
		"tcp://h:70000":          "",
		"tcp://h:502/path":       "",
		"rtu:///dev/ttyS0":       "",
	} {
		got, err := device.Endpoint{URL: url}.Address()
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", url, got, err)
		}
	}
}
