// Package front is wiring: what all functions with an HTTP endpoint have in front
// of their routes.
package front

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/adapter/edge"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// Router returns a router for the deployment that c describes. It reads the
// secret of the edge at the first request and again every five minutes, so that it
// rotates without a deployment.
func Router(c *environment.Environment, sdk aws.Config, now func() time.Time, log *slog.Logger) (*httpapi.Router, error) {
	rt := httpapi.NewRouter(log)
	rt.HTTPS = c.HTTPS()
	switch c.Edge {
	case "":
	case environment.EdgeHidden:
		rt.Admit = edge.Hidden
	default:
		fetch, err := signed.Document(c.Edge, sdk)
		if err != nil {
			return nil, fmt.Errorf("EDGE: %w", err)
		}
		rt.Admit = edge.Admit(signed.Cache(fetch, edge.Parse, now, log))
	}
	return rt, nil
}
