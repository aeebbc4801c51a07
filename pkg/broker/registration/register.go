package registration

import (
	"context"
	"fmt"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Register registers the client of req (RFC 7591 §3). The initial access token
// tok vouches for it. If tok is zero, registration is open, and the policy must
// allow that. The response has the only copies of the registration access token
// and the client secret. After an error the client does not exist, or the
// janitor removes it.
func (g *Registrar) Register(ctx context.Context, req *dcr.Request, tok credential.Token) (*dcr.ClientInformation, error) {
	m, invalid := dcr.Validate(req.Metadata)
	if invalid != nil && req.SoftwareStatement == "" {
		return nil, invalid
	}
	pol, err := g.policy(ctx)
	if err != nil {
		return nil, Unavailable(fmt.Errorf("policy: %w", err))
	}
	v, err := g.vouch(ctx, pol, tok)
	if err != nil {
		return nil, err
	}
	telemetry.SetAttr(ctx, telemetry.Profile, v.profile.Name())
	m, statement, err := g.requestedMetadata(ctx, request{Request: req, policy: v.policy, profile: v.profile, valid: m, invalid: invalid})
	if err != nil {
		return nil, err
	}
	if m, err = v.profile.Apply(m); err != nil {
		return nil, err
	}
	if statement != nil {
		telemetry.SetAttr(ctx, "statement_issuer", statement.Issuer)
	}
	now := broker.Seconds(g.now())
	issued, err := g.lifecycle.Create(ctx, &Admission{
		At:        now,
		Profile:   v.profile,
		Voucher:   v.voucher,
		Use:       v.use,
		Metadata:  m,
		Statement: statement,
		source:    source{broker.SourceOf(ctx), g.lifecycle.SourceHash},
	})
	if err != nil {
		return nil, limited(ctx, err)
	}
	return issued.Information(g.issuer), nil
}
