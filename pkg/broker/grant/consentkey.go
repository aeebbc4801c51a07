package grant

import (
	"encoding/hex"

	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

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
