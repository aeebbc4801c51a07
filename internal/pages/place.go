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
	// is empty for a URI of a program on the device: the host of a private-use URI
	// has no meaning, cursor://claude.ai/ is not claude.ai.
	host   string
	scheme string
	// forwards is set if the server of an https URI hands the response on to a
	// program on this device.
	forwards bool
}

// placeOf returns false for the zero RedirectURI.
func placeOf(u dcr.RedirectURI, forwards bool) (place, bool) {
	if u.Kind == 0 {
		return place{}, false
	}
	p := place{kind: u.Kind, scheme: u.Scheme, forwards: forwards && !u.OnDevice()}
	if !u.OnDevice() {
		p.host = u.Host
		if u.Port != "" && u.Port != "443" {
			p.host += ":" + u.Port
		}
	}
	return p, true
}

// placeOfTarget is placeOf for target, which is u with the parameters of a
// response, of any length. It returns false if target is anything else.
func placeOfTarget(u dcr.RedirectURI, target string, forwards bool) (place, bool) {
	params, ok := strings.CutPrefix(target, u.Raw)
	if !ok || params != "" && params[0] != '?' && params[0] != '&' {
		return place{}, false
	}
	for i := range len(params) {
		if c := params[i]; c <= ' ' || c >= 0x7f || c == '#' || c == '"' || c == '<' || c == '>' {
			return place{}, false
		}
	}
	return placeOf(u, forwards)
}

// onDevice reports whether the target is a program on the user's device.
func (p place) onDevice() bool { return p.host == "" || p.forwards }

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
