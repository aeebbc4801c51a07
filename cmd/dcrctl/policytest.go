package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

type policyTestCmd struct {
	policyDocument
	Body    string `arg:"" optional:"" default:"-" help:"The registration request (RFC 7591) as a client sends it: a file, or - for standard input."`
	Profile string `placeholder:"NAME" help:"Register with an initial access token of this profile. Default: openly."`
}

// verdict is what a registration would get, as JSON.
type verdict struct {
	// Registered is whether it would be registered; Error and Description are
	// what the client is told otherwise.
	Registered  bool   `json:"registered"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Profile     string `json:"profile,omitempty"`
	// State is active, or pending if an operator has to approve it.
	State string `json:"state,omitempty"`
	// AppClient is shared, dedicated, own (direct mode) or none.
	AppClient string `json:"app_client,omitempty"`
	// Lifetimes are in seconds; 0 is for ever.
	Unconfirmed int64 `json:"lifetime_unconfirmed"`
	Inactive    int64 `json:"lifetime_inactive"`
	Absolute    int64 `json:"lifetime_absolute"`
	// Dropped are redirect URIs that were asked for and would not be registered.
	Dropped []string `json:"dropped_redirect_uris,omitempty"`
	// Notes say where it would get other than it asked for, and why.
	Notes    []string            `json:"notes"`
	Metadata *dcr.ClientMetadata `json:"metadata,omitempty"`
}

func (c *policyTestCmd) Run(ctx context.Context, op *operator) error {
	p, mode, err := c.read(ctx, op)
	if bad, ok := errors.AsType[*policy.ParseError](err); ok {
		return fmt.Errorf("%s is no policy:\n%w", c.File, bad)
	}
	if err != nil {
		return err
	}
	if c.Profile != "" {
		if _, ok := p.Profile(c.Profile); !ok {
			return fmt.Errorf("no profile %q in the policy; it has %s: %w", c.Profile, strings.Join(p.Profiles(), ", "), broker.ErrNotFound)
		}
	}
	body, err := readFile(op, c.Body)
	if err != nil {
		return &usageError{err.Error()}
	}
	v, err := c.judge(p, mode, body)
	if err != nil {
		return err
	}
	if err := v.write(op); err != nil {
		return err
	}
	if !v.Registered {
		return errFailed
	}
	return nil
}

// judge does what registering does as far as nothing is stored: it decodes,
// validates, and has the policy decide.
func (c *policyTestCmd) judge(p *policy.Policy, mode broker.Mode, body []byte) (verdict, error) {
	v := verdict{Notes: []string{}}
	refused := func(err error) (verdict, error) {
		e, ok := errors.AsType[*dcr.Error](err)
		if !ok {
			return v, err
		}
		v.Error, v.Description = string(e.Code), e.Description
		return v, nil
	}
	req, err := dcr.Decode(body)
	if err != nil {
		return refused(err)
	}
	profile, ok := p.Profile(c.Profile)
	if c.Profile == "" {
		if profile, ok = p.Open(); !ok {
			return refused(dcr.Errorf(dcr.TokenRequired, "registration needs an initial access token"))
		}
	}
	if !ok {
		return v, broker.ErrNotFound
	}
	v.Profile = profile.Name()
	asked, err := dcr.Validate(req.Metadata)
	if err != nil {
		return refused(err)
	}
	switch use := profile.SoftwareStatements(); {
	case use == policy.RequireStatements && req.SoftwareStatement == "":
		return refused(dcr.Errorf(dcr.InvalidSoftwareStatement, "software_statement: required here"))
	case use != policy.IgnoreStatements && req.SoftwareStatement != "":
		v.note("software_statement: not verified here; what it says would go before what the request says")
	case req.SoftwareStatement != "":
		v.note("software_statement: ignored, as the profile says")
	}
	got, err := profile.Apply(asked)
	if err != nil {
		return refused(err)
	}
	if mode == broker.ModeBrokered {
		// The broker signs users in with it, and no client is told of it.
		got.Scope = strings.Join(slices.DeleteFunc(strings.Fields(got.Scope), func(s string) bool { return s == "openid" }), " ")
	}
	v.Registered, v.Metadata = true, &got
	v.differ(req.Metadata, got, profile)
	v.life(profile, mode, c.Profile != "", got)
	return v, nil
}

func (v *verdict) note(format string, args ...any) {
	v.Notes = append(v.Notes, fmt.Sprintf(format, args...))
}

// differ notes where a registration gets other than it asked for.
func (v *verdict) differ(asked, got dcr.ClientMetadata, profile *policy.Profile) {
	for _, uri := range asked.RedirectURIs {
		if !slices.Contains(got.RedirectURIs, uri) {
			v.Dropped = append(v.Dropped, uri)
			v.note("redirect_uris: %q is dropped; the profile allows %s", uri, profile.RedirectURIs())
		}
	}
	if method := asked.TokenEndpointAuthMethod; method != got.TokenEndpointAuthMethod {
		if method == "" {
			method = "none named"
		}
		v.note("token_endpoint_auth_method: %s becomes %s; the profile allows %s", method, got.TokenEndpointAuthMethod, strings.Join(profile.AuthMethods(), ", "))
	}
	for _, g := range asked.GrantTypes {
		if !slices.Contains(got.GrantTypes, g) {
			v.note("grant_types: %q is dropped; the profile allows %s", g, strings.Join(profile.GrantTypes(), ", "))
		}
	}
	had, have := strings.Fields(asked.Scope), strings.Fields(got.Scope)
	var lost, more []string
	for _, s := range had {
		if !slices.Contains(have, s) {
			lost = append(lost, s)
		}
	}
	for _, s := range have {
		if !slices.Contains(had, s) {
			more = append(more, s)
		}
	}
	if len(lost) > 0 {
		v.note("scope: %q is not given", strings.Join(lost, " "))
	}
	if len(more) > 0 {
		why := "the profile gives it to who names none, or it has to go with another"
		if profile.Open() {
			why = "open registration gives all of the profile's"
		}
		v.note("scope: %q was not asked for; %s", strings.Join(more, " "), why)
	}
}

// life says what comes of the registration.
func (v *verdict) life(profile *policy.Profile, mode broker.Mode, vouched bool, m dcr.ClientMetadata) {
	life := profile.Lifetimes()
	v.State, v.AppClient = string(broker.RegistrationActive), string(profile.AppClient())
	v.Unconfirmed, v.Inactive, v.Absolute = seconds(life.Unconfirmed), seconds(life.Inactive), seconds(life.Absolute)
	if mode == broker.ModeDirect {
		v.AppClient = "own"
		return
	}
	if profile.Approval() == policy.ApprovalManual {
		v.State = string(broker.RegistrationPending)
		v.note("approval: an operator has to approve it (dcrctl client approve) before it can be used")
	}
	machine := slices.Contains(m.GrantTypes, dcr.GrantClientCredentials)
	switch {
	case machine && vouched:
		v.AppClient = string(policy.DedicatedAppClient)
	case profile.AppClient() == policy.DedicatedAppClient && !vouched:
		v.AppClient = "none"
	}
}

func (v verdict) write(op *operator) error {
	if op.json {
		return op.writeJSON([]verdict{v})
	}
	if !v.Registered {
		return show(op, v, []field{
			{"answer", "refused"}, {"profile", v.Profile}, {"error", v.Error}, {"description", oneLine(v.Description)}, {"notes", list(v.Notes)},
		})
	}
	m := v.Metadata
	return show(op, v, []field{
		{"answer", "registered, " + v.State}, {"profile", v.Profile}, {"name", oneLine(m.ClientName)}, {"redirect uris", list(m.RedirectURIs)},
		{"grant types", strings.Join(m.GrantTypes, " ")}, {"auth method", m.TokenEndpointAuthMethod}, {"scope", oneLine(m.Scope)},
		{"app client", v.AppClient},
		{"lifetimes", fmt.Sprintf("unconfirmed %s, inactive %s, absolute %s", lifetime(v.Unconfirmed), lifetime(v.Inactive), lifetime(v.Absolute))},
		{"notes", list(v.Notes)},
	})
}
