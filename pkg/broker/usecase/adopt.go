package usecase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Adoption is what Adopt would do.
type Adoption struct {
	AppClient broker.ForeignAppClient
	// Profile is that under which it is registered.
	Profile string
	// Exceeds is what the app client has that the profile would not give a
	// registration. It keeps it until it is updated (RFC 7592).
	Exceeds string
	// Adopted is whether it is registered already.
	Adopted bool
}

// PlanAdoption says what Adopt would do to an app client, or why it cannot. It
// changes nothing.
func (s *Service) PlanAdoption(ctx context.Context, cognitoID, profile string) (*Adoption, error) {
	if s.mode != broker.ModeDirect || s.adopter == nil {
		return nil, errors.New("app clients are adopted in direct mode only; in brokered mode a client can be registered ahead")
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	p, ok := pol.Profile(profile)
	if !ok {
		return nil, fmt.Errorf("the policy has no profile %q", profile)
	}
	r, err := s.store.Registration(ctx, cognitoID)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		return nil, fmt.Errorf("read registration %s: %w", cognitoID, err)
	}
	registered := err == nil
	if registered && r.State != broker.RegistrationActive {
		return nil, &StateError{ClientID: cognitoID, State: r.State}
	}
	found, err := s.adopter.Foreign(ctx, cognitoID)
	if err != nil {
		return nil, fmt.Errorf("app client %s: %w", cognitoID, err)
	}
	if found.Refused != "" && !registered {
		return nil, fmt.Errorf("app client %s cannot be adopted: %s", cognitoID, found.Refused)
	}
	return &Adoption{AppClient: *found, Profile: profile, Exceeds: exceeds(p, found.Metadata), Adopted: registered}, nil
}

// exceeds says what of m the profile would not give.
func exceeds(p *policy.Profile, m dcr.ClientMetadata) string {
	allowed, err := p.Apply(m)
	if err != nil {
		return err.Error()
	}
	for _, uri := range m.RedirectURIs {
		if !slices.Contains(allowed.RedirectURIs, uri) {
			return fmt.Sprintf("the redirect URI %q", uri)
		}
	}
	if allowed.Scope != m.Scope {
		return fmt.Sprintf("the scopes %q, where the profile gives %q", m.Scope, allowed.Scope)
	}
	return ""
}

// Adopt makes an app client ours that somebody else has made: it is registered
// under its id, and its name gets our mark, from which on the broker changes and
// removes it. The answer holds the registration access token; the client secret
// is Cognito's, and stays. What was cut short can be repeated, or is undone by
// Sweep, which takes the registration back and never the app client.
func (s *Service) Adopt(ctx context.Context, cognitoID, profile, by string) (*dcr.ClientInformation, error) {
	plan, err := s.PlanAdoption(ctx, cognitoID, profile)
	if err != nil {
		return nil, err
	}
	if plan.Adopted {
		return nil, fmt.Errorf("app client %s: it is registered: %w", cognitoID, broker.ErrExists)
	}
	now := broker.Seconds(s.now())
	a := &broker.AppClient{
		Key: credential.NewID(), State: broker.AppClientAdopting, Marker: broker.NewMarker(now), Profile: profile,
		ClientID: cognitoID, CreatedAt: now, Due: now.Add(broker.Grace),
	}
	tok := credential.NewRegistrationAccessToken()
	r := &broker.Registration{
		ClientID: cognitoID, Generation: credential.NewID(), Mode: broker.ModeDirect, State: broker.RegistrationActive, Profile: profile,
		CreatedBy: by, Metadata: plan.AppClient.Metadata, IssuedAt: now, AccessTokens: broker.AccessTokens{Current: tok.Hash()}, AppClient: a.Key,
	}
	if err := s.adopt(ctx, a, r); err != nil {
		return nil, fmt.Errorf("adopt app client %s: %w", cognitoID, err)
	}
	s.audit.AppClient(ctx, telemetry.AppClientAdopted, broker.ByOperator(by), a, cognitoID)
	s.audit.Created(ctx, broker.ByOperator(by), nil, r)
	return s.information(r, tok.Reveal()), nil
}

func (s *Service) adopt(ctx context.Context, a *broker.AppClient, r *broker.Registration) error {
	if err := s.note(ctx, s.store, a.CreatedAt); err != nil {
		return err
	}
	if err := s.store.CreateAppClient(ctx, a); err != nil {
		return fmt.Errorf("record app client: %w", err)
	}
	if err := broker.RecordRegistration(ctx, s.store, r); err != nil {
		return fmt.Errorf("record registration: %w", err)
	}
	if err := s.adopter.Adopt(ctx, r.ClientID, a.Marker); err != nil {
		return err
	}
	a.CognitoID = r.ClientID
	return s.complete(ctx, a)
}

// adopting decides about an adoption that was cut short: it holds if the app
// client got our mark. Else the registration goes, and the app client is left as
// it is.
func (s *sweep) adopting(ctx context.Context, a *broker.AppClient) error {
	ids, err := s.atCognito(ctx, a.Marker)
	if err != nil {
		return err
	}
	if slices.Contains(ids, a.ClientID) {
		a.CognitoID, a.State, a.Due = a.ClientID, broker.AppClientReady, time.Time{}
		if err := s.store.ReplaceAppClient(ctx, a); err != nil {
			return err
		}
		s.audit.AppClient(ctx, telemetry.AppClientAdopted, broker.ByJanitor, a, a.ClientID)
		s.done.Completed++
		return nil
	}
	if err := s.deleteRegistrationOf(ctx, broker.ByJanitor, a, a.ClientID); err != nil {
		return err
	}
	if err := s.store.DeleteAppClient(ctx, a.Key, a.Version); err != nil {
		return fmt.Errorf("delete record of app client %s: %w", a.Key, err)
	}
	s.done.Removed++
	return nil
}
