package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/linshao/linshao/simulators/demo"
)

// demoCommand shows the product.
type demoCommand struct {
	Data      string  `type:"path" placeholder:"DIR" help:"Folder for everything; a fresh temporary one is removed at exit."`
	Keep      bool    `help:"Keep the temporary folder."`
	Bin       string  `type:"path" placeholder:"DIR" help:"Folder with linshao-edge and linshao-cloud (default: beside this program)."`
	CloudHTTP string  `name:"cloud-http" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Console and API (${default})."`
	CloudMQTT string  `name:"cloud-mqtt" default:"127.0.0.1:1884" placeholder:"HOST:PORT" help:"Where edges connect (${default})."`
	EdgeMQTT  string  `name:"edge-mqtt" default:"127.0.0.1:1883" placeholder:"HOST:PORT" help:"Where devices connect; further estates take the next free port (${default})."`
	EdgeHTTP  string  `name:"edge-http" default:"127.0.0.1:8081" placeholder:"HOST:PORT" help:"Local page of the edges; further estates take the next free port (${default})."`
	Modbus    string  `default:"127.0.0.1:1502" placeholder:"HOST:PORT" help:"Simulated lifts; further estates take the next free port (${default})."`
	SimHTTP   string  `name:"sim-http" default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"Side door for inject (${default})."`
	Lan       bool    `negatable:"" help:"Let phones on the same network open the console."`
	PublicURL string  `name:"public-url" placeholder:"URL" help:"Address of the console as phones see it."`
	Estates   int     `default:"2" help:"Number of estates (${default})."`
	Seed      uint64  `default:"42" help:"Seed of all randomness (${default})."`
	Speed     float64 `default:"1" help:"Virtual seconds per second (${default})."`
	NoFaults  bool    `help:"Let nothing break by itself."`
}

// Run shows the demo until it is told to end.
func (c *demoCommand) Run(ctx context.Context, s *surroundings) error {
	o := demo.Options{
		Bin: c.Bin, Data: c.Data, Keep: c.Keep,
		CloudHTTP: c.CloudHTTP, CloudMQTT: c.CloudMQTT, EdgeMQTT: c.EdgeMQTT, EdgeHTTP: c.EdgeHTTP, Modbus: c.Modbus,
		SimHTTP: c.SimHTTP, PagerHTTP: "127.0.0.1:0", PublicURL: c.PublicURL,
		Estates: c.Estates, Seed: c.Seed, Speed: c.Speed, Faults: !c.NoFaults,
		Version: fmt.Sprintf("%s (commit %s)", version, commit), Ready: s.stdout, Screen: s.terminal(), Log: s.log,
	}
	if o.Bin == "" {
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find own folder: %w", err)
		}
		o.Bin = filepath.Dir(self)
	}
	if c.Lan {
		if err := c.open(ctx, &o); err != nil {
			return err
		}
	}
	if err := o.Validate(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	keys, restore, err := s.keys()
	if err != nil {
		return err
	}
	defer restore()
	o.Keys = keys
	return demo.Run(ctx, o)
}

// open lets the console, and nothing else, listen on the local network.
func (c *demoCommand) open(ctx context.Context, o *demo.Options) error {
	_, port, err := net.SplitHostPort(c.CloudHTTP)
	if err != nil {
		return fmt.Errorf("%w: --cloud-http %s: %w", errUsage, c.CloudHTTP, err)
	}
	ip, err := lanAddress(ctx)
	if err != nil {
		return fmt.Errorf("%w: --lan: %w; name the address with --cloud-http and --public-url", errUsage, err)
	}
	o.CloudHTTP = net.JoinHostPort("0.0.0.0", port)
	if o.PublicURL == "" {
		o.PublicURL = "http://" + net.JoinHostPort(ip, port)
	}
	return nil
}

// lanAddress is this machine's address on the network of the default route.
// Dialling UDP sends nothing; it only picks the route.
func lanAddress(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", "192.0.2.1:9")
	if err != nil {
		return "", fmt.Errorf("find the local network: %w", err)
	}
	defer func() { _ = conn.Close() }()
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	return host, err
}
