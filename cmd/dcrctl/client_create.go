package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	ahead "github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

type clientCreateCmd struct {
	Profile     string   `required:"" placeholder:"NAME" help:"Profile of the client."`
	ID          string   `name:"id" placeholder:"ID" help:"Client id: dcr_ followed by letters, digits and _. Default: a random one."`
	Name        string   `placeholder:"NAME" help:"Client name, which the consent page shows."`
	RedirectURI []string `name:"redirect-uri" sep:"none" placeholder:"URI" help:"Redirect URI; may be given several times."`
	GrantType   []string `placeholder:"TYPE,..." help:"Grant types, separated by commas. Default: authorization_code, refresh_token."`
	AuthMethod  string   `placeholder:"METHOD" help:"client_secret_basic, client_secret_post or none. Default: set by the profile."`
	Scope       string   `placeholder:"SCOPES" help:"Scopes, separated by spaces. Default: set by the profile."`
	Metadata    string   `placeholder:"FILE" help:"File with the client metadata of a registration request (RFC 7591), in place of the flags above; - is standard input."`
}

// Run writes the same response as a registration, with the secret, which is not
// shown again.
func (c *clientCreateCmd) Run(ctx context.Context, op *operator) error {
	m, err := c.metadata(op)
	if err != nil {
		return err
	}
	d, err := op.deployment(ctx)
	if err != nil {
		return err
	}
	if _, err := d.profile(ctx, op, c.Profile); err != nil {
		return err
	}
	// If Ctrl-C interrupted this after the secret is stored, the secret would be
	// lost.
	info, err := d.Operator.Create(context.WithoutCancel(ctx), ahead.NewClient{Profile: c.Profile, ID: c.ID, Metadata: m, By: d.caller})
	if errors.Is(err, broker.ErrExists) {
		return fmt.Errorf("client %s exists, or has been deleted: %w", c.ID, err)
	}
	if err != nil {
		return err
	}
	r := info.Metadata
	err = show(op, info, []field{
		{"client id", info.ClientID}, {"client secret", info.ClientSecret}, {"name", oneLine(r.ClientName)}, {"redirect uris", list(r.RedirectURIs)},
		{"grant types", strings.Join(r.GrantTypes, " ")}, {"auth method", r.TokenEndpointAuthMethod}, {"scope", oneLine(r.Scope)},
	})
	if info.ClientSecret != "" && !op.json {
		op.infof("This is the only time the secret is shown.")
	}
	return err
}

func (c *clientCreateCmd) metadata(op *operator) (dcr.ClientMetadata, error) {
	if c.Metadata == "" {
		return dcr.ClientMetadata{
			ClientName: c.Name, RedirectURIs: c.RedirectURI, GrantTypes: c.GrantType, TokenEndpointAuthMethod: c.AuthMethod, Scope: c.Scope,
		}, nil
	}
	if c.Name != "" || len(c.RedirectURI) > 0 || len(c.GrantType) > 0 || c.AuthMethod != "" || c.Scope != "" {
		return dcr.ClientMetadata{}, usagef("--metadata describes the whole client; leave out the other flags that describe it")
	}
	body, err := readFile(op, c.Metadata)
	if err != nil {
		return dcr.ClientMetadata{}, &usageError{err.Error()}
	}
	req, err := dcr.Decode(body)
	if err != nil {
		return dcr.ClientMetadata{}, err
	}
	return req.Metadata, nil
}

// readFile reads a file, or standard input if name is "-".
func readFile(op *operator, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(op.in)
	}
	return os.ReadFile(name)
}

// profile returns a profile of the configuration in force, or an error if it has
// none with this name.
func (d *deployment) profile(ctx context.Context, op *operator, name string) (*policy.Profile, error) {
	p, err := d.policy(ctx)
	if err != nil {
		return nil, err
	}
	profile, ok := p.Profile(name)
	if !ok {
		return nil, missing(fmt.Errorf("no profile %q in the configuration; it has %s", name, strings.Join(p.Profiles(), ", ")))
	}
	return profile, nil
}
