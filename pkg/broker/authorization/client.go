package authorization

import (
	"context"
	"errors"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// client is the client of a request: a registration that may be used, its
// profile, and the redirect URI of the request, which is registered. Until
// these are certain, errors go to the user: a redirect to a URI that is not
// registered is forbidden (RFC 6749 §4.1.2.1).
type client struct {
	reg      *broker.Registration
	profile  *policy.Profile
	redirect dcr.RedirectURI
	state    string
	// vouched has the meaning of Denial.Vouched.
	vouched bool
	// forwards reports whether the redirect URI forwards by today's policy; see
	// policy.Profile.Forwards.
	forwards bool
	// resource is the protected resource of a transaction. It is the zero Resource
	// for a new request.
	resource broker.Resource
}

func newClient(reg *broker.Registration, profile *policy.Profile, u dcr.RedirectURI, state string) client {
	c := client{reg: reg, profile: profile, redirect: u, state: state, forwards: profile.Forwards(u)}
	// A voucher is for the client, not for the program to which a response is
	// forwarded.
	c.vouched = profile.Vouches(u) || reg.Vouched() && !c.forwards
	return c
}

// client returns the client of a new request.
func (v *visit) client(ctx context.Context, r Request) (client, error) {
	for _, name := range []string{"client_id", "redirect_uri"} {
		if slices.Contains(r.Repeated, name) {
			return client{}, &Problem{Kind: BadRequest, Detail: mustNotRepeat(name)}
		}
	}
	if r.ClientID == "" {
		return client{}, &Problem{Kind: BadRequest, Detail: "client_id is required"}
	}
	reg, profile, err := v.registration(ctx, r.ClientID)
	if err != nil {
		return client{}, err
	}
	// RFC 6749 §3.1.2.3 requires redirect_uri only of clients with more than one.
	// We require it always, as OAuth 2.1 may: the code is bound to it.
	if r.RedirectURI == "" {
		return client{}, &Problem{Kind: BadRedirectURI, Detail: "redirect_uri is required"}
	}
	u, ok := matchRedirectURI(r.RedirectURI, reg.Metadata.RedirectURIs)
	if !ok {
		return client{}, &Problem{Kind: BadRedirectURI, Detail: "redirect_uri is none of those that the client registered: " + dcr.Quote(r.RedirectURI)}
	}
	return newClient(reg, profile, u, r.State), nil
}

// clientOf returns the client of a transaction. Since the transaction began,
// the registration may have ended, another one may have got its id, or an
// operator may have removed the protected resource.
func (v *visit) clientOf(ctx context.Context, t *broker.Transaction) (client, error) {
	if err := v.renewFor(ctx, t.Resource); err != nil {
		return client{}, err
	}
	reg, profile, err := v.registration(ctx, t.ClientID)
	if err != nil {
		return client{}, err
	}
	if reg.Generation != t.Generation {
		return client{}, &Problem{Kind: UnknownClient, Detail: "the client has been registered again since"}
	}
	u, ok := matchRedirectURI(t.RedirectURI, reg.Metadata.RedirectURIs)
	if !ok {
		return client{}, &Problem{Kind: BadRedirectURI, Detail: "the client has given up this redirect URI since"}
	}
	c := newClient(reg, profile, u, t.State)
	if c.resource, ok = v.resource(t.Resource); !ok {
		// If the user starts again, the client learns that the resource is invalid.
		return client{}, expired("the protected resource has been removed since")
	}
	return c, nil
}

// resource returns the protected resource with this identifier. A transaction
// has none, with the identifier "", if there was none when it began.
func (v *visit) resource(identifier string) (broker.Resource, bool) {
	if identifier == "" {
		return broker.Resource{}, true
	}
	i := slices.IndexFunc(v.conf.Resources, func(r broker.Resource) bool { return broker.SameResource(r.URL, identifier) })
	if i < 0 {
		return broker.Resource{}, false
	}
	return v.conf.Resources[i], true
}

// registration returns the registration of a client of brokered mode, and its
// profile. All clients that cannot be used get the same answer, except a client
// that waits for approval and one that an operator has switched off: to register
// again would not help them.
func (v *visit) registration(ctx context.Context, id string) (*broker.Registration, *policy.Profile, error) {
	if broker.NamesMetadataDocument(id) {
		return nil, nil, &Problem{Kind: MetadataDocument, Detail: broker.NoMetadataDocuments}
	}
	reg, err := v.flow.config.Clients.Client(ctx, id)
	if errors.Is(err, broker.ErrPending) {
		return nil, nil, &Problem{Kind: NotApproved, Detail: "the client waits for the operator's approval"}
	}
	if errors.Is(err, broker.ErrDisabled) {
		return nil, nil, &Problem{Kind: SwitchedOff, Detail: "the operator has disabled or deleted the client"}
	}
	if errors.Is(err, broker.ErrNotFound) || err == nil && reg.Mode != broker.ModeBrokered {
		return nil, nil, &Problem{Kind: UnknownClient, Detail: "client_id is not registered, or no longer registered"}
	}
	if err != nil {
		return nil, nil, unavailable("the registration could not be read", err)
	}
	profile, ok := v.conf.Policy.Profile(reg.Profile)
	if !ok {
		if err := v.renew(ctx); err != nil {
			return nil, nil, err
		}
		profile, ok = v.conf.Policy.Profile(reg.Profile)
	}
	if !ok {
		return nil, nil, &Problem{Kind: UnknownClient, Detail: "the client's profile is no longer in the policy"}
	}
	return reg, profile, nil
}

// admits reports whether the user may consent to this client.
func (c client) admits(u broker.User) bool {
	return c.profile.Users().Allow(u.Groups, u.IdentityProviders)
}

// notAdmitted is the Problem of a user who may not consent to this client.
func (c client) notAdmitted(u broker.User) *Problem {
	if !c.profile.Users().AllowProviders(u.IdentityProviders) {
		return &Problem{Kind: OtherProvider, Detail: "the user's account can sign in with an identity provider that the profile does not list"}
	}
	return &Problem{Kind: NoAccess, Detail: "the user may not consent under this profile"}
}

// identityProvider returns the identity provider with which every user of this
// client signs in, or "" if there are several.
func (c client) identityProvider() string {
	if providers := c.profile.Users().IdentityProviders; len(providers) == 1 {
		return providers[0]
	}
	return ""
}

// remembers reports whether a consent for this client is stored, and used, by
// today's policy.
func (c client) remembers() bool { return c.profile.Remembers(c.redirect) }
