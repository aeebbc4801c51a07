package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// NewClient is a client that an operator registers ahead, for a program that
// cannot register itself.
type NewClient struct {
	// Profile is the name of the policy profile.
	Profile string
	// ID is the client id: "dcr_" and 1 to 124 of a-z, A-Z, 0-9 and "_". If it
	// is empty, the id is random.
	ID string
	// Metadata is the metadata that the client would have sent.
	Metadata dcr.ClientMetadata
	// By is the operator, who vouches for the client.
	By string
}

// Create registers a client ahead. The client may have an app client of its
// own, needs no approval and does not expire. The response has the only copy of
// the client secret, unless the method is none. If the id is taken, also by a
// deleted client, the error is ErrExists. Errors about the metadata are a
// *dcr.Error.
func (o *Operator) Create(ctx context.Context, n NewClient) (*dcr.ClientInformation, error) {
	if n.By == "" {
		return nil, errors.New("the name of the operator is missing")
	}
	id := n.ID
	if id == "" {
		id = broker.ClientIDPrefix + credential.NewID()
	}
	if rest, ok := strings.CutPrefix(id, broker.ClientIDPrefix); !ok || rest == "" || len(id) > 128 || strings.Trim(rest, strings.TrimSuffix(clients.ClientIDAlphabet, "+")) != "" {
		return nil, fmt.Errorf("client id %.140q: want %s and 1 to 124 of a-z, A-Z, 0-9 and _", id, broker.ClientIDPrefix)
	}
	m, err := dcr.Validate(n.Metadata)
	if err != nil {
		return nil, err
	}
	pol, err := o.c.Policy(ctx)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	profile, ok := pol.Profile(n.Profile)
	if !ok {
		return nil, fmt.Errorf("the policy has no profile %q", n.Profile)
	}
	if m, err = profile.Apply(m); err != nil {
		return nil, err
	}
	r, err := o.c.NewRegistration(profile, id, m.ClientMetadata, o.c.Now())
	if err != nil {
		return nil, err
	}
	r.CreatedBy = n.By
	r.Approve()
	r.ExpiresAt, r.Due = time.Time{}, time.Time{}
	issued := broker.Issued{Registration: r}
	if !m.Public() {
		secret := credential.NewClientSecret()
		r.SecretHash, issued.ClientSecret = secret.Hash(), secret.Reveal()
	}
	if err := broker.RecordRegistration(ctx, o.c.Store, r); err != nil {
		return nil, fmt.Errorf("record registration %s: %w", id, err)
	}
	o.trail.Created(ctx, broker.ByOperator(n.By), nil, r)
	return issued.Information(""), nil
}
