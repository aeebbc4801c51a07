package pages

import (
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// place is the target of a redirect URI, as shown to users.
type place struct {
	kind dcr.URIKind
	// host is the A-label of an https URI, with its port if that is not 443. It
	// is empty for an app on this device, because the host of a private-use URI
	// has no meaning: cursor://claude.ai/ is not claude.ai.
	host   string
	scheme string
}

// placeOf returns false if raw is not a redirect URI that can be registered.
func placeOf(raw string) (place, bool) {
	u, err := dcr.ParseRedirectURI(raw)
	if err != nil {
		return place{}, false
	}
	p := place{kind: u.Kind, scheme: u.Scheme}
	if u.Kind == dcr.HTTPS {
		p.host = u.Host
		if u.Port != "" && u.Port != "443" {
			p.host += ":" + u.Port
		}
	}
	return p, true
}

// placeOfTarget is placeOf for a redirect URI with the parameters of a
// response, of any length.
func placeOfTarget(raw string) (place, bool) {
	base, query, _ := strings.Cut(raw, "?")
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' {
			return place{}, false
		}
	}
	return placeOf(base)
}

// onDevice reports whether the target is a program on the user's device.
func (p place) onDevice() bool { return p.kind != dcr.HTTPS }

// plainHost returns the ASCII host of a web address from a client's metadata;
// "" if the address has none.
func plainHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	const good = "abcdefghijklmnopqrstuvwxyz0123456789-._:"
	if strings.ContainsFunc(host, func(r rune) bool { return !strings.ContainsRune(good, r) }) {
		return "" // not an A-label; it is not converted
	}
	return host
}
