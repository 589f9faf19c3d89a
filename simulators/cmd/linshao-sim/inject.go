package main

import (
	"context"
	"fmt"
	"time"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
)

// injectCommand breaks one device.
type injectCommand struct {
	Demo   string        `required:"" placeholder:"URL" help:"The sim URL of READY, or of run --control."`
	Fault  string        `arg:"" help:"One of door_forced, door_held, entrapment, overheat_drift, robot_stuck, device_silent."`
	Device string        `arg:"" help:"Device id, or estate:device."`
	For    time.Duration `help:"How long it lasts (default: the fault's own time)."`
}

// Run asks the running simulation.
func (c *injectCommand) Run(ctx context.Context, s *surroundings) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := control.Inject(ctx, c.Demo, estate.Fault(c.Fault), c.Device, c.For); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s %s\n", c.Fault, c.Device)
	return nil
}
