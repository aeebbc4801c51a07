package broker

import (
	"net/url"
	"strings"
)

// SameResource reports whether two resource identifiers name the same resource.
// It compares their canonical forms.
func SameResource(a, b string) bool {
	return a == b || CanonicalResource(a) == CanonicalResource(b)
}

// CanonicalResource returns a resource identifier without trailing slash, and
// with scheme and host in lower case, since they are case-insensitive (RFC 3986
// §6.2.2.1).
func CanonicalResource(s string) string {
	s = strings.TrimSuffix(s, "/")
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil {
		return s
	}
	authority := len(u.Scheme) + len("://") + len(u.Host)
	if authority > len(s) {
		return s
	}
	return strings.ToLower(s[:authority]) + s[authority:]
}
