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

// errBadToken is the one answer to a token that does not manage the client it
// was sent for, whether or not there is such a client (RFC 7592 §2).
func errBadToken() error {
	return dcr.Errorf(dcr.InvalidToken, "the registration access token is not valid for this client")
}

// Read returns what is registered for the client (RFC 7592 §2.1).
func (s *Service) Read(ctx context.Context, clientID string, tok credential.Token) (*dcr.ClientInformation, error) {
	r, err := s.authenticate(ctx, clientID, tok)
	if err != nil {
		return nil, err
	}
	if s.gone(r) {
		return nil, errBadToken()
	}
	if r, err = s.promote(ctx, r, tok); err != nil {
		return nil, err
	}
	return s.information(r, tok.Reveal()), nil
}

// Update replaces what is registered for the client (RFC 7592 §2.2) under
// today's policy. The answer holds a new registration access token; the old
// one stays good until the new one is used, be it for what is refused.
func (s *Service) Update(ctx context.Context, clientID string, tok credential.Token, req *dcr.Request) (*dcr.ClientInformation, error) {
	r, err := s.authenticate(ctx, clientID, tok)
	if err != nil {
		return nil, err
	}
	if s.gone(r) {
		return nil, errBadToken()
	}
	if r, err = s.promote(ctx, r, tok); err != nil {
		return nil, err
	}
	before := r.Clone()
	m, profile, err := s.replacement(ctx, r, req)
	if err != nil {
		return nil, err
	}
	if r.Mode == broker.ModeBrokered {
		return s.updateBrokered(ctx, before, r, profile, tok, req, m)
	}
	a, err := s.appClientOf(ctx, r)
	if errors.Is(err, broker.ErrNotFound) {
		s.log.WarnContext(ctx, "registration without app client", "client_id", clientID, "app_client", r.AppClient)
		return nil, errBadToken()
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("app client of registration %s: %w", clientID, err))
	}
	if a.State == broker.AppClientRemoving {
		// It must not be revived. The registration, which does not say so yet,
		// soon will be gone.
		return nil, unavailable(fmt.Errorf("app client %s is being removed", a.Key))
	}
	if err := s.lease(ctx, a); err != nil {
		return nil, unavailable(err)
	}
	if err := s.apps.Update(ctx, a.CognitoID, a.Marker, m, secretCheck(req)); err != nil {
		if _, ok := errors.AsType[*broker.NotAppliedError](err); !ok {
			return nil, unavailable(err) // Sweep puts back what r says
		}
		s.settle(ctx, a)
		if errors.Is(err, broker.ErrNotFound) {
			s.log.WarnContext(ctx, "registration without app client", "client_id", clientID, "app_client", a.Key)
			return nil, errBadToken()
		}
		return nil, err
	}
	s.audit.AppClient(ctx, telemetry.AppClientUpdated, broker.ByClient(r), a, a.CognitoID)

	info, err := s.rewrite(ctx, before, r, tok, m)
	if err != nil {
		return nil, err
	}
	s.settle(ctx, a)
	return info, nil
}

// rewrite stores m as what is registered, and a new registration access token
// beside tok. before is r as it was.
func (s *Service) rewrite(ctx context.Context, before, r *broker.Registration, tok credential.Token, m dcr.ClientMetadata) (*dcr.ClientInformation, error) {
	next := credential.NewRegistrationAccessToken()
	r.Metadata = m
	r.AccessTokens = broker.AccessTokens{Current: tok.Hash(), Next: next.Hash()}
	err := broker.ReplaceRegistration(ctx, s.store, r)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, errBadToken()
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("replace registration %s: %w", r.ClientID, err))
	}
	s.audit.Change(ctx, telemetry.RegistrationUpdated, broker.ByClient(r), before, r)
	return s.information(r, next.Reveal()), nil
}

// Delete removes the client and its app client (RFC 7592 §2.3). After an error
// that says to come back it can be repeated with the same token. In brokered
// mode, which has no right at Cognito, the app client goes at the next Sweep;
// a client of the other mode can be removed too. A client that is disabled
// cannot: the record is the operator's, and what it refuses would come back.
func (s *Service) Delete(ctx context.Context, clientID string, tok credential.Token) error {
	r, err := s.authenticate(ctx, clientID, tok)
	if err != nil {
		return err
	}
	if r.State == broker.RegistrationDeleted || r.State == broker.RegistrationRemoved || r.State == broker.RegistrationDisabled {
		return errBadToken()
	}
	if r.Mode == broker.ModeBrokered {
		return s.deleteBrokered(ctx, r)
	}
	a, err := s.appClientOf(ctx, r)
	if errors.Is(err, broker.ErrNotFound) {
		return s.deleteAlone(ctx, r)
	}
	if err != nil {
		return unavailable(err)
	}
	if err := broker.MarkForRemoval(ctx, s.store, a, s.now()); err != nil {
		return unavailable(err)
	}
	// From here on the client gets no tokens, even if Cognito cannot be
	// reached.
	if r.State != broker.RegistrationDeleting {
		s.audit.End(ctx, telemetry.RegistrationDeleted, broker.ByClient(r), r, broker.RegistrationDeleted)
	}
	r.State = broker.RegistrationDeleting
	notSaid := broker.ReplaceRegistration(ctx, s.store, r)
	if errors.Is(notSaid, broker.ErrNotFound) {
		notSaid = nil
	}
	if s.mode == broker.ModeBrokered {
		return unavailableIf(notSaid) // Sweep goes on
	}
	// The removal is decided, so that it goes on even if that was not said.
	if err := s.finishRemoval(ctx, broker.ByClient(r), a, a.CognitoID); err != nil {
		return unavailable(errors.Join(notSaid, err))
	}
	return nil
}

// deleteAlone deletes a registration that no app client serves alone.
func (s *Service) deleteAlone(ctx context.Context, r *broker.Registration) error {
	if err := s.store.DeleteRegistration(ctx, r.ClientID, r.Generation); err != nil {
		return unavailable(err)
	}
	if r.State != broker.RegistrationDeleting {
		s.audit.End(ctx, telemetry.RegistrationDeleted, broker.ByClient(r), r, broker.RegistrationDeleted)
	}
	return nil
}

// appClientOf returns the record of the app client of a registration whose
// client has been told of it, so that its making is over even if the record
// does not say so yet.
func (s *Service) appClientOf(ctx context.Context, r *broker.Registration) (*broker.AppClient, error) {
	a, err := s.store.AppClient(ctx, r.AppClient)
	if err != nil {
		return nil, err
	}
	if a.State == broker.AppClientCreating {
		a.State, a.CognitoID, a.InitialAccessToken = broker.AppClientReady, r.ClientID, ""
	}
	return a, nil
}

// lease makes the caller the only one who updates the app client. Were there
// two, the settings that reach Cognito last need not be those that are recorded
// last. A lease outlasts any request, and ends by itself.
func (s *Service) lease(ctx context.Context, a *broker.AppClient) error {
	now := broker.Seconds(s.now())
	if a.State == broker.AppClientUpdating && a.Due.After(now) {
		e := dcr.Errorf(dcr.Unavailable, "another update of this client is in progress")
		e.RetryAfter = a.Due.Sub(now)
		return e
	}
	a.State, a.Due = broker.AppClientUpdating, now.Add(broker.LeaseTime)
	if err := s.store.ReplaceAppClient(ctx, a); err != nil {
		return fmt.Errorf("mark app client %s for update: %w", a.Key, err)
	}
	return nil
}

// authenticate returns the registration of the client if tok is one of its
// registration access tokens.
func (s *Service) authenticate(ctx context.Context, clientID string, tok credential.Token) (*broker.Registration, error) {
	if tok.IsZero() {
		return nil, dcr.Errorf(dcr.TokenRequired, "this needs the registration access token of the client")
	}
	r, err := s.Registration(ctx, clientID)
	if errors.Is(err, broker.ErrNotFound) {
		r = &broker.Registration{} // compared like any other, and matches nothing
	} else if err != nil {
		return nil, unavailable(err)
	}
	current := r.AccessTokens.Current.Matches(tok)
	next := r.AccessTokens.Next.Matches(tok)
	if !current && !next {
		return nil, errBadToken()
	}
	broker.NoteClient(ctx, r)
	return r, nil
}

// gone reports whether r is to its client as if it were not there. What is of
// the other mode cannot be used, so that its client had better register again.
func (s *Service) gone(r *broker.Registration) bool {
	return r.State == broker.RegistrationDeleting || r.State == broker.RegistrationDeleted || r.State == broker.RegistrationRemoved || r.Mode != s.mode
}

// promote ends the old token at the first use of the new one.
func (s *Service) promote(ctx context.Context, r *broker.Registration, tok credential.Token) (*broker.Registration, error) {
	if !r.AccessTokens.Next.Matches(tok) {
		return r, nil
	}
	r.AccessTokens = broker.AccessTokens{Current: tok.Hash()}
	err := broker.ReplaceRegistration(ctx, s.store, r)
	if errors.Is(err, broker.ErrNotFound) {
		return nil, errBadToken()
	}
	return r, unavailableIf(err)
}

// replacement is what the client is to have after an update by req, and the
// profile that says so.
func (s *Service) replacement(ctx context.Context, r *broker.Registration, req *dcr.Request) (dcr.ClientMetadata, *policy.Profile, error) {
	var none dcr.ClientMetadata
	if req.ClientID != r.ClientID {
		return none, nil, dcr.Errorf(dcr.InvalidClientMetadata, "client_id must be the one being updated (RFC 7592 section 2.2)")
	}
	if len(req.Forbidden) > 0 {
		return none, nil, dcr.Errorf(dcr.InvalidClientMetadata, "%s must not be in an update (RFC 7592 section 2.2)", req.Forbidden[0])
	}
	m, invalid := dcr.Validate(req.Metadata)
	if invalid != nil && req.SoftwareStatement == "" {
		return none, nil, invalid
	}
	pol, err := s.policy(ctx)
	if err != nil {
		return none, nil, unavailable(fmt.Errorf("policy: %w", err))
	}
	profile, ok := pol.Profile(r.Profile)
	if !ok {
		return none, nil, dcr.Errorf(dcr.InsufficientScope, "the profile of this registration is not in the policy any more")
	}
	m, _, err = s.asked(ctx, pol, profile, req, m, invalid)
	if err != nil {
		return none, nil, err
	}
	if m, err = profile.Apply(m); err != nil {
		return none, nil, err
	}
	if public(m) != public(r.Metadata) {
		return none, nil, dcr.Errorf(dcr.InvalidClientMetadata, "token_endpoint_auth_method: a client cannot change between none and a method with a secret; register anew")
	}
	return m, profile, nil
}

func public(m dcr.ClientMetadata) bool { return m.TokenEndpointAuthMethod == dcr.AuthNone }

// secretCheck compares the client secret that was sent, if one was, with the
// one in force (RFC 7592 §2.2).
func secretCheck(req *dcr.Request) func(string) error {
	if req.ClientSecret == "" {
		return nil
	}
	sent := credential.Presented(req.ClientSecret)
	return func(secret string) error {
		if secret == "" || !credential.Presented(secret).Hash().Matches(sent) {
			return errOtherSecret()
		}
		return nil
	}
}

func errOtherSecret() error {
	return dcr.Errorf(dcr.InvalidClientMetadata, "client_secret is not the present one, which cannot be chosen (RFC 7592 section 2.2)")
}

// settle marks a ready after an update. If another update has begun since, the
// mark is that one's to set.
func (s *Service) settle(ctx context.Context, a *broker.AppClient) {
	ctx, cancel := broker.CleanupContext(ctx)
	defer cancel()
	a.State, a.Due = broker.AppClientReady, time.Time{}
	s.left(ctx, a, s.store.ReplaceAppClient(ctx, a))
}

func unavailableIf(err error) error {
	if err == nil {
		return nil
	}
	return unavailable(err)
}
