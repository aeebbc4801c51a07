package policy

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Canonical returns the metadata that identify an open registration: everything
// except the order of lists, the ports of loopback redirect URIs, which are
// chosen at run time (RFC 8252 §7.3), the scopes, which come from the profile,
// and the text of a software statement, which may be signed again for each
// instance.
func Canonical(parsed dcr.ParsedMetadata) ([]byte, error) {
	m := parsed.ClientMetadata.Clone()
	m.Scope, m.SoftwareStatement = "", ""
	for i, u := range parsed.Redirects {
		if u.Kind == dcr.Loopback {
			m.RedirectURIs[i] = portless(u)
		}
	}
	for _, list := range []*[]string{&m.RedirectURIs, &m.GrantTypes, &m.ResponseTypes, &m.Contacts} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("canonical metadata: %w", err)
	}
	return b, nil
}

// portless returns a loopback redirect URI without its port. The rest is as the
// client sent it, because it is compared in this form.
func portless(u dcr.RedirectURI) string {
	if u.Port == "" {
		return u.Raw
	}
	host := len(u.Scheme) + len("://") + len(u.Host)
	return u.Raw[:host] + u.Raw[host+len(":")+len(u.Port):]
}
