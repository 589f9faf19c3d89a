// Package logging sets up slog the same way in every binary: to standard
// error, coloured on a terminal, plain text or JSON elsewhere. The Logger it
// returns is passed on; nothing is set globally.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
)

// Flags are the log flags every command has; embed them in a kong command.
type Flags struct {
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"Least severe level to log (${enum})."`
	LogFormat string `default:"text" enum:"text,json" help:"Log format (${enum})."`
}

// Logger writes to standard error as the Flags say.
func (f Flags) Logger() (*slog.Logger, error) {
	return New(os.Stderr, f.LogLevel, f.LogFormat, isTerminal(os.Stderr))
}

// New returns a Logger that writes to w: level debug, info, warn or error;
// format text or json. Colours are for text only.
func New(w io.Writer, level, format string, colours bool) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	switch {
	case format == "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l})), nil
	case format != "text":
		return nil, fmt.Errorf("log format %q: use text or json", format)
	case colours:
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: l, TimeFormat: time.TimeOnly})), nil
	default:
		return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: l})), nil
	}
}

func isTerminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
}
