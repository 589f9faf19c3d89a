package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/kit/password"
	"github.com/linshao/linshao/protocol/profiles"
	"github.com/linshao/linshao/protocol/topic"
)

// loadProfiles compiles the shipped profiles and those in dir, which replace
// shipped ones of the same name. Only the default folder may be missing.
func loadProfiles(dir string) (map[string]*device.Profile, error) {
	all, err := Shipped()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) && dir == defaultProfilesDir {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".yaml" {
			continue
		}
		file := filepath.Join(dir, e.Name())
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		p, err := device.Compile(file, text)
		if err != nil {
			return nil, err
		}
		all[p.Name] = p
	}
	return all, nil
}

// Shipped compiles the profiles that ship with the product, by name.
func Shipped() (map[string]*device.Profile, error) {
	all := map[string]*device.Profile{}
	for _, name := range profiles.Names() {
		text, err := profiles.Text(name)
		if err != nil {
			return nil, err
		}
		p, err := device.Compile(name+".yaml", text)
		if err != nil {
			return nil, err
		}
		all[p.Name] = p
	}
	return all, nil
}

// readPasswords reads lines of id:password; empty ones and those that start
// with # are skipped. seen are the ids that have a password already. The error
// names every line that is wrong, and never what stands in it.
func readPasswords(file string, seen map[string]bool) (out []Login, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var wrong []error
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, stored, ok := strings.Cut(line, ":")
		why := password.Valid(stored)
		switch {
		case !ok || !topic.Valid(id):
			why = errors.New("not id:password")
		case seen[id]:
			why = errors.New(id + " has a password already")
		}
		if why != nil {
			wrong = append(wrong, fmt.Errorf("%s:%d: %w", file, i+1, why))
			continue
		}
		seen[id] = true
		out = append(out, Login{ID: id, Password: config.Secret(stored)})
	}
	return out, errors.Join(wrong...)
}
