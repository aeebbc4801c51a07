package pages

import (
	"net/url"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// place is where a redirect URI leads, as people are told.
type place struct {
	kind dcr.URIKind
	// host is the A-label of an https URI, with its port if that is not 443;
	// empty for an app on this device, whose authority part means nothing:
	// cursor://claude.ai/ is not claude.ai.
	host   string
	scheme string
}

// placeOf returns false if raw is no redirect URI that may be registered.
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

// placeOfTarget is placeOf for a redirect URI with what was added to its query,
// of whatever length.
func placeOfTarget(raw string) (place, bool) {
	base, query, _ := strings.Cut(raw, "?")
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' {
			return place{}, false
		}
	}
	return placeOf(base)
}

// onDevice reports whether it is a program on the user's machine, any program.
func (p place) onDevice() bool { return p.kind != dcr.HTTPS }

// plainHost returns the host of a web address that a client named, as ASCII, or
// "" if there is none to show.
func plainHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return ""
	}
	host := strings.ToLower(u.Hostname())
	const good = "abcdefghijklmnopqrstuvwxyz0123456789-._:"
	if strings.ContainsFunc(host, func(r rune) bool { return !strings.ContainsRune(good, r) }) {
		return "" // not an A-label, and we do not guess which one
	}
	return host
}
