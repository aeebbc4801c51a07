package broker

import (
	"encoding/hex"
	"log/slog"
	"slices"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// Consent is a consent that is remembered, so that the same client is not asked
// for again.
type Consent struct {
	// Key is the keyed hash of user, registration with generation, redirect URI
	// and resource.
	Key       string
	Sub       string
	ClientID  string
	Scopes    []string
	CreatedAt time.Time
	// ExpiresAt is when it counts as absent; the zero time is never.
	ExpiresAt time.Time
}

// LogValue keeps who the user is out of logs, but for the sub.
func (c *Consent) LogValue() slog.Value {
	return slog.GroupValue(slog.String("sub", c.Sub), slog.String("client_id", c.ClientID))
}

// Clone returns a copy that shares no memory with c.
func (c *Consent) Clone() *Consent {
	d := *c
	d.Scopes = slices.Clone(c.Scopes)
	return &d
}

// ConsentKey returns the key of the consent of a user (sub) for a registration,
// named by id and generation, a whole redirect URI as it was sent, and a
// resource. Only who has the ring can find a consent, or tell whose it is.
func ConsentKey(ring *seal.Ring, sub, clientID, generation, redirectURI, resource string) string {
	mac := ring.MAC("consent", sub, clientID, generation, redirectURI, resource)
	return hex.EncodeToString(mac[:])
}

// ConsentKey returns the key of the consent that was, or would be, remembered
// with g.
func (g *Grant) ConsentKey(ring *seal.Ring) string {
	return ConsentKey(ring, g.User.Sub, g.ClientID, g.Generation, g.RedirectURI, g.Resource)
}
