package environment

import (
	"log/slog"
	"os"
)

// A Reader is one of Metadata, Token, Registration and so on.
type Reader = func(getenv func(string) string) (*Environment, error)

// Start reads the environment of this process, sets the configured logger as
// the default, and logs that the function has started.
func Start(read Reader) (*Environment, *slog.Logger, error) {
	c, err := read(os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	log := c.Logger(os.Stderr)
	slog.SetDefault(log)
	log.Info("started", "version", Version())
	return c, log, nil
}
