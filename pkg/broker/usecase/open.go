package usecase

import (
	"context"
	"encoding/json"
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

// extendEvery is how exact the lifetime of an unconfirmed registration is: a
// repeat that would add less is no write.
const extendEvery = time.Hour

// registerOpen registers a client for which nothing vouches. Everyone who says
// the same of himself is the same client, and has no token to manage it with:
// one of them could delete it for the others.
func (s *Service) registerOpen(ctx context.Context, profile *policy.Profile, m dcr.ClientMetadata, st *statement) (*dcr.ClientInformation, error) {
	if s.keys == nil {
		return nil, unavailable(errors.New("no keys are configured to derive client ids with"))
	}
	ring, err := s.keys(ctx)
	if err != nil {
		return nil, unavailable(fmt.Errorf("keys: %w", err))
	}
	body, err := canonical(m)
	if err != nil {
		return nil, err
	}
	parts := []string{profile.Name(), string(body)}
	if st != nil {
		// What somebody vouches for is not the same as what is only said.
		says, err := canonical(st.says)
		if err != nil {
			return nil, err
		}
		parts = append(parts, st.issuer, string(says))
	}
	sum := ring.MAC("client_id", parts...)
	id := clientIDPrefix + credential.DerivedID(sum)

	if issued, ok := s.recent.issuedAt(id, m.Scope, s.now()); ok {
		telemetry.Note(ctx, telemetry.ClientID, id)
		telemetry.Count(ctx, telemetry.DedupeHits, 1)
		return &dcr.ClientInformation{ClientID: id, IssuedAt: issued, Metadata: told(m)}, nil
	}
	r, err := s.deduplicated(ctx, profile, id, m)
	if err != nil {
		return nil, err
	}
	return &dcr.ClientInformation{ClientID: id, IssuedAt: r.IssuedAt, Metadata: told(m)}, nil
}

// clientIDPrefix begins every client id of brokered mode.
const clientIDPrefix = "dcr_"

// deduplicated returns the registration with that id, which it makes, extends or
// leaves as it is.
func (s *Service) deduplicated(ctx context.Context, profile *policy.Profile, id string, m dcr.ClientMetadata) (*broker.Registration, error) {
	var last error
	for range broker.Attempts {
		at := s.now()
		r, err := s.store.Registration(ctx, id)
		switch {
		case errors.Is(err, broker.ErrNotFound):
			r, err = s.first(ctx, profile, id, m)
		case err == nil:
			err = s.repeat(ctx, profile, r, m)
		}
		if err == nil {
			s.recent.saw(r, at)
			return r, nil
		}
		if !errors.Is(err, broker.ErrExists) && !errors.Is(err, broker.ErrConflict) && !errors.Is(err, broker.ErrNotFound) {
			return nil, unavailable(fmt.Errorf("registration %s: %w", id, err))
		}
		last = err // somebody else was faster; see what he did
	}
	return nil, unavailable(fmt.Errorf("registration %s: %w", id, last))
}

// first makes the registration.
func (s *Service) first(ctx context.Context, profile *policy.Profile, id string, m dcr.ClientMetadata) (*broker.Registration, error) {
	r := newRegistration(profile, id, m, s.now())
	hour := creations(profile, voucher{}, m, r.IssuedAt)
	if err := s.takeHour(ctx, hour, id, r.IssuedAt); err != nil {
		return nil, err
	}
	err := broker.RecordRegistration(ctx, s.store, r)
	if err == nil {
		s.audit.Created(ctx, voucher{}.actor(), nil, r)
		return r, nil
	}
	if errors.Is(err, broker.ErrExists) {
		return nil, err
	}
	undo, cancel := broker.CleanupContext(ctx)
	defer cancel()
	return nil, errors.Join(err, s.giveBackHour(undo, hour, id))
}

// repeat is for a registration that there is.
func (s *Service) repeat(ctx context.Context, profile *policy.Profile, r *broker.Registration, m dcr.ClientMetadata) error {
	switch r.State {
	case broker.RegistrationDisabled, broker.RegistrationDeleted:
		return dcr.Errorf(dcr.InvalidClientMetadata, "the operator of this server has switched this client off")
	case broker.RegistrationDeleting:
		return unavailable(errors.New("it is being deleted"))
	case broker.RegistrationRemoved:
		return s.revive(ctx, profile, r, m)
	}
	before, changed := r.Clone(), false
	if r.State == broker.RegistrationPending && profile.Approval() == policy.ApprovalNone {
		r.State, changed = broker.RegistrationActive, true // nobody is asked any more
	}
	if until := policy.UnconfirmedUntil(profile, s.now()); !r.ExpiresAt.IsZero() && (until.IsZero() || until.Sub(r.ExpiresAt) >= extendEvery) {
		r.ExpiresAt, changed = until, true
	}
	// The scopes are those of the profile, which may have changed.
	if r.Metadata.Scope != m.Scope {
		r.Metadata.Scope, changed = m.Scope, true
	}
	if changed {
		if err := s.store.ReplaceRegistration(ctx, r); err != nil {
			return err
		}
		s.audit.Change(ctx, telemetry.RegistrationUpdated, voucher{}.actor(), before, r)
	}
	// Somebody is about to use it, and should not find it removed.
	if end := policy.EndOfLife(r, profile); !changed && r.ExpiresAt.IsZero() && !end.IsZero() && end.Sub(s.now()) < lastDay {
		if err := s.store.TouchRegistration(ctx, r.ClientID, r.Generation, broker.Seconds(s.now())); err != nil {
			return err
		}
	}
	broker.NoteClient(ctx, r)
	telemetry.Count(ctx, telemetry.DedupeHits, 1)
	return nil
}

// lastDay is the time at the end of a registration's life in which registering
// again counts as a use.
const lastDay = 24 * time.Hour

// revive makes the registration anew in place of its tombstone. It is another
// one: what was granted before is worth nothing. If that has not been ended yet,
// Sweep goes on with it.
func (s *Service) revive(ctx context.Context, profile *policy.Profile, old *broker.Registration, m dcr.ClientMetadata) error {
	r := newRegistration(profile, old.ClientID, m, s.now())
	hour := creations(profile, voucher{}, m, r.IssuedAt)
	if err := s.takeHour(ctx, hour, r.ClientID, r.IssuedAt); err != nil {
		return err
	}
	generation := r.Generation
	r.Generation, r.Version = old.Generation, old.Version
	if !old.Due.IsZero() {
		r.Stale, r.Due, r.ExpiresAt = true, old.Due, time.Time{}
	}
	if err := s.store.RenewRegistration(ctx, r, generation); err != nil {
		return err
	}
	s.audit.Created(ctx, voucher{}.actor(), old, r)
	*old = *r
	return nil
}

// newRegistration returns a registration of brokered mode.
func newRegistration(profile *policy.Profile, id string, m dcr.ClientMetadata, now time.Time) *broker.Registration {
	now = broker.Seconds(now)
	r := &broker.Registration{
		ClientID:   id,
		Generation: credential.NewID(),
		Mode:       broker.ModeBrokered,
		State:      broker.RegistrationActive,
		Profile:    profile.Name(),
		Metadata:   m,
		IssuedAt:   now,
		ExpiresAt:  policy.UnconfirmedUntil(profile, now),
	}
	if profile.Approval() == policy.ApprovalManual {
		r.State = broker.RegistrationPending
	}
	r.Due = policy.NextReview(r, profile, now)
	return r
}

// canonical is what two registrations have in common that are the same client:
// everything but the order of lists, the ports of loopback redirect URIs, which
// are chosen at run time (RFC 8252 §7.3), the scopes, which are the profile's
// and not the client's, and the text of a software statement, which may be
// signed anew for each instance.
func canonical(m dcr.ClientMetadata) ([]byte, error) {
	m = m.Clone()
	m.Scope, m.SoftwareStatement = "", ""
	for i, raw := range m.RedirectURIs {
		u, err := dcr.ParseRedirectURI(raw)
		if err == nil && u.Kind == dcr.Loopback {
			m.RedirectURIs[i] = portless(u)
		}
	}
	for _, list := range []*[]string{&m.RedirectURIs, &m.GrantTypes, &m.ResponseTypes, &m.Contacts} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("canonical metadata: %w", err)
	}
	return b, nil
}

// portless is a loopback redirect URI without its port, the rest as it was sent,
// since that is how it is compared.
func portless(u dcr.RedirectURI) string {
	if u.Port == "" {
		return u.Raw
	}
	host := len(u.Scheme) + len("://") + len(u.Host)
	return u.Raw[:host] + u.Raw[host+len(":")+len(u.Port):]
}
