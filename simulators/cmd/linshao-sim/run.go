package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/linshao/linshao/simulators/scenario"
	"github.com/linshao/linshao/simulators/scenarios"
	"github.com/linshao/linshao/simulators/stage"
	"github.com/linshao/linshao/simulators/truth"
)

// runCommand plays one scenario.
type runCommand struct {
	Scenario string   `arg:"" placeholder:"SCENARIO.yaml" help:"A file, or the name of a shipped one: lift-entrapment, night-of-faults."`
	Seed     *uint64  `help:"Seed instead of the story's."`
	Speed    *float64 `help:"Virtual seconds per second instead of the story's."`
	Truth    string   `placeholder:"FILE.csv" help:"Write what really happened: device,fault,from,to."`
	MQTT     string   `name:"mqtt" placeholder:"URL" help:"The gateway, such as tcp://127.0.0.1:1883, instead of the story's."`
	Modbus   string   `placeholder:"HOST:PORT" help:"Where lift terminals answer, instead of the story's."`
	Control  string   `placeholder:"HOST:PORT" help:"Open the side door for inject here."`
	Console  string   `placeholder:"URL" help:"Collector to ask for the tickets the story wants."`
	Token    string   `env:"LINSHAO_TOKEN" placeholder:"TOKEN" help:"API token for --console."`
	Offline  bool     `help:"Without any network, as fast as it goes."`
	Record   string   `placeholder:"FILE.csv" help:"With --offline: write the samples, timestamp,device,metric,value."`
}

// Run plays the story, writes the truth and says which wants were not met.
func (c *runCommand) Run(ctx context.Context, s *surroundings) error {
	story, err := c.story()
	if err != nil {
		return err
	}
	if c.Record != "" && !c.Offline {
		return fmt.Errorf("%w: --record goes with --offline", errUsage)
	}
	out, err := create(c.Truth)
	if err != nil {
		return err
	}
	outcome, err := c.play(ctx, s, story)
	if out != nil {
		if err == nil {
			err = truth.Write(out, outcome.Truth)
		}
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "%s: %d faults, %d wants not met\n", story.Name, len(outcome.Truth), len(outcome.Unmet))
	for _, w := range outcome.Unmet {
		fmt.Fprintf(s.stdout, "not met: %s\n", w)
	}
	if len(outcome.Unmet) > 0 {
		return fmt.Errorf("%d wants of %q were not met", len(outcome.Unmet), story.Name)
	}
	return nil
}

func (c *runCommand) story() (scenario.Story, error) {
	story, err := c.load()
	if err != nil {
		return story, err
	}
	if c.Seed != nil {
		story.Seed = *c.Seed
	}
	if c.Speed != nil {
		story.Speed = *c.Speed
	}
	if story.Speed == 0 {
		story.Speed = 1
	}
	if !(story.Speed > 0 && story.Speed <= 10_000) {
		return story, fmt.Errorf("%w: --speed %v is outside 0 to 10000", errUsage, story.Speed)
	}
	if c.MQTT != "" {
		story.MQTT = c.MQTT
	}
	if c.Modbus != "" {
		story.Modbus = c.Modbus
	}
	return story, nil
}

// load takes a file where there is one, else a shipped scenario of that name.
func (c *runCommand) load() (scenario.Story, error) {
	if _, err := os.Stat(c.Scenario); errors.Is(err, fs.ErrNotExist) {
		if text, ok := scenarios.Text(c.Scenario); ok {
			return scenario.Parse(c.Scenario, text)
		}
		return scenario.Story{}, fmt.Errorf("%w: there is no file %s, and no shipped scenario of that name but %s",
			errUsage, c.Scenario, strings.Join(scenarios.Names(), ", "))
	}
	return scenario.Load(c.Scenario)
}

func (c *runCommand) play(ctx context.Context, s *surroundings, story scenario.Story) (scenario.Outcome, error) {
	if c.Offline {
		return c.rehearse(story)
	}
	o := stage.Options{Story: story, Control: c.Control, Log: s.log, Opened: func(url string) {
		fmt.Fprintf(s.stdout, "RUNNING sim=%s\n", url)
	}}
	if c.Console != "" {
		o.Tickets = stage.Console{URL: c.Console, Token: c.Token}
	}
	return stage.Play(ctx, o)
}

func (c *runCommand) rehearse(story scenario.Story) (scenario.Outcome, error) {
	file, err := create(c.Record)
	if err != nil {
		return scenario.Outcome{}, err
	}
	if file == nil {
		return scenario.Rehearse(story, time.Now(), nil)
	}
	r, err := scenario.Record(file, story)
	if err != nil {
		return scenario.Outcome{}, errors.Join(err, file.Close())
	}
	out, err := scenario.Rehearse(story, time.Now(), r)
	return out, errors.Join(err, r.Close(), file.Close())
}
