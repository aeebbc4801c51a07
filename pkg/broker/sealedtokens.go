package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// SealedTokens are Cognito's tokens of one grant, and the authorization code that
// the client exchanges for its first tokens. The broker stores them before the
// grant and deletes them after the grant has ended, so a grant that has not ended
// has its tokens. Tokens without a grant expire.
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
	// Code is the authorization code.
	Code AuthorizationCode `json:"code"`
	// ExpiresAt is when the record counts as absent, as Grant.ExpiresAt.
	ExpiresAt time.Time `json:"-" store:"expires_at"`

	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// An AuthorizationCode is an authorization code and what it is bound to.
type AuthorizationCode struct {
	// Hash is the hash of the code.
	Hash credential.Hash `json:"hash"`
	// ExpiresAt is when the code expires.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// RedirectURI is the redirect URI to which the code was sent (RFC 6749
	// §4.1.3).
	RedirectURI string `json:"redirect_uri"`
	// Challenge is the PKCE challenge to which the code is bound (RFC 7636
	// §4.4, S256).
	Challenge string `json:"challenge"`
}

// LogValue logs the id and nothing else.
func (t *SealedTokens) LogValue() slog.Value { return slog.GroupValue(slog.String("id", t.ID)) }

// Clone returns a copy that shares no memory with t.
func (t *SealedTokens) Clone() *SealedTokens {
	c := *t
	c.Sealed, c.Unknown = slices.Clone(t.Sealed), slices.Clone(t.Unknown)
	return &c
}

// TokensID returns the id of the tokens of the grant that a transaction makes.
// If two transactions try to make the same grant, neither overwrites the tokens
// of the other.
func TokensID(ring *seal.Ring, grantID string, transaction credential.Hash) string {
	return credential.DerivedID(ring.MAC("tokens", grantID, transaction.String()))
}
