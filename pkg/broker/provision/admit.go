package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// admission is an app client that Provision may create.
type admission struct {
	record *broker.AppClient // without key, state and marker
	spec   broker.BrokeredAppClient
	limits policy.Limits
}

// admit decides whether the app client with this key may exist, by the current
// registrations and policy. If not, it returns ErrNotFound.
func (p *Provisioner) admit(ctx context.Context, key string) (*admission, error) {
	pol, err := p.c.Policy(ctx)
	if err != nil {
		return nil, busy(broker.RetrySoon, fmt.Errorf("policy: %w", err))
	}
	if name, ok := strings.CutPrefix(key, "profile/"); ok {
		profile, err := p.profile(ctx, pol, name)
		if err != nil {
			return nil, err
		}
		return admitShared(profile, name)
	}
	rest, ok := strings.CutPrefix(key, "client/")
	clientID, generation, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return nil, fmt.Errorf("app client %.80q: %w", key, broker.ErrNotFound)
	}
	r, err := clients.New(broker.ModeBrokered, p.c.Store, p.c.Now).Client(ctx, clientID)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		return nil, busy(broker.RetrySoon, fmt.Errorf("registration %s: %w", clientID, err))
	}
	profile, err := p.profile(ctx, pol, r.Profile)
	if err != nil {
		return nil, err
	}
	if profile == nil || r.Generation != generation || policy.AppClientKey(r, profile) != key {
		return nil, fmt.Errorf("app client %s: registration and profile do not have it: %w", key, broker.ErrNotFound)
	}
	return admitDedicated(r, profile)
}

// profile returns the profile with this name, of pol or of the newest policy, or
// nil if there is none.
func (p *Provisioner) profile(ctx context.Context, pol *policy.Policy, name string) (*policy.Profile, error) {
	_, profile, err := policy.Find(ctx, p.c.Policy, pol, name)
	if err != nil {
		return nil, busy(broker.RetrySoon, fmt.Errorf("policy: %w", err))
	}
	return profile, nil
}

// admitShared decides about the shared app client of the profile, which is nil if
// there is none with this name.
func admitShared(profile *policy.Profile, name string) (*admission, error) {
	if profile == nil || profile.AppClient() != policy.SharedAppClient {
		return nil, fmt.Errorf("profile %.80q has no shared app client: %w", name, broker.ErrNotFound)
	}
	spec := sharedSpec(profile)
	return &admission{
		record: &broker.AppClient{Kind: broker.KindShared, Profile: name, Scopes: spec.Scopes},
		spec:   spec,
		limits: profile.Limits(),
	}, nil
}

// admitDedicated decides about the app client of one registration. A client
// without a voucher gets no app client, whatever the profile allows: strangers
// could use up the pool.
func admitDedicated(r *broker.Registration, profile *policy.Profile) (*admission, error) {
	spec := dedicatedSpec(r, profile)
	if !r.Vouched() || len(spec.Scopes) == 0 {
		return nil, fmt.Errorf("registration %s may have no app client of its own: %w", r.ClientID, broker.ErrNotFound)
	}
	return &admission{
		record: &broker.AppClient{
			Kind: broker.KindDedicated, Profile: r.Profile, ClientID: r.ClientID, Generation: r.Generation, Scopes: spec.Scopes,
			ClientCredentials: spec.ClientCredentials,
		},
		spec:   spec,
		limits: profile.Limits(),
	}, nil
}
