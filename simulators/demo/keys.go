package demo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
)

// keysFile remembers the secrets of a data folder, so that a demo started on
// it again is the same one.
const keysFile = "demo.json"

// keys are the secrets of one data folder.
type keys struct {
	Token   string            `json:"token"`
	Webhook string            `json:"webhook"`
	Logins  map[string]string `json:"logins"`
	Devices map[string]string `json:"devices"`
	// Uplinks holds each edge's uplink block as the cloud printed it, once.
	Uplinks map[string]string `json:"uplinks"`
}

// openKeys takes up the keys of the folder, or makes new ones where it is
// empty. A folder with something else in it is not touched.
func (s *site) openKeys() error {
	text, err := os.ReadFile(s.path(keysFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.freshKeys()
	case err != nil:
		return fmt.Errorf("read keys of the demo: %w", err)
	}
	if err := json.Unmarshal(text, &s.keys); err != nil {
		return fmt.Errorf("read %s: %w; remove the folder to begin afresh", s.path(keysFile), err)
	}
	for _, p := range s.estates {
		if s.keys.Uplinks[p.Edge] == "" {
			return fmt.Errorf("%s was made for other estates: start with as many as then, or in another folder", s.dir)
		}
	}
	return nil
}

func (s *site) freshKeys() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("look into data folder: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is neither empty nor a demo's: choose another folder", s.dir)
	}
	s.fresh = true
	s.keys = keys{
		Webhook: rand.Text(), Logins: map[string]string{}, Devices: map[string]string{}, Uplinks: map[string]string{},
	}
	for _, l := range s.logins() {
		s.keys.Logins[l.Name] = rand.Text()
	}
	for _, p := range s.estates {
		for _, d := range s.devicesOf(p) {
			s.keys.Devices[d.ID] = rand.Text()
		}
	}
	return nil
}

func (s *site) saveKeys() error {
	text, err := json.MarshalIndent(s.keys, "", "  ")
	if err != nil {
		return fmt.Errorf("encode keys: %w", err)
	}
	if err := os.WriteFile(s.path(keysFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep keys of the demo: %w", err)
	}
	return nil
}

// command is one run of linshao-cloud to its end.
type command struct {
	Args  []string
	Stdin string
}

// importCommand seeds the collector; it may run again and changes nothing then.
func (s *site) importCommand() command { return s.cloud("", "import", s.path("seeds.yaml")) }

// accountCommands make the logins, in order.
func (s *site) accountCommands() []command {
	var out []command
	for _, l := range s.logins() {
		args := []string{"user add", l.Name, "--role", l.Role, "--password-stdin"}
		if l.Estate != "" {
			args = append(args, "--estate", l.Estate)
		}
		if l.Staff != "" {
			args = append(args, "--staff", l.Staff)
		}
		out = append(out, s.cloud(s.keys.Logins[l.Name]+"\n", args[0], args[1:]...))
	}
	return out
}

func (s *site) tokenCommand() command {
	return s.cloud("", "token create", "--name", "demo", "--role", "admin")
}

func (s *site) credentialCommand(p *place) command {
	return s.cloud("", "edge-credential create", "--estate", p.ID, "--edge", p.Edge)
}

// cloud spells a linshao-cloud command with its configuration.
func (s *site) cloud(stdin, verb string, args ...string) command {
	return command{Args: slices.Concat(strings.Fields(verb), []string{"--config", s.path("cloud.yaml")}, args), Stdin: stdin}
}

// prepare writes the configurations and, into a fresh folder, seeds the
// collector with the commands an operator would use.
func (s *site) prepare(ctx context.Context, log *slog.Logger) error {
	if err := s.writeFile("cloud.yaml", s.cloudConfig()); err != nil {
		return err
	}
	if err := s.writeFile("seeds.yaml", s.seeds()); err != nil {
		return err
	}
	if _, err := s.runCloud(ctx, log, s.importCommand()); err != nil {
		return err
	}
	if s.fresh {
		if err := s.enrol(ctx, log); err != nil {
			return err
		}
	}
	for _, p := range s.estates {
		uplink, err := uplinkBlock(s.keys.Uplinks[p.Edge])
		if err != nil {
			return err
		}
		if err := s.writeFile(p.Edge+".yaml", s.edgeConfig(p, uplink)); err != nil {
			return err
		}
	}
	return nil
}

// enrol makes accounts, the token and the edges' credentials.
func (s *site) enrol(ctx context.Context, log *slog.Logger) error {
	for _, c := range s.accountCommands() {
		if _, err := s.runCloud(ctx, log, c); err != nil {
			return err
		}
	}
	printed, err := s.runCloud(ctx, log, s.tokenCommand())
	if err != nil {
		return err
	}
	words := strings.Fields(printed)
	if len(words) == 0 {
		return errors.New("linshao-cloud token create printed no token")
	}
	s.keys.Token = words[len(words)-1]
	for _, p := range s.estates {
		if s.keys.Uplinks[p.Edge], err = s.runCloud(ctx, log, s.credentialCommand(p)); err != nil {
			return err
		}
	}
	return s.saveKeys()
}
