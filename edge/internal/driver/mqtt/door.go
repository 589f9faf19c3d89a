package mqtt

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/kit/password"
	"github.com/linshao/linshao/protocol/topic"
)

// door lets devices in and keeps each on its own topics.
type door struct {
	logins  map[string]string
	checker *password.Checker
	// nobody is compared with when the user is unknown, so that trying names
	// takes as long as trying passwords.
	nobody string
}

var (
	_ mqttbroker.Authenticator = (*door)(nil)
	_ mqttbroker.Authorizer    = (*door)(nil)
)

func newDoor(logins map[string]string) (*door, error) {
	d := &door{logins: logins, checker: password.New(max(1, runtime.NumCPU()/2)), nobody: "no such device"}
	for id, stored := range logins {
		if !topic.Valid(id) {
			return nil, fmt.Errorf("login %q is no device id", id)
		}
		if err := password.Valid(stored); err != nil {
			return nil, fmt.Errorf("login %s: %w", id, err)
		}
		d.nobody = stored
	}
	return d, nil
}

var errLogin = errors.New("unknown device or wrong password")

// Authenticate implements mqttbroker.Authenticator. A verified certificate's
// common name is the device; a user name beside it must say the same.
func (d *door) Authenticate(ctx context.Context, c mqttbroker.Credentials) (mqttbroker.Identity, error) {
	user := string(c.User)
	if c.CommonName != "" {
		if !topic.Valid(c.CommonName) || user != "" && user != c.CommonName {
			return "", fmt.Errorf("certificate of %q does not fit user %q", c.CommonName, user)
		}
		return mqttbroker.Identity(c.CommonName), nil
	}
	stored, known := d.logins[user]
	if !known {
		stored = d.nobody
	}
	ok, err := d.checker.Matches(ctx, stored, c.Password)
	if err != nil {
		return "", fmt.Errorf("check password of %q: %w", user, err)
	}
	if !ok || !known {
		return "", fmt.Errorf("%q: %w", user, errLogin)
	}
	return mqttbroker.Identity(user), nil
}

// MayPublish implements mqttbroker.Authorizer: everything of its own that goes
// up.
func (d *door) MayPublish(id mqttbroker.Identity, name string) bool {
	dev, leaf, _, err := topic.ParseDevice(name)
	return err == nil && string(dev) == string(id) && leaf != topic.Commands
}

// MayRead implements mqttbroker.Authorizer: its commands, and its own status.
func (d *door) MayRead(id mqttbroker.Identity, filter string) bool {
	dev := topic.Device(id)
	return filter == dev.Commands() || filter == dev.Status()
}

// treat: status is retained for who asks later, commands are delivered and
// never retained, the rest is for the edge alone.
func treat(name string) mqttbroker.Treatment {
	switch _, leaf, _, err := topic.ParseDevice(name); {
	case err != nil:
		return mqttbroker.Hand
	case leaf == topic.Status:
		return mqttbroker.RouteRetained
	case leaf == topic.Commands:
		return mqttbroker.Route
	default:
		return mqttbroker.Hand
	}
}
