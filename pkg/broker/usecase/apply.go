package usecase

import (
	"context"
	"errors"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// ApplyProfile gives the app clients of a profile, the shared one and the
// dedicated ones, the settings that follow from policy and configuration now,
// such as lifetimes of tokens and identity providers, in brokered mode. It makes
// no app client. It returns how many it has updated, also with an error, and can
// be repeated. by says who the operator is.
func (s *Service) ApplyProfile(ctx context.Context, profile, by string) (int, error) {
	if s.mode != broker.ModeBrokered || s.updater == nil {
		return 0, errors.New("apply profile: needs brokered mode and Updater")
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return 0, fmt.Errorf("policy: %w", err)
	}
	p, ok := pol.Profile(profile)
	if !ok {
		return 0, fmt.Errorf("the policy has no profile %q", profile)
	}
	updated := 0
	for key, err := range s.store.AppClientKeys(ctx) {
		if err != nil {
			return updated, fmt.Errorf("list app client records: %w", err)
		}
		a, err := s.store.AppClient(ctx, key)
		if errors.Is(err, broker.ErrNotFound) || err == nil && (a.Profile != profile || a.State != broker.AppClientReady || a.Kind != broker.KindShared && a.Kind != broker.KindDedicated) {
			continue // also what is left of direct mode, and is the client's own
		}
		if err == nil {
			err = s.apply(ctx, p, a, by)
		}
		if errors.Is(err, broker.ErrNotFound) || errors.Is(err, broker.ErrConflict) {
			continue // it is being removed or changed at this moment
		}
		if err != nil {
			return updated, fmt.Errorf("app client %s: %w", key, err)
		}
		updated++
	}
	return updated, nil
}

// apply updates one app client. It takes no scopes away.
func (s *Service) apply(ctx context.Context, p *policy.Profile, a *broker.AppClient, by string) error {
	spec := broker.BrokeredAppClient{Name: p.Name(), Scopes: withOpenID(p.Scopes())}
	if a.Kind == broker.KindDedicated {
		r, err := s.store.Registration(ctx, a.ClientID)
		if err != nil {
			return err
		}
		spec = broker.BrokeredAppClient{Name: r.Metadata.ClientName, Scopes: dedicatedScopes(r, p), ClientCredentials: policy.IsClientCredentials(r.Metadata)}
	}
	spec.Scopes = together(a.Scopes, spec.Scopes)
	if err := s.updater.UpdateBrokered(ctx, a.CognitoID, a.Marker, spec); err != nil {
		return err
	}
	s.audit.Scopes(ctx, broker.ByOperator(by), a, spec.Scopes)
	a.Scopes = spec.Scopes
	return s.store.ReplaceAppClient(ctx, a)
}
