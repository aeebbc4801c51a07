package usecase

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// updateBrokered replaces what is registered by m. No app client is touched: it
// is the broker's, and of what a client can change it has the scopes alone. More
// of them come with the next Sweep.
func (s *Service) updateBrokered(ctx context.Context, before, r *broker.Registration, profile *policy.Profile, tok credential.Token, req *dcr.Request, m dcr.ClientMetadata) (*dcr.ClientInformation, error) {
	if policy.IsClientCredentials(m) != policy.IsClientCredentials(r.Metadata) {
		return nil, dcr.Errorf(dcr.InvalidClientMetadata, "grant_types: a client cannot change between authorization_code and client_credentials; register anew")
	}
	if req.ClientSecret != "" && !r.SecretHash.Matches(credential.Presented(req.ClientSecret)) {
		return nil, errOtherSecret()
	}
	if r.State == broker.RegistrationActive && profile.Approval() == policy.ApprovalManual && r.CreatedBy == "" && !reflect.DeepEqual(m, r.Metadata) {
		r.State = broker.RegistrationPending // what was approved is something else
	}
	info, err := s.rewrite(ctx, before, r, tok, m)
	if err != nil {
		return nil, err
	}
	if err := s.wantGrowth(ctx, r); err != nil {
		return nil, unavailable(err)
	}
	return info, nil
}

// wantGrowth makes the dedicated app client of r due, if there is one that lacks
// scopes.
func (s *Service) wantGrowth(ctx context.Context, r *broker.Registration) error {
	return broker.ChangeAppClient(ctx, s.store, broker.DedicatedAppClientKey(r.ClientID, r.Generation), func(a *broker.AppClient) bool {
		lacking := slices.ContainsFunc(strings.Fields(r.Metadata.Scope), func(scope string) bool { return !slices.Contains(a.Scopes, scope) })
		if a.State != broker.AppClientReady || !lacking {
			return false
		}
		a.Due = broker.Seconds(s.now())
		return true
	})
}

// deleteBrokered removes the client at once, and leaves its dedicated app client,
// if it has one, to Sweep. The mark comes first: if nobody got any further,
// the client is still there, and has an app client made again when it needs one.
// One that is being made at this moment is found by its next due time.
func (s *Service) deleteBrokered(ctx context.Context, r *broker.Registration) error {
	if err := s.keepUse(ctx, r); err != nil {
		return unavailable(err)
	}
	if err := s.unmake(ctx, broker.DedicatedAppClientKey(r.ClientID, r.Generation)); err != nil {
		return unavailable(err)
	}
	return s.deleteAlone(ctx, r)
}

// unmake marks an app client for Sweep to remove, if there is one.
func (s *Service) unmake(ctx context.Context, key string) error {
	return broker.ChangeAppClient(ctx, s.store, key, func(a *broker.AppClient) bool {
		if a.State == broker.AppClientRemoving {
			return false
		}
		a.Due = broker.Seconds(s.now())
		if a.State == broker.AppClientCreating {
			a.Due = a.Due.Add(broker.Grace) // whoever makes it is given time to finish
		}
		a.State = broker.AppClientRemoving
		return true
	})
}

// keepUse makes sure that the use of the token that r took stays taken when r is
// gone: if its making left a record, that would say otherwise.
func (s *Service) keepUse(ctx context.Context, r *broker.Registration) error {
	if r.InitialAccessToken == "" {
		return nil
	}
	a, err := s.store.AppClient(ctx, registeringKey(r.ClientID))
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.store.DeleteAppClient(ctx, a.Key, a.Version)
}
