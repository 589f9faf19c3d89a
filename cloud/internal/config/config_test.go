package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/config"
	kitconfig "github.com/linshao/linshao/protocol/kit/config"
)

// write leaves text as cloud.yaml beside two PEM files and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"cloud.yaml": text, "cert.pem": "", "key.pem": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(content, "DIR", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cloud.yaml")
}

const pem = "cert: DIR/cert.pem, key: DIR/key.pem"

func TestAnEmptyFileIsAWorkingInstallation(t *testing.T) {
	t.Parallel()
	f, err := config.Load(write(t, "{}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.HTTP.PublicURL != "http://127.0.0.1:8080" || f.MQTT.Listen != "127.0.0.1:1884" || f.Exposed() != "" {
		t.Errorf("got %+v", f)
	}
}

// Whatever listener other machines can reach counts, encrypted or not.
func TestExposedNamesEveryListener(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"http: {listen: \"0.0.0.0:8080\"}":                              "0.0.0.0:8080",
		"http: {listen: \":8080\"}":                                     ":8080",
		"mqtt: {listen: \"10.0.0.7:1884\"}":                             "10.0.0.7:1884",
		"http: {tls: {listen: \"0.0.0.0:8443\", " + pem + "}}":          "0.0.0.0:8443",
		"mqtt: {listen: '', tls: {listen: \"[::]:8884\", " + pem + "}}": "[::]:8884",
		"http: {tls: {listen: \"127.0.0.1:8443\", " + pem + "}}":        "",
	} {
		f, err := config.Load(write(t, text), nil)
		if err != nil || f.Exposed() != want {
			t.Errorf("%s: exposed %q, want %q, %v", text, f.Exposed(), want, err)
		}
	}
}

// Every mistake is named by its place and its mend, all of them at once.
func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for text, wants := range map[string][]string{
		"htp: {}":                    {"cloud.yaml:1:1", "unknown key"},
		"http: {tls: {" + pem + "}}": {"http.tls.listen"},
		"mqtt: {tls: {" + pem + "}}": {"mqtt.tls.listen"},
		"http: {tls: {listen: \"127.0.0.1:1\", cert: none.pem, key: DIR/key.pem}}":     {"http.tls.cert", "PEM"},
		"mqtt: {tls: {listen: \"127.0.0.1:1\", " + pem + ", client_ca: DIR/cert.pem}}": {"client_ca: unknown key"},
		"notify: {webhook: {timeout: 5s}}":                                             {"notify: unknown key"},
		"http: {public_url: \"ftp://x\"}":                                              {"http.public_url"},
		"http: {public_url: \"https://x/console\"}":                                    {"without a path"},
		"database: {url: \"mysql://x\"}":                                               {"database.url"},
		"series: {retention: 10d}":                                                     {"at least 41d"},
		"backup: {dir: data/cloud/b}":                                                  {"backup.dir", "elsewhere"},
		"backup: {every: 5s, keep: 0}":                                                 {"backup.every", "at least 1m", "backup.keep", "at least 1"},
		"backup: {hours: 5}":                                                           {"hours: unknown key"},
		"series: {backend: influx}":                                                    {"embedded or victoriametrics"},
		"series: {backend: victoriametrics}":                                           {"victoriametrics:"},
		"data_dir: ''\nhttp: {listen: here}":                                           {"data_dir", "HOST:PORT"},
	} {
		_, err := config.Load(write(t, text), nil)
		var bad *kitconfig.Error
		if !errors.As(err, &bad) {
			t.Errorf("%s: accepted, %v", text, err)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: no %q in %v", text, want, err)
			}
		}
	}
}

func TestTheEnvironmentWins(t *testing.T) {
	t.Parallel()
	f, err := config.Load(write(t, "http: {listen: 127.0.0.1:1}"), []string{"LINSHAO_HTTP_LISTEN=127.0.0.1:2", "LINSHAO_DEMO=true"})
	if err != nil || f.HTTP.Listen != "127.0.0.1:2" || !f.Demo {
		t.Errorf("got %+v, %v", f, err)
	}
}
