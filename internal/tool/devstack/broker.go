package devstack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/dcr-broker/dcr-broker/internal/adapter/issuers"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/internal/endpoint/register"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/wire/brokered"
	"github.com/dcr-broker/dcr-broker/internal/wire/documents"
	"github.com/dcr-broker/dcr-broker/internal/wire/metadata"
	"github.com/dcr-broker/dcr-broker/internal/wire/operate"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/internal/wire/token"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
)

type localBroker struct {
	handler http.Handler
	janitor *janitor.Janitor
	store   broker.Store
}

func newBroker(c *environment.Config, log *slog.Logger) (*localBroker, error) {
	store := memory.NewStore(time.Now)
	sdk := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	registration, err := registrar.Registrar(c, sdk, store, issuers.New(nil, time.Now), log)
	if err != nil {
		return nil, err
	}
	useCases, err := operate.New(c, sdk, store, nil, log)
	if err != nil {
		return nil, err
	}
	rt := httpapi.NewRouter(log)
	if err := metadata.Routes(rt, c, log); err != nil {
		return nil, err
	}
	register.Mount(rt, registration)
	b := &localBroker{handler: rt, janitor: useCases.Janitor, store: store}
	if c.Mode == broker.ModeDirect {
		return b, token.Parts{Config: c, Store: store, Log: log}.Routes(rt)
	}
	// In the cloud this is a separate function; here the same code is called
	// through the same port.
	provisioning, err := registrar.Provisioner(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	keys, err := documents.NewKeys(c, sdk, log)
	if err != nil {
		return nil, err
	}
	parts := &brokered.Parts{Config: c, SDK: sdk, Store: store, Keys: keys, Provisioner: provisioning, Log: log}
	tokens := token.Parts{Config: c, Store: store, Keys: keys.Ring, Provisioner: provisioning, Log: log}
	if err := errors.Join(parts.AuthorizeRoutes(rt), tokens.Routes(rt)); err != nil {
		return nil, err
	}
	return b, nil
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
