package broker

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Issued is a registration with the credentials that were issued for it. They
// are stored nowhere: the client receives the only copies. It prints as
// "[redacted]".
type Issued struct {
	credential.Redacted
	Registration *Registration
	// AccessToken manages the registration (RFC 7592). An open registration of
	// brokered mode has none.
	AccessToken credential.Token
	// ClientSecret is zero for a public client, and after the registration
	// itself.
	ClientSecret string
}

// Information is the client information response (RFC 7591 §3.2.1, RFC 7592
// §3). issuer is the broker's origin, under which registrations are managed.
func (i Issued) Information(issuer string) *dcr.ClientInformation {
	r := i.Registration
	info := &dcr.ClientInformation{ClientID: r.ClientID, ClientSecret: i.ClientSecret, IssuedAt: r.IssuedAt, Metadata: PublicMetadata(r.Mode, r.Metadata)}
	if !i.AccessToken.IsZero() {
		info.RegistrationAccessToken = i.AccessToken.Reveal()
		info.RegistrationClientURI = issuer + "/register/" + r.ClientID
	}
	return info
}

// PublicMetadata returns the metadata m of a registration as a response has it:
// in brokered mode without openid, see PublicScopes.
func PublicMetadata(mode Mode, m dcr.ClientMetadata) dcr.ClientMetadata {
	if mode == ModeBrokered {
		m.Scope = PublicScopes(strings.Fields(m.Scope))
	}
	return m
}
