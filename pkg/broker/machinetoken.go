package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// MachineToken is an access token of client_credentials that the client requested
// for one protected resource (RFC 8707). Cognito does not bind such a token to the
// resource, so the broker remembers it for introspection. A token that was requested
// for no single resource has no record.
type MachineToken struct {
	// ID is the token's claim jti.
	ID string `json:"-" store:"key"`
	// Resource is the URL of the protected resource.
	Resource string `json:"resource"`
	// ExpiresAt is when the token expires. The record then counts as absent.
	ExpiresAt time.Time `json:"-" store:"expires_at"`
	// Unknown has the members of the stored record that this program does not
	// know, because a newer one wrote them: a JSON object, or nil. A store writes
	// them back.
	Unknown json.RawMessage `json:"-" store:"unknown"`
}

// LogValue logs the id and the resource.
func (t *MachineToken) LogValue() slog.Value {
	return slog.GroupValue(slog.String("jti", t.ID), slog.String("resource", t.Resource))
}

// Clone returns a copy that shares no memory with t.
func (t *MachineToken) Clone() *MachineToken {
	c := *t
	c.Unknown = slices.Clone(t.Unknown)
	return &c
}
