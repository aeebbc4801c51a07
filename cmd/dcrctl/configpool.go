package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/tool/preflight"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// resourceServers returns the resource servers of the user pool.
func (d *deployment) resourceServers() *cognito.ResourceServers {
	return cognito.NewResourceServers(pool.API(d.config, d.parts.SDK), d.config.UserPoolID)
}

// comparePool compares the document with the user pool, and returns the scopes
// that the pool lacks. It is an error if Cognito would refuse sign-ins or app
// clients: if an identity provider is missing, if the pool does not allow
// refresh token rotation or resource binding, or if a scope is missing and
// --create-scopes is not set.
func (w *writer) comparePool(ctx context.Context, conf *configuration.Configuration) ([]string, error) {
	if w.pool == nil {
		w.op.infof("whether the user pool allows the configuration was not checked (--skip-pool)")
		return nil, nil
	}
	var refused []string
	for _, c := range preflight.Document(ctx, preflight.Options{Environment: w.pool.config, SDK: w.pool.parts.SDK}, conf) {
		if c.Status == preflight.Fail {
			refused = append(refused, c.Detail+". To mend it: "+c.Do)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(refused) > 0 {
		return nil, fmt.Errorf("the user pool does not allow this configuration: %s.\nNothing was changed. --skip-pool stores the configuration without a look at the user pool", strings.Join(refused, ".\n"))
	}
	missing, err := w.pool.resourceServers().Missing(ctx, conf.ScopeNames())
	if err != nil {
		return nil, fmt.Errorf("%w\nThe scopes were not checked, and nothing was changed. --skip-pool stores the configuration without Cognito", err)
	}
	if len(missing) > 0 && !w.CreateScopes {
		return nil, fmt.Errorf("no resource server of the user pool has %s. Nothing was changed.\n--create-scopes creates them; --skip-pool stores the configuration all the same, and sign-ins that need them fail until the pool has them", shortList(missing))
	}
	return missing, nil
}

// createScopes creates the missing scopes.
func (w *writer) createScopes(ctx context.Context, conf *configuration.Configuration, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	var scopes []cognito.Scope
	for _, s := range conf.Scopes {
		if slices.Contains(missing, s.Name) {
			scopes = append(scopes, cognito.Scope{Name: s.Name, Description: s.Description})
		}
	}
	created, err := w.pool.resourceServers().Create(ctx, scopes, conf.ResourceServerQuota)
	w.done.CreatedScopes = append(w.done.CreatedScopes, created...)
	if len(created) > 0 {
		telemetry.Audit{
			Event: telemetry.ScopesCreated, Actor: broker.ByOperator(w.caller), After: []slog.Attr{slog.Any("scopes", created)},
		}.Log(ctx, w.pool.parts.Log)
		w.op.infof("%s created in the user pool: %s", plural(len(created), "scope", "scopes"), shortList(created))
	}
	if _, limit := errors.AsType[*cognito.ScopeLimitError](err); limit {
		return fmt.Errorf("%w. No version was stored", err)
	}
	if err != nil {
		return fmt.Errorf("%w\nNo version was stored. Run the command again: it creates what is missing", err)
	}
	return nil
}

// checkScopes looks once more at the scopes that this run created. A program
// that changed the same resource server at the same time can have removed some.
func (w *writer) checkScopes(ctx context.Context, conf *configuration.Configuration) error {
	if len(w.done.CreatedScopes) == 0 {
		return nil
	}
	missing, err := w.pool.resourceServers().Missing(ctx, w.done.CreatedScopes)
	if err != nil {
		return err
	}
	return w.createScopes(ctx, conf, missing)
}
