package broker

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// MetadataDigest returns the SHA-256, in hexadecimal, of the metadata that an
// operator approves: what decides where tokens go and what they allow (redirect
// URIs, keys, authentication method, grant types, scope), and what users see on
// the consent page (names and links). The order of lists does not count. Contacts,
// logo, software id and version, and the text of a software statement are left
// out.
func MetadataDigest(m dcr.ClientMetadata) string {
	sorted := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	var localized []string
	for _, name := range slices.Sorted(maps.Keys(m.Localized)) {
		localized = append(localized, name, m.Localized[name])
	}
	h := sha256.New()
	// Quoted, so that no two lists have the same text.
	fmt.Fprintf(h, "%q", [][]string{
		sorted(m.RedirectURIs), sorted(m.GrantTypes), sorted(strings.Fields(m.Scope)),
		{m.TokenEndpointAuthMethod, m.JWKSURI, string(m.JWKS), m.ClientName, m.ClientURI, m.PolicyURI, m.TOSURI},
		localized,
	})
	return hex.EncodeToString(h.Sum(nil))
}

// Approve records that an operator has approved r with its present metadata.
func (r *Registration) Approve() {
	r.State, r.Approved = RegistrationActive, MetadataDigest(r.Metadata)
}
