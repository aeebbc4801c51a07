package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognito"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// resourceServers returns the resource servers of the user pool.
func (d *deployment) resourceServers() *cognito.ResourceServers {
	return cognito.NewResourceServers(pool.API(d.config, d.parts.SDK), d.config.UserPoolID)
}

// missingScopes returns the scopes of the configuration that the user pool
// lacks. It is an error if there are some and --create-scopes is not set:
// Cognito would refuse each sign-in of the clients that have them.
func (w *writer) missingScopes(ctx context.Context, conf *configuration.Configuration) ([]string, error) {
	if w.pool == nil {
		w.op.infof("whether the user pool has the scopes was not checked (--skip-pool)")
		return nil, nil
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

// staleProfiles returns the profiles whose app clients may lack something of the
// configuration after. before is nil if it is not known.
func staleProfiles(before, after *configuration.Configuration) []string {
	all := after.Policy.Profiles()
	if before == nil || before.Tokens != after.Tokens || !slices.Equal(before.IdentityProviders, after.IdentityProviders) {
		return all
	}
	return slices.DeleteFunc(all, func(name string) bool {
		was, ok := before.Policy.Profile(name)
		now, _ := after.Policy.Profile(name)
		return ok && slices.Equal(was.Scopes(), now.Scopes())
	})
}
