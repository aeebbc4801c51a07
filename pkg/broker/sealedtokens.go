package broker

import (
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// SealedTokens are Cognito's tokens of one grant. They are stored before the
// grant, so that no grant is without its tokens. Tokens without a grant expire
// unused.
type SealedTokens struct {
	// ID is the id that TokensID returns.
	ID string `json:"-" store:"key"`
	// Version is 1 for a new record and grows by one with each replacement. The
	// store sets it.
	Version int64 `json:"-" store:"version"`
	// Sealed is Tokens.Encode, sealed for the purpose SealGrant and the id of the
	// grant, so that no other grant can use it. It has the secret of the app client
	// that the tokens were issued to.
	Sealed []byte `json:"-" store:"sealed"`
	// ExpiresAt is when the record counts as absent, as Grant.ExpiresAt.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
}

// LogValue logs the id and nothing else.
func (t *SealedTokens) LogValue() slog.Value { return slog.GroupValue(slog.String("id", t.ID)) }

// Clone returns a copy that shares no memory with t.
func (t *SealedTokens) Clone() *SealedTokens {
	c := *t
	c.Sealed = slices.Clone(t.Sealed)
	return &c
}

// TokensID returns the id of the tokens of the grant that a transaction makes.
// If two transactions try to make the same grant, neither overwrites the tokens
// of the other.
func TokensID(ring *seal.Ring, grantID string, transaction credential.Hash) string {
	return credential.DerivedID(ring.MAC("tokens", grantID, transaction.String()))
}
