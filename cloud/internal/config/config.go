// Package config reads cloud.yaml: strictly, with every mistake named by file,
// line and column and how to mend it. It is the only reader of configuration
// in the cloud.
package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/kit/config"
)

// File is cloud.yaml.
type File struct {
	DataDir  string   `yaml:"data_dir" jsonschema:"description=Everything the embedded default keeps"`
	HTTP     HTTP     `yaml:"http"`
	MQTT     MQTT     `yaml:"mqtt"`
	Database Database `yaml:"database"`
	Series   Series   `yaml:"series"`
	Backup   Backup   `yaml:"backup"`
	Demo     bool     `yaml:"demo" jsonschema:"description=Shows on every page that the data is simulated"`
}

// HTTP is the console, the API and /metrics.
type HTTP struct {
	Listen    string `yaml:"listen"`
	PublicURL string `yaml:"public_url" jsonschema:"description=How phones reach the console; links in pages start with it"`
	TLS       *TLS   `yaml:"tls"`
}

// TLS is a second, encrypted listener with its certificate and key.
type TLS struct {
	Listen string `yaml:"listen"`
	Cert   string `yaml:"cert"`
	Key    string `yaml:"key"`
}

// MQTT is where edges connect.
type MQTT struct {
	Listen string `yaml:"listen"`
	TLS    *TLS   `yaml:"tls"`
}

// Database is the relational state.
type Database struct {
	URL config.Secret `yaml:"url" jsonschema:"description=Empty: SQLite in data_dir; postgres://… in production"`
}

// Series is the time series store.
type Series struct {
	Backend         string           `yaml:"backend" jsonschema:"enum=embedded,enum=victoriametrics"`
	Retention       config.Duration  `yaml:"retention"`
	VictoriaMetrics *VictoriaMetrics `yaml:"victoriametrics"`
}

// VictoriaMetrics is a single node or a cluster's URL.
type VictoriaMetrics struct {
	URL string `yaml:"url"`
}

// Backup is what the collector backs up by itself; without a Dir, nothing.
type Backup struct {
	Dir   string          `yaml:"dir" jsonschema:"description=Where backups are written; best another disk. Empty: none are"`
	Every config.Duration `yaml:"every"`
	Keep  int             `yaml:"keep" jsonschema:"description=How many of the newest are kept"`
}

// The backends.
const (
	Embedded        = "embedded"
	VictoriaBackend = "victoriametrics"
)

func defaults() File {
	return File{
		DataDir: "./data/cloud", HTTP: HTTP{Listen: "127.0.0.1:8080"}, MQTT: MQTT{Listen: "127.0.0.1:1884"},
		Series: Series{Backend: Embedded, Retention: config.Duration(400 * 24 * time.Hour)},
		Backup: Backup{Every: config.Duration(24 * time.Hour), Keep: 7},
	}
}

// Load reads and checks a file; environ is os.Environ's, from which LINSHAO_*
// overrides keys. The error is a *config.Error; nothing on disk is changed.
func Load(path string, environ []string) (File, error) {
	f := defaults()
	err := config.Load(path, &f, config.Options{Prefix: "LINSHAO", Environ: environ}, func(d *config.Document) {
		checkListeners(d, &f)
		checkDatabase(d, f.Database)
		checkSeries(d, f.Series)
		checkBackup(d, f.Backup, f.DataDir)
		if f.DataDir == "" {
			d.At("data_dir", "data_dir is empty", "name a folder, such as ./data/cloud")
		}
	})
	return f, err
}

// Schema returns the JSON Schema of cloud.yaml, for editors.
func Schema() ([]byte, error) { return config.Schema(&File{}, "linshao-cloud configuration") }

func checkListeners(d *config.Document, f *File) {
	// Whether a login exists is known only when the database is open; app
	// asks Exposed and refuses then.
	d.GuardListen("http.listen", f.HTTP.Listen, true, "")
	if f.MQTT.Listen != "" {
		d.GuardListen("mqtt.listen", f.MQTT.Listen, true, "")
	}
	if f.HTTP.PublicURL == "" {
		f.HTTP.PublicURL = "http://" + f.HTTP.Listen
	}
	if u, err := url.Parse(f.HTTP.PublicURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" && u.Path != "/" {
		d.At("http.public_url", fmt.Sprintf("%q is not the address of a site", f.HTTP.PublicURL), "write https://HOST, without a path")
	}
	f.HTTP.PublicURL = strings.TrimSuffix(f.HTTP.PublicURL, "/")
	checkTLS(d, "http.tls", f.HTTP.TLS)
	checkTLS(d, "mqtt.tls", f.MQTT.TLS)
}

// checkTLS refuses a listener without an address: the system would choose a
// port of its own, on every interface.
func checkTLS(d *config.Document, at string, t *TLS) {
	if t == nil {
		return
	}
	d.GuardListen(at+".listen", t.Listen, true, "")
	for _, f := range []struct{ key, file string }{{"cert", t.Cert}, {"key", t.Key}} {
		if _, err := os.Stat(f.file); err != nil {
			d.At(at+"."+f.key, err.Error(), "name a readable PEM file")
		}
	}
}

// Exposed names a listener that other machines can reach, or is empty.
func (f File) Exposed() string {
	listeners := []string{f.HTTP.Listen, f.MQTT.Listen}
	for _, t := range []*TLS{f.HTTP.TLS, f.MQTT.TLS} {
		if t != nil {
			listeners = append(listeners, t.Listen)
		}
	}
	for _, l := range listeners {
		if l != "" && !config.Loopback(l) {
			return l
		}
	}
	return ""
}

func checkDatabase(d *config.Document, b Database) {
	raw := b.URL.Reveal()
	if raw == "" {
		return
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		d.At("database.url", "not a PostgreSQL URL", "write postgres://USER:PASSWORD@HOST/DATABASE, or leave it empty for SQLite")
	}
}

func checkSeries(d *config.Document, s Series) {
	if s.Retention < config.Duration(41*24*time.Hour) {
		d.At("series.retention", s.Retention.String()+" is too short", "write at least 41d: edges may bring samples that are 40 days old")
	}
	switch s.Backend {
	case Embedded:
	case VictoriaBackend:
		if s.VictoriaMetrics == nil || s.VictoriaMetrics.URL == "" {
			d.At("series", "the address of the server is missing", "add victoriametrics: {url: http://127.0.0.1:8428}")
			return
		}
		u, err := url.Parse(s.VictoriaMetrics.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			d.At("series.victoriametrics.url", fmt.Sprintf("%q is no URL", s.VictoriaMetrics.URL), "write http://HOST:8428")
		}
	default:
		d.At("series.backend", fmt.Sprintf("there is no backend %q", s.Backend), "write embedded or victoriametrics")
	}
}

func checkBackup(d *config.Document, b Backup, dataDir string) {
	if b.Every < config.Duration(time.Minute) {
		d.At("backup.every", b.Every.String()+" is too short", "write at least 1m, such as 24h")
	}
	if b.Keep < 1 {
		d.At("backup.keep", fmt.Sprintf("%d keeps none", b.Keep), "write at least 1, such as 7")
	}
	if b.Dir != "" && within(b.Dir, dataDir) {
		d.At("backup.dir", fmt.Sprintf("%s lies in data_dir and would go with it", b.Dir), "name a folder elsewhere, best on another disk")
	}
}

// within reports whether path is dir or lies in it.
func within(path, dir string) bool {
	p, errP := filepath.Abs(path)
	d, errD := filepath.Abs(dir)
	if errP != nil || errD != nil {
		return false
	}
	rel, err := filepath.Rel(d, p)
	return err == nil && filepath.IsLocal(rel)
}
