package broker

import (
	"net/url"
	"strings"
)

// SameResource compares resource identifiers: a trailing slash is forgiven, and
// so are capitals in scheme and host, which mean the same (RFC 3986 §6.2.2.1).
func SameResource(a, b string) bool {
	return canonicalResource(a) == canonicalResource(b)
}

func canonicalResource(s string) string {
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
