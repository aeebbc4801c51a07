package policy

import (
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// IsURL reports whether s is the URL of a server: https, or http on loopback,
// without user information and fragment. It applies the rules for redirect URIs,
// under which no two programs read a URL in different ways.
func IsURL(s string) bool {
	u, err := dcr.ParseRedirectURI(s)
	return err == nil && (u.Kind == dcr.HTTPS && strings.HasPrefix(s, "https://") || u.Kind == dcr.Loopback)
}
