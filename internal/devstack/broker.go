package devstack

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/config"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/internal/memory"
	"github.com/dcr-broker/dcr-broker/internal/metadata"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/registrar"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

type localBroker struct {
	handler http.Handler
	service *broker.Service
	store   broker.Store
}

func newBroker(ctx context.Context, c *config.Config, log *slog.Logger) (*localBroker, error) {
	store := memory.NewStore(time.Now)
	sdk := aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})}
	service, err := registrar.Service(c, sdk, store, log)
	if err != nil {
		return nil, err
	}
	documents, err := metadata.Configured(c, log)
	if err != nil {
		return nil, err
	}
	rt := httpapi.NewRouter(log)
	documents.Mount(rt)
	httpapi.RegistrationRoutes(rt, service)
	wire.TokenRoutes(rt, c, service)
	return &localBroker{handler: rt, service: service, store: store}, nil
}

// reconcile does what the janitor does in the cloud.
func (b *localBroker) reconcile(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		done, err := b.service.Reconcile(ctx)
		if err != nil {
			log.Error("reconcile", "error", err)
		}
		if done != (broker.Reconciled{}) {
			log.Info("reconciled", "done", done)
		}
	}
}
