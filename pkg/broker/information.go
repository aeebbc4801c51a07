package broker

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Issued is a registration with the credentials that were issued for it. They
// are stored nowhere: the client receives the only copies.
type Issued struct {
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
	info := &dcr.ClientInformation{ClientID: r.ClientID, ClientSecret: i.ClientSecret, IssuedAt: r.IssuedAt, Metadata: publicMetadata(r)}
	if !i.AccessToken.IsZero() {
		info.RegistrationAccessToken = i.AccessToken.Reveal()
		info.RegistrationClientURI = issuer + "/register/" + r.ClientID
	}
	return info
}

// publicMetadata is the metadata of r in a response. In brokered mode the broker
// signs users in with openid and hands out no ID token, so that the scope openid
// is the broker's and not the client's.
func publicMetadata(r *Registration) dcr.ClientMetadata {
	m := r.Metadata
	if r.Mode == ModeBrokered {
		scopes := slices.DeleteFunc(strings.Fields(m.Scope), func(s string) bool { return s == "openid" })
		m.Scope = strings.Join(scopes, " ")
	}
	return m
}
