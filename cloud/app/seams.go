package app

import (
	"context"
	"net"

	"github.com/linshao/linshao/cloud/internal/notify/webhook"
)

// Net is how the cloud reaches others and is reached.
type Net interface {
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// listenMQTT makes the broker's listeners.
func (c *cloud) listenMQTT(ctx context.Context, address string) (net.Listener, error) {
	return c.listen(ctx, "tcp", address)
}

func (c *cloud) listen(ctx context.Context, network, address string) (net.Listener, error) {
	if c.o.Net == nil {
		return (&net.ListenConfig{}).Listen(ctx, network, address)
	}
	return c.o.Net.Listen(ctx, network, address)
}

// dialPages is how webhooks are reached; nil: TCP.
func (c *cloud) dialPages() webhook.Dial {
	if c.o.Net == nil {
		return nil
	}
	return c.o.Net.Dial
}

// pause lets a simulation hold up or end the collector between two steps that
// another process could see apart.
func (c *cloud) pause(ctx context.Context, step string) {
	if c.o.Pause != nil {
		c.o.Pause(ctx, step)
	}
}
