package token

import (
	"context"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// An objection is why the policy does not allow a request for a token.
type objection struct {
	// refusal is the answer if the grant does not end.
	refusal error
	// reason is why the grant ends, for the audit event, and description is the
	// answer then. Both are empty if it does not end.
	reason, description string
}

// judge returns the client's profile if find has no objection under the policy in
// force. Otherwise judge reads the configuration again, past every cache, because a
// grant that has ended does not come back when the operator restores the policy. If
// it cannot be read, nothing ends. find gets nil if there is no such profile.
func (c *call) judge(ctx context.Context, g *broker.Grant, find func(*policy.Profile) *objection) (*policy.Profile, error) {
	var o *objection
	for _, ctx := range []context.Context{ctx, broker.Uncached(ctx)} {
		conf, err := c.Configuration(ctx)
		if err != nil {
			return nil, err
		}
		profile := profileOf(conf, c.reg)
		if o = find(profile); o == nil {
			return profile, nil
		}
	}
	if o.reason == "" {
		return nil, o.refusal
	}
	return nil, c.end(ctx, g, o.reason, o.description)
}

// profileOf returns the profile of a registration, or nil if the policy does not
// have it any more.
func profileOf(conf *configuration.Configuration, reg *broker.Registration) *policy.Profile {
	profile, _ := conf.Policy.Profile(reg.Profile)
	return profile
}

// judgeGrant judges what needs no answer of Cognito. Cognito cannot narrow a
// refresh, so the client loses the whole grant of a user if one of its scopes is
// withdrawn.
func (c *call) judgeGrant(ctx context.Context, g *broker.Grant) (*policy.Profile, error) {
	return c.judge(ctx, g, func(p *policy.Profile) *objection {
		if p == nil {
			return &objection{reason: "its profile was withdrawn", description: "the operator has withdrawn the profile of the client; authorize again"}
		}
		if withheld := p.Withholds(g.Scopes); len(withheld) > 0 {
			return &objection{
				reason:      "a scope was withdrawn: " + strings.Join(withheld, " "),
				description: "the operator has withdrawn the scope " + dcr.Quote(withheld[0]) + "; authorize again for the others",
			}
		}
		if !p.AllowsGrantType(c.GrantType) {
			return &objection{refusal: errGrantTypeWithdrawn}
		}
		return nil
	})
}

// judgeUser judges the user as Cognito's answer describes them now. u is the zero
// User if the answer had no ID token.
func (c *call) judgeUser(ctx context.Context, g *broker.Grant, u broker.User) error {
	_, err := c.judge(ctx, g, func(p *policy.Profile) *objection {
		switch {
		case p == nil || !p.Users().Restricted(): // a profile that went meanwhile is judged at the next request
			return nil
		case u.Sub == "":
			return &objection{refusal: unavailable("Cognito's answer had no ID token to check the user by", nil)}
		case !admits(p, u):
			return &objection{reason: "its user is no longer admitted", description: "the user may not use this client any more; authorize again"}
		}
		return nil
	})
	return err
}

// admits reports whether a user may have tokens for a client with this profile.
func admits(p *policy.Profile, u broker.User) bool {
	return p.Users().Allow(u.Groups, u.IdentityProviders)
}

var errGrantTypeWithdrawn = broker.Refuse(broker.UnauthorizedClient, "the operator has withdrawn this grant type from the client's profile")

// left returns those of scopes that a profile allows, none if profile is nil.
func left(p *policy.Profile, scopes []string) []string {
	if p == nil {
		return nil
	}
	withheld := p.Withholds(scopes)
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(withheld, s) })
}
