package usecase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Config is what a Service needs. Fields are required unless they say when not.
type Config struct {
	// Mode is that of the registrations that are made. The zero value is
	// ModeDirect.
	Mode  broker.Mode
	Store broker.Store
	// AppClients is not needed in brokered mode, where only Sweep calls it.
	AppClients broker.AppClients
	// Updater is what app clients of brokered mode are given more scopes with,
	// by Sweep, and other settings by ApplyProfile. Without it they keep those
	// they have.
	Updater broker.AppClientUpdater
	// Adopter is needed by Adopt only.
	Adopter broker.AppClientAdopter
	// Branding is whether app clients need a branding style, as they do on
	// managed login (version 2), so that Sweep counts those that are left. Not
	// required.
	Branding bool
	// Grants is needed in brokered mode by Sweep, and by operators: without it
	// the grants of a client that is disabled or deleted are ended by Sweep.
	Grants broker.GrantEnder
	// Deployment is the id of this deployment. It is needed by whoever has
	// AppClients.
	Deployment string
	// Keys returns the keys that derive client ids. It is called once per
	// registration, and needed for open registration in brokered mode only.
	Keys func(context.Context) (*seal.Ring, error)
	// JWTs verifies initial access tokens and software statements of issuers
	// that the policy names. Without it they are faults of ours; so it is needed
	// by whoever registers clients, unless the policy names none.
	JWTs policy.JWTVerifier
	// Policy returns the policy in force. It is called once per request.
	Policy func(context.Context) (*policy.Policy, error)
	// Issuer is the broker's origin, under which registrations are managed.
	Issuer string
	Now    func() time.Time
	Log    *slog.Logger
}

// Service is the use cases. It is safe for concurrent use.
//
// The errors of its methods are *dcr.Error where the client is to be told, and
// otherwise faults of ours.
type Service struct {
	*clients.Directory
	mode    broker.Mode
	store   broker.Store
	apps    broker.AppClients
	updater broker.AppClientUpdater
	adopter broker.AppClientAdopter
	grants  broker.GrantEnder
	// branding is whether app clients need a branding style.
	branding bool
	deployments
	deployment string
	keys       func(context.Context) (*seal.Ring, error)
	recent     *recent
	jwts       policy.JWTVerifier
	policy     func(context.Context) (*policy.Policy, error)
	issuer     string
	now        func() time.Time
	log        *slog.Logger
	audit      broker.AuditTrail
}

// New returns a Service, or an error if a field of c is missing.
func New(c Config) (*Service, error) {
	if c.Store == nil || c.Policy == nil || c.Issuer == "" || c.Now == nil || c.Log == nil {
		return nil, errors.New("broker: Store, Policy, Issuer, Now and Log of Config are required")
	}
	s := &Service{
		Directory: clients.New(broker.ModeDirect, c.Store, c.Now),
		mode:      broker.ModeDirect, store: c.Store, apps: c.AppClients, updater: c.Updater, adopter: c.Adopter, grants: c.Grants,
		branding:   c.Branding,
		deployment: c.Deployment, keys: c.Keys,
		jwts: c.JWTs, policy: c.Policy, issuer: c.Issuer, now: c.Now, log: c.Log, audit: broker.AuditTrail{Log: c.Log},
	}
	s.deployments.id = c.Deployment
	switch {
	case c.AppClients != nil && c.Deployment == "":
		return nil, errors.New("broker: Deployment of Config is required with AppClients")
	case c.Mode == broker.ModeBrokered:
		s.mode, s.Directory, s.recent = broker.ModeBrokered, clients.New(broker.ModeBrokered, c.Store, c.Now), newRecent()
	case c.Mode != "" && c.Mode != broker.ModeDirect:
		return nil, fmt.Errorf("broker: there is no mode %q", c.Mode)
	case c.AppClients == nil:
		return nil, errors.New("broker: AppClients of Config is required in direct mode")
	}
	return s, nil
}

// information is what the bearer of token is told about r (RFC 7591 §3.2.1,
// RFC 7592 §3). The client secret is stored nowhere, neither Cognito's nor ours,
// and is therefore only in the answer to the registration itself.
func (s *Service) information(r *broker.Registration, token string) *dcr.ClientInformation {
	m := r.Metadata
	if r.Mode == broker.ModeBrokered {
		m = told(m)
	}
	return &dcr.ClientInformation{
		ClientID:                r.ClientID,
		IssuedAt:                r.IssuedAt,
		RegistrationAccessToken: token,
		RegistrationClientURI:   s.issuer + "/register/" + r.ClientID,
		Metadata:                m,
	}
}

// told is what a client of brokered mode is told of its metadata. The broker
// signs users in with openid and hands out no ID token, so that the scope is
// ours and not the client's.
func told(m dcr.ClientMetadata) dcr.ClientMetadata {
	scopes := slices.DeleteFunc(strings.Fields(m.Scope), func(s string) bool { return s == "openid" })
	m.Scope = strings.Join(scopes, " ")
	return m
}

// unavailable tells the client to try again, with the cause for the log. A cause
// that already holds an answer for the client is returned as it is.
func unavailable(cause error) error {
	if _, ok := errors.AsType[*dcr.Error](cause); ok {
		return cause
	}
	return broker.Unavailable("the registration could not be completed, nothing was lost", broker.RetrySoon, cause)
}
