package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/simulators/estate"
)

// longest bounds a story: at TickMS steps a month is ten million of them.
const longest = 31 * 24 * time.Hour

func (s *Story) check(d *config.Document) {
	if s.Start != "" {
		if _, err := time.Parse(time.RFC3339, s.Start); err != nil {
			d.At("start", fmt.Sprintf("%q is no time", s.Start), "write it as 2026-11-30T08:00:00+08:00")
		}
	}
	if s.Duration <= 0 || time.Duration(s.Duration) > longest {
		d.At("duration", "a story lasts between nothing and 31 days", "write a time such as 10m")
	}
	if s.Speed < 0 || s.Speed > 10_000 {
		d.At("speed", fmt.Sprintf("speed %v is outside 0 to 10000", s.Speed), "1 is real time")
	}
	if len(s.Devices) == 0 {
		d.At("devices", "there are no devices", "list at least one {id, kind}")
	}
	for i, dev := range s.Devices {
		if err := (estate.Plan{Devices: s.Devices[i : i+1]}).Validate(); err != nil {
			d.At(fmt.Sprintf("devices[%d]", i), err.Error(), "")
		} else if err := (estate.Plan{Devices: s.Devices[:i+1]}).Validate(); err != nil {
			d.At(fmt.Sprintf("devices[%d].id", i), err.Error(), fmt.Sprintf("give %s an id and unit of its own", dev.ID))
		}
	}
	for i, l := range s.Lines {
		s.checkLine(d, fmt.Sprintf("story[%d]", i), l)
	}
}

func (s *Story) checkLine(d *config.Document, path string, l Line) {
	if l.At < 0 || l.At > s.Duration {
		d.At(path+".at", fmt.Sprintf("%s is outside the story's %s", l.At, s.Duration), "move the line or lengthen the story")
	}
	said := 0
	for _, is := range []bool{l.Push != "", l.Mend != "", l.Want != nil} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		d.At(path, "a line is exactly one of push, mend and want", "split it into several lines")
	case l.Want != nil:
		s.checkWant(d, path+".want", *l.Want)
	default:
		s.checkFault(d, path, l)
	}
}

func (s *Story) checkFault(d *config.Document, path string, l Line) {
	dev, ok := s.device(l.Device)
	if !ok {
		d.At(path+".device", fmt.Sprintf("there is no device %q in this story", l.Device), "name one of its devices")
		return
	}
	key, fault := "push", l.Push
	if fault == "" {
		key, fault = "mend", l.Mend
	}
	if can := estate.Faults(dev.Kind); !slices.Contains(can, fault) {
		d.At(path+"."+key, fmt.Sprintf("a %s cannot have %q", dev.Kind, fault), fmt.Sprintf("choose one of %v", can))
	}
}

func (s *Story) checkWant(d *config.Document, path string, w Want) {
	if _, ok := s.device(w.Device); !ok {
		d.At(path+".device", fmt.Sprintf("there is no device %q in this story", w.Device), "name one of its devices")
	}
	if (w.Metric == "") == (w.Ticket == "") {
		d.At(path, "a want is either a metric or a ticket", "write {metric: …, is: …} or {ticket: …}")
		return
	}
	if w.Ticket != "" {
		return
	}
	said := 0
	for _, is := range []bool{w.Is != nil, w.Above != nil, w.Below != nil} {
		if is {
			said++
		}
	}
	if said != 1 {
		d.At(path, "a metric is wanted with exactly one of is, above and below", "")
	}
}

func (s *Story) device(id string) (estate.Device, bool) {
	i := slices.IndexFunc(s.Devices, func(d estate.Device) bool { return d.ID == id })
	if i < 0 {
		return estate.Device{}, false
	}
	return s.Devices[i], true
}
