package dcr

import (
	"encoding/json"
	"log/slog"
	"time"
)

// ClientInformation is the response to a registration (RFC 7591 §3.2.1), and to
// a read or an update of a registration (RFC 7592 §3).
//
// Its JSON form carries the secrets; its string forms and its value in a log do
// not.
type ClientInformation struct {
	// ClientID identifies the client at this server. REQUIRED.
	ClientID string
	// ClientSecret is the secret of a confidential client. OPTIONAL, "" for a
	// public client.
	ClientSecret string
	// IssuedAt is when ClientID was issued (client_id_issued_at). OPTIONAL; the
	// zero time leaves the member out.
	IssuedAt time.Time

	// RegistrationAccessToken is the token with which the client manages its
	// registration. REQUIRED by RFC 7592 §3.
	RegistrationAccessToken string
	// RegistrationClientURI is the address at which the client manages its
	// registration. REQUIRED by RFC 7592 §3.
	RegistrationClientURI string

	// Metadata is all metadata as registered, REQUIRED. It includes the values
	// that the server replaced or filled in.
	Metadata ClientMetadata
}

// MarshalJSON returns an object without nulls and empty strings.
func (c ClientInformation) MarshalJSON() ([]byte, error) {
	o := c.Metadata.members()
	putString(o, "client_id", c.ClientID)
	putString(o, "client_secret", c.ClientSecret)
	putString(o, "registration_access_token", c.RegistrationAccessToken)
	putString(o, "registration_client_uri", c.RegistrationClientURI)
	// Times are whole seconds since 1970 in UTC (RFC 7591 §3.2.1).
	if !c.IssuedAt.IsZero() {
		o["client_id_issued_at"] = c.IssuedAt.Unix()
	}
	// REQUIRED for a client that was issued a secret, also where the response does
	// not repeat the secret (RFC 7592 §3); 0 means that the secret does not expire
	// (RFC 7591 §3.2.1).
	if method := c.Metadata.TokenEndpointAuthMethod; c.ClientSecret != "" || method == AuthSecretBasic || method == AuthSecretPost {
		o["client_secret_expires_at"] = 0
	}
	return json.Marshal(o)
}

const redacted = "[redacted]"

// LogValue implements slog.LogValuer: a client's secrets do not belong in a log.
func (c ClientInformation) LogValue() slog.Value { return slog.StringValue(redacted) }

func (c ClientInformation) String() string   { return redacted }
func (c ClientInformation) GoString() string { return redacted }
