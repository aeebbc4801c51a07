package broker

import (
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// Consent is a remembered consent: while it lasts, the user is not asked again
// about the same client.
type Consent struct {
	// Key is the keyed hash that ConsentKey returns.
	Key string `json:"-" store:"key"`
	// Sub is the user who consented.
	Sub string `json:"sub"`
	// ClientID is the client to which the user consented.
	ClientID string `json:"client_id"`
	// Scopes are the scopes to which the user consented.
	Scopes []string `json:"scopes,omitempty"`
	// CreatedAt is when the user consented.
	CreatedAt time.Time `json:"created_at,omitzero"`
	// ExpiresAt is when the record counts as absent; zero is never.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// LogValue logs the user's sub and the client, nothing else.
func (c *Consent) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", c.Sub), slog.String("client_id", c.ClientID))
}

// Clone returns a copy that shares no memory with c.
func (c *Consent) Clone() *Consent {
	d := *c
	d.Scopes, d.Unknown = slices.Clone(c.Scopes), slices.Clone(c.Unknown)
	return &d
}

// ConsentKey returns the key of the consent of a user (sub) for a registration
// (client id and generation), a redirect URI exactly as it was sent, and a
// resource. Without the ring, a consent cannot be found, and its key does not
// show the user.
func ConsentKey(ring *seal.Ring, sub, clientID, generation, redirectURI, resource string) string {
	mac := ring.MAC("consent", sub, clientID, generation, redirectURI, resource)
	return hex.EncodeToString(mac[:])
}
