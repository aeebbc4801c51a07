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

type configTestCmd struct {
	Body    string `arg:"" name:"registration" optional:"" default:"-" help:"The registration request (RFC 7591) as a client sends it: a file, or - for standard input."`
	File    string `placeholder:"FILE" help:"Test a document in a file. Default: the configuration in force."`
	Profile string `placeholder:"NAME" help:"Register with an initial access token of this profile. Default: open registration."`
	modeFlag
}

// verdict is what a registration would get, as JSON.
type verdict struct {
	// Registered reports whether the client would be registered. If not, Error
	// and Description are the error response.
	Registered  bool   `json:"registered"`
	Error       string `json:"error,omitempty"`
	Description string `json:"error_description,omitempty"`
	Profile     string `json:"profile,omitempty"`
	// State is active, or pending if an operator has to approve the client.
	State string `json:"state,omitempty"`
	// AppClient is shared, dedicated, own (direct mode) or none.
	AppClient string `json:"app_client,omitempty"`
	// Lifetimes are in seconds; 0 is unlimited.
	Unconfirmed int64 `json:"lifetime_unconfirmed"`
	Inactive    int64 `json:"lifetime_inactive"`
	Absolute    int64 `json:"lifetime_absolute"`
	// Dropped are the requested redirect URIs that would not be registered.
	Dropped []string `json:"dropped_redirect_uris,omitempty"`
	// Notes explain each difference between the request and the registration.
	Notes    []string            `json:"notes"`
	Metadata *dcr.ClientMetadata `json:"metadata,omitempty"`
}

func (c *configTestCmd) Run(ctx context.Context, op *operator) error {
	conf, mode, err := c.configuration(ctx, op, c.File)
	if err != nil {
		return err
	}
	p := conf.Policy
	if c.Profile != "" {
		if _, ok := p.Profile(c.Profile); !ok {
			return missing(fmt.Errorf("no profile %q in the configuration; it has %s", c.Profile, strings.Join(p.Profiles(), ", ")))
		}
	}
	body, err := readFile(op, c.Body)
	if err != nil {
		return &usageError{err.Error()}
	}
	v, err := c.evaluate(p, mode, body)
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

// evaluate does the part of a registration that stores nothing: it decodes and
// validates the request and applies the policy.
func (c *configTestCmd) evaluate(p *policy.Policy, mode broker.Mode, body []byte) (verdict, error) {
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
	valid, err := dcr.Validate(req.Metadata)
	if err != nil {
		return refused(err)
	}
	switch use := profile.SoftwareStatements(); {
	case use == policy.RequireStatements && req.SoftwareStatement == "":
		return refused(dcr.Errorf(dcr.InvalidSoftwareStatement, "software_statement: required here"))
	case use != policy.IgnoreStatements && req.SoftwareStatement != "":
		v.addNote("software_statement: not verified here; its claims would take precedence over the request")
	case req.SoftwareStatement != "":
		v.addNote("software_statement: ignored, as the profile says")
	}
	applied, err := profile.Apply(valid)
	if err != nil {
		return refused(err)
	}
	granted := broker.PublicMetadata(mode, applied.ClientMetadata)
	v.Registered, v.Metadata = true, &granted
	v.noteDifferences(req.Metadata, granted, profile)
	v.setOutcome(profile, mode, c.Profile != "", granted)
	return v, nil
}

func (v *verdict) addNote(format string, args ...any) {
	v.Notes = append(v.Notes, fmt.Sprintf(format, args...))
}

// noteDifferences adds a note for each difference between the request of the
// client and the grant of the policy.
func (v *verdict) noteDifferences(requested, granted dcr.ClientMetadata, profile *policy.Profile) {
	for _, uri := range requested.RedirectURIs {
		if !slices.Contains(granted.RedirectURIs, uri) {
			v.Dropped = append(v.Dropped, uri)
			v.addNote("redirect_uris: %q is dropped; the profile allows %s", uri, profile.RedirectURIs())
		}
	}
	allowed := strings.Join(profile.AuthMethods(), ", ")
	switch method := requested.TokenEndpointAuthMethod; method {
	case granted.TokenEndpointAuthMethod:
	case "":
		v.addNote("token_endpoint_auth_method: defaults to %s; the profile allows %s", granted.TokenEndpointAuthMethod, allowed)
	default:
		v.addNote("token_endpoint_auth_method: %s becomes %s; the profile allows %s", method, granted.TokenEndpointAuthMethod, allowed)
	}
	for _, g := range requested.GrantTypes {
		if !slices.Contains(granted.GrantTypes, g) {
			v.addNote("grant_types: %q is dropped; the profile allows %s", g, strings.Join(profile.GrantTypes(), ", "))
		}
	}
	before, after := strings.Fields(requested.Scope), strings.Fields(granted.Scope)
	var removed, added []string
	for _, s := range before {
		if !slices.Contains(after, s) {
			removed = append(removed, s)
		}
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
			added = append(added, s)
		}
	}
	if len(removed) > 0 {
		v.addNote("scope: %q is not granted", strings.Join(removed, " "))
	}
	if len(added) > 0 {
		why := "it is a default scope of the profile, or another scope needs it"
		if profile.Open() {
			why = "open registration grants all scopes of the profile"
		}
		v.addNote("scope: %q was not requested; %s", strings.Join(added, " "), why)
	}
}

// setOutcome sets the state, the kind of app client and the lifetimes of the
// registration. withToken reports whether it has an initial access token.
func (v *verdict) setOutcome(profile *policy.Profile, mode broker.Mode, withToken bool, m dcr.ClientMetadata) {
	life := profile.Lifetimes()
	v.State, v.AppClient = string(broker.RegistrationActive), string(profile.AppClient())
	v.Unconfirmed, v.Inactive, v.Absolute = seconds(life.Unconfirmed), seconds(life.Inactive), seconds(life.Absolute)
	if mode == broker.ModeDirect {
		v.AppClient = "own"
		return
	}
	if profile.Approval() == policy.ApprovalManual {
		v.State = string(broker.RegistrationPending)
		v.addNote("approval: an operator has to approve it (dcrctl client approve) before it can be used")
	}
	machine := dcr.InOwnName(m.GrantTypes)
	switch {
	case machine && withToken:
		v.AppClient = string(policy.DedicatedAppClient)
	case profile.AppClient() == policy.DedicatedAppClient && !withToken:
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
