package devstack

import (
	"context"
	"log/slog"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/clock"
)

// watchEvery is the time between two looks at the configuration file.
const watchEvery = time.Second

// current returns the configuration in force. A change of the file takes effect
// within a second. The error has all faults of the document.
func (d document) current(ctx context.Context, c *environment.Config) (*configuration.Current, error) {
	body, err := d.read()
	if err != nil {
		return nil, err
	}
	if _, err := configuration.Parse(body, c.Deployment()); err != nil {
		return nil, err
	}
	current := configuration.NewCurrent(configuration.CurrentConfig{
		Reader: d, Deployment: c.Deployment(), MaxAge: watchEvery, Now: clock.Now,
		Log: slog.New(slog.DiscardHandler), // watch reports faults
	})
	_, err = current.Get(ctx)
	return current, err
}

// watch calls changed after each change of the document, with the faults of the
// new one, or nil if it is in force. It returns when ctx ends.
func (d document) watch(ctx context.Context, c *environment.Config, changed func(error)) {
	last := ""
	if body, err := d.read(); err == nil {
		last = configuration.Digest(body)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		body, err := d.read()
		now := "unreadable"
		if err == nil {
			now = configuration.Digest(body)
			_, err = configuration.Parse(body, c.Deployment())
		}
		if now != last {
			changed(err)
		}
		last = now
	}
}
