package usecase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Register makes a client from req (RFC 7591 §3), vouched for by the initial
// access token tok, or openly if tok is zero and the policy allows it. The
// answer holds the only copies of the registration access token and the client
// secret. After an error there is no client, or Sweep will see to that.
func (s *Service) Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error) {
	m, invalid := dcr.Validate(req.Metadata)
	if invalid != nil && req.SoftwareStatement == "" {
		return nil, invalid
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return nil, unavailable(fmt.Errorf("policy: %w", err))
	}
	profile, v, err := s.vouch(ctx, pol, tok)
	if err != nil {
		return nil, err
	}
	telemetry.Note(ctx, telemetry.Profile, profile.Name())
	m, st, err := s.asked(ctx, pol, profile, req, m, invalid)
	if err != nil {
		return nil, err
	}
	if m, err = profile.Apply(m); err != nil {
		return nil, err
	}
	if st != nil {
		telemetry.Note(ctx, "statement_issuer", st.issuer)
	}
	switch {
	case s.mode == broker.ModeDirect:
		return s.create(ctx, profile, v, m)
	case v.id == "":
		return s.registerOpen(ctx, profile, m, st)
	}
	return s.registerVouched(ctx, profile, v, m)
}

func (s *Service) create(ctx context.Context, profile *policy.Profile, v voucher, m dcr.ClientMetadata) (*dcr.ClientInformation, error) {
	now := broker.Seconds(s.now())
	key := credential.NewID()
	a := &broker.AppClient{
		Key:                key,
		State:              broker.AppClientCreating,
		Marker:             broker.NewMarker(now),
		Profile:            profile.Name(),
		InitialAccessToken: v.use,
		CreatedAt:          now,
		Due:                now.Add(broker.Grace),
	}
	if err := s.note(ctx, s.store, now); err != nil {
		return nil, unavailable(err)
	}
	if err := s.store.CreateAppClient(ctx, a); err != nil {
		return nil, unavailable(fmt.Errorf("record app client: %w", err))
	}
	hour := creations(profile, v, m, now)
	if err := s.take(ctx, a, v, profile.Limits(), hour); err != nil {
		s.discard(ctx, a, hour)
		return nil, err
	}
	made, err := s.apps.Create(ctx, a.Marker, m)
	if err != nil {
		if _, ok := errors.AsType[*broker.NotAppliedError](err); ok {
			s.discard(ctx, a, hour)
			return nil, err
		}
		s.abandon(ctx, a, hour)
		return nil, unavailable(err)
	}
	s.audit.Made(ctx, v.actor(), a, made.ID)

	tok := credential.NewRegistrationAccessToken()
	r := &broker.Registration{
		ClientID:           made.ID,
		Generation:         credential.NewID(),
		Mode:               broker.ModeDirect,
		State:              broker.RegistrationActive,
		Profile:            profile.Name(),
		InitialAccessToken: v.id,
		Metadata:           m,
		IssuedAt:           now,
		AccessTokens:       broker.AccessTokens{Current: tok.Hash()},
		AppClient:          a.Key,
	}
	r.Due = policy.NextReview(r, profile, now)
	a.CognitoID = made.ID
	if err := broker.RecordRegistration(ctx, s.store, r); err != nil {
		s.undo(ctx, a, hour)
		return nil, unavailable(fmt.Errorf("record registration: %w", err))
	}
	if err := s.complete(ctx, a); err != nil {
		s.undo(ctx, a, hour)
		return nil, unavailable(err)
	}
	s.audit.Created(ctx, v.actor(), nil, r)
	info := s.information(r, tok.Reveal())
	info.ClientSecret = made.Secret
	return info, nil
}

// complete marks a ready. Its uses are spent from then on. If the mark may not
// have been set, the client is complete all the same, and Sweep sets it;
// only if Sweep has meanwhile given the app client up is it an error.
func (s *Service) complete(ctx context.Context, a *broker.AppClient) error {
	id := a.CognitoID
	a.State, a.InitialAccessToken, a.Due = broker.AppClientReady, "", time.Time{}
	err := s.store.ReplaceAppClient(ctx, a)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, broker.ErrConflict), errors.Is(err, broker.ErrNotFound):
		now, readErr := s.store.AppClient(ctx, a.Key)
		if readErr == nil && now.State == broker.AppClientReady && now.CognitoID == id {
			return nil
		}
		return fmt.Errorf("app client %s was given up while it was being made: %w", a.Key, err)
	}
	s.log.WarnContext(ctx, "app client left to reconcile", "app_client", a.Key, "error", err)
	return nil
}

// take takes the use of the token and the places in the budgets that making a
// costs.
func (s *Service) take(ctx context.Context, a *broker.AppClient, v voucher, l policy.Limits, hour hourly) error {
	if err := s.takeHour(ctx, hour, a.Key, a.CreatedAt); err != nil {
		return err
	}
	if err := takePlace(ctx, s.store, a, l); err != nil {
		return err
	}
	return s.takeUse(ctx, a, v)
}

// takePlace takes a place among the app clients of the profile.
func takePlace(ctx context.Context, budgets broker.Budgets, a *broker.AppClient, l policy.Limits) error {
	if l.AppClients == 0 {
		return nil
	}
	err := budgets.TakeBudget(ctx, broker.Budget{Key: appClientsKey(a.Profile), Limit: l.AppClients}, a.Key)
	if errors.Is(err, broker.ErrExhausted) {
		e := dcr.Errorf(dcr.Unavailable, "no more clients can be registered at the moment")
		e.RetryAfter = time.Hour
		return e
	}
	if err != nil {
		return unavailable(fmt.Errorf("app clients of profile: %w", err))
	}
	return nil
}

func appClientsKey(profile string) string { return "app_clients/" + profile }
