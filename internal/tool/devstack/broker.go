package devstack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/authorize"
	"github.com/dcr-broker/dcr-broker/internal/wire/front"
	wirejanitor "github.com/dcr-broker/dcr-broker/internal/wire/janitor"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
	"github.com/dcr-broker/dcr-broker/internal/wire/provision"
	"github.com/dcr-broker/dcr-broker/internal/wire/register"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

type localBroker struct {
	handler http.Handler
	janitor *wirejanitor.Janitor
	store   broker.Store
}

func newBroker(c *environment.Environment, conf *live, log *slog.Logger) (*localBroker, error) {
	p, err := wire.New(c, localAWS(), log)
	if err != nil {
		return nil, err
	}
	p.Store, p.Configuration = memory.NewStore(p.Now), conf.Get
	b := &localBroker{store: p.Store}
	if b.janitor, err = wirejanitor.New(p); err != nil {
		return nil, err
	}
	b.handler, err = Handler(p)
	return b, err
}

// Handler returns one handler with the endpoints of all functions. In the cloud
// provision is a function of its own; here the same code is called through the
// same port.
func Handler(p *wire.Parts) (http.Handler, error) {
	rt, err := front.Router(p.Environment, p.SDK, p.Now, p.Log)
	if err != nil {
		return nil, err
	}
	parts := *p
	if p.Environment.Mode == broker.ModeBrokered {
		provisioner, err := provision.New(p)
		if err != nil {
			return nil, err
		}
		parts.Provisioner = provisioner
		if err := authorize.Routes(rt, &parts); err != nil {
			return nil, err
		}
	}
	return rt, errors.Join(metadata.Routes(rt, p.Environment, p.Configuration, p.Log), register.Routes(rt, &parts), token.Routes(rt, &parts))
}

// sweep runs the janitor's sweep every minute, until ctx ends.
func (b *localBroker) sweep(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		done, err := b.janitor.Sweep(ctx, janitor.Options{})
		if err != nil {
			log.Error("sweep", "error", err)
		}
		if done != (janitor.Report{}) {
			log.Info("swept", "done", done)
		}
	}
}
