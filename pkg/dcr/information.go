package dcr

import (
	"encoding/json"
	"log/slog"
	"time"
)

// ClientInformation is the answer to a registration (RFC 7591 section 3.2.1) and to a read or an update of one
// (RFC 7592 section 3).
//
// Its JSON form carries the secrets; its string forms and its value in a log do not.
type ClientInformation struct {
	ClientID     string
	ClientSecret string    // "" for a public client
	IssuedAt     time.Time // when ClientID was issued; the zero time leaves the member out

	RegistrationAccessToken string
	RegistrationClientURI   string

	Metadata ClientMetadata // as registered, substitutions included
}

// MarshalJSON returns an object without nulls and empty strings. Times are integers, seconds since 1970. With a secret
// goes client_secret_expires_at, always 0: secrets do not expire.
func (c ClientInformation) MarshalJSON() ([]byte, error) {
	o := c.Metadata.members()
	putString(o, "client_id", c.ClientID)
	putString(o, "client_secret", c.ClientSecret)
	putString(o, "registration_access_token", c.RegistrationAccessToken)
	putString(o, "registration_client_uri", c.RegistrationClientURI)
	if !c.IssuedAt.IsZero() {
		o["client_id_issued_at"] = c.IssuedAt.Unix()
	}
	if c.ClientSecret != "" {
		o["client_secret_expires_at"] = 0 // REQUIRED beside a secret; 0 means never
	}
	return json.Marshal(o)
}

const redacted = "[redacted]"

// LogValue implements slog.LogValuer: a client's secrets do not belong in a log.
func (c ClientInformation) LogValue() slog.Value { return slog.StringValue(redacted) }

func (c ClientInformation) String() string   { return redacted }
func (c ClientInformation) GoString() string { return redacted }
