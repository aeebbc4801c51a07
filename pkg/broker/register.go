package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Register makes a client from req (RFC 7591 §3), vouched for by the initial
// access token tok, or openly if tok is zero and the policy allows it. The
// answer holds the only copies of the registration access token and the client
// secret. After an error there is no client, or Reconcile will see to that.
func (s *Service) Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error) {
	m, err := dcr.Validate(req.Metadata)
	if err != nil {
		return nil, err
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return nil, unavailable(fmt.Errorf("policy: %w", err))
	}
	profile, iat, err := s.vouch(ctx, pol, tok)
	if err != nil {
		return nil, err
	}
	if m, err = profile.Apply(m); err != nil {
		return nil, err
	}
	switch {
	case s.mode == ModeDirect:
		return s.create(ctx, profile, iat, m)
	case iat == "":
		return s.registerOpen(ctx, profile, m)
	}
	return s.registerVouched(ctx, profile, iat, m)
}

// vouch decides which profile the bearer of tok registers under. The token's id
// is empty for open registration.
func (s *Service) vouch(ctx context.Context, pol *policy.Policy, tok credential.Token) (*policy.Profile, string, error) {
	if tok.IsZero() {
		profile, ok := pol.Open()
		if !ok {
			return nil, "", dcr.Errorf(dcr.TokenRequired, "registration needs an initial access token")
		}
		return profile, "", nil
	}
	rec, err := s.initialAccessToken(ctx, tok)
	if err != nil {
		return nil, "", err
	}
	if state := rec.State(s.now()); state != "valid" {
		return nil, "", dcr.Errorf(dcr.InvalidToken, "the initial access token is %s", state)
	}
	profile, ok := pol.Profile(rec.Profile)
	if !ok {
		return nil, "", dcr.Errorf(dcr.InsufficientScope, "the profile of the initial access token is not in the policy any more")
	}
	return profile, rec.ID, nil
}

// initialAccessToken returns the record of tok. It takes the same time and
// gives the same answer whether there is no such token or another secret
// belongs to its id.
func (s *Service) initialAccessToken(ctx context.Context, tok credential.Token) (*credential.InitialAccessToken, error) {
	unknown := dcr.Errorf(dcr.InvalidToken, "the initial access token is not valid")
	id, err := credential.InitialAccessTokenID(tok)
	if err != nil {
		return nil, unknown
	}
	rec, err := s.store.InitialAccessToken(ctx, id)
	if errors.Is(err, ErrNotFound) {
		rec = &credential.InitialAccessToken{}
	} else if err != nil {
		return nil, unavailable(err)
	}
	if !rec.Hash.Matches(tok) {
		return nil, unknown
	}
	return rec, nil
}

func (s *Service) create(ctx context.Context, profile *policy.Profile, iat string, m dcr.ClientMetadata) (*dcr.ClientInformation, error) {
	now := s.now().UTC().Truncate(time.Second)
	key := credential.NewID()
	a := &AppClient{
		Key:                key,
		State:              AppClientCreating,
		Marker:             key,
		Profile:            profile.Name(),
		InitialAccessToken: iat,
		CreatedAt:          now,
		Due:                now.Add(grace),
	}
	if err := s.store.CreateAppClient(ctx, a); err != nil {
		return nil, unavailable(fmt.Errorf("record app client: %w", err))
	}
	hour := creations(profile, m, now)
	if err := s.take(ctx, a, profile.Limits(), hour); err != nil {
		s.discard(ctx, a, hour)
		return nil, err
	}
	made, err := s.apps.Create(ctx, a.Marker, m)
	if err != nil {
		if _, ok := errors.AsType[*NotAppliedError](err); ok {
			s.discard(ctx, a, hour)
			return nil, err
		}
		s.abandon(ctx, a, hour)
		return nil, unavailable(err)
	}

	tok := credential.NewRegistrationAccessToken()
	r := &Registration{
		ClientID:           made.ID,
		Generation:         credential.NewID(),
		Mode:               ModeDirect,
		State:              RegistrationActive,
		Profile:            profile.Name(),
		InitialAccessToken: iat,
		Metadata:           m,
		IssuedAt:           now,
		AccessTokens:       AccessTokens{Current: tok.Hash()},
		AppClient:          a.Key,
	}
	a.CognitoID = made.ID
	if err := s.record(ctx, r); err != nil {
		s.undo(ctx, a, hour)
		return nil, unavailable(fmt.Errorf("record registration: %w", err))
	}
	if err := s.complete(ctx, a); err != nil {
		s.undo(ctx, a, hour)
		return nil, unavailable(err)
	}
	info := s.information(r, tok.Reveal())
	info.ClientSecret = made.Secret
	return info, nil
}

// record stores a new registration. If it is not known whether that happened,
// it looks.
func (s *Service) record(ctx context.Context, r *Registration) error {
	err := s.store.CreateRegistration(ctx, r)
	if err == nil || errors.Is(err, ErrExists) {
		return err
	}
	ctx, cancel := undoing(ctx)
	defer cancel()
	stored, readErr := s.store.Registration(ctx, r.ClientID)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	if stored.Generation != r.Generation {
		return fmt.Errorf("registration %s: %w (%w)", r.ClientID, ErrExists, err)
	}
	r.Version = stored.Version
	return nil
}

// complete marks a ready. Its uses are spent from then on. If the mark may not
// have been set, the client is complete all the same, and Reconcile sets it;
// only if Reconcile has meanwhile given the app client up is it an error.
func (s *Service) complete(ctx context.Context, a *AppClient) error {
	id := a.CognitoID
	a.State, a.InitialAccessToken, a.Due = AppClientReady, "", time.Time{}
	err := s.store.ReplaceAppClient(ctx, a)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrConflict), errors.Is(err, ErrNotFound):
		now, readErr := s.store.AppClient(ctx, a.Key)
		if readErr == nil && now.State == AppClientReady && now.CognitoID == id {
			return nil
		}
		return fmt.Errorf("app client %s was given up while it was being made: %w", a.Key, err)
	}
	s.log.WarnContext(ctx, "app client left to reconcile", "app_client", a.Key, "error", err)
	return nil
}

// take takes the use of the token and the places in the budgets that making a
// costs.
func (s *Service) take(ctx context.Context, a *AppClient, l policy.Limits, hour Budget) error {
	if err := s.takeHour(ctx, hour, a.Key, a.CreatedAt); err != nil {
		return err
	}
	if err := takePlace(ctx, s.store, a, l); err != nil {
		return err
	}
	return s.takeUse(ctx, a)
}

// takeHour takes a place among the registrations of this hour.
func (s *Service) takeHour(ctx context.Context, hour Budget, member string, now time.Time) error {
	if hour.Limit == 0 {
		return nil
	}
	err := s.store.TakeBudget(ctx, hour, member)
	if errors.Is(err, ErrExhausted) {
		e := dcr.Errorf(dcr.TooManyRequests, "too many registrations for this redirect host in this hour")
		e.RetryAfter = now.Truncate(time.Hour).Add(time.Hour).Sub(now)
		return e
	}
	if err != nil {
		return unavailable(fmt.Errorf("creations of this hour: %w", err))
	}
	return nil
}

// takePlace takes a place among the app clients of the profile.
func takePlace(ctx context.Context, budgets Budgets, a *AppClient, l policy.Limits) error {
	if l.AppClients == 0 {
		return nil
	}
	err := budgets.TakeBudget(ctx, Budget{Key: appClientsKey(a.Profile), Limit: l.AppClients}, a.Key)
	if errors.Is(err, ErrExhausted) {
		e := dcr.Errorf(dcr.Unavailable, "no more clients can be registered at the moment")
		e.RetryAfter = time.Hour
		return e
	}
	if err != nil {
		return unavailable(fmt.Errorf("app clients of profile: %w", err))
	}
	return nil
}

// takeUse takes a use of the token, if there is one.
func (s *Service) takeUse(ctx context.Context, a *AppClient) error {
	if a.InitialAccessToken == "" {
		return nil
	}
	err := s.store.UseInitialAccessToken(ctx, a.InitialAccessToken, a.Key)
	if errors.Is(err, ErrExhausted) || errors.Is(err, ErrNotFound) {
		return dcr.Errorf(dcr.InvalidToken, "the initial access token has been spent or revoked")
	}
	if err != nil {
		return unavailable(fmt.Errorf("use of initial access token: %w", err))
	}
	return nil
}

func appClientsKey(profile string) string { return "app_clients/" + profile }

// creations is the budget of registrations an hour for one redirect host, so
// that one noisy host does not lock out the others. It has no Limit if the
// profile sets none.
func creations(p *policy.Profile, m dcr.ClientMetadata, now time.Time) Budget {
	hour := now.Truncate(time.Hour)
	return Budget{
		Key:       fmt.Sprintf("creations/%s/%s/%d", p.Name(), policy.RedirectHost(m), hour.Unix()),
		Limit:     p.Limits().CreationsPerHour,
		ExpiresAt: hour.Add(2 * time.Hour),
	}
}
