package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// redirectRules are the redirect URIs that a profile allows. The zero value
// allows none.
type redirectRules struct {
	loopback      bool // http on localhost, 127.0.0.1 and [::1], any port and path
	anyHTTPS      bool
	anyPrivateUse bool // any scheme with a dot (RFC 8252 §7.1)
	presets       []presetRules
	https         []httpsPattern
	schemes       []string // lower case
}

// presetRules are the rules of a preset, apart from loopback.
type presetRules struct {
	name       string
	https      []httpsPattern
	privateUse []string // whole URIs, scheme in lower case
}

func (r presetRules) allow(u dcr.RedirectURI) bool {
	switch u.Kind {
	case dcr.HTTPS:
		return slices.ContainsFunc(r.https, func(p httpsPattern) bool { return p.match(u) })
	case dcr.PrivateUse:
		return slices.Contains(r.privateUse, u.Scheme+u.Raw[len(u.Scheme):])
	}
	return false
}

// patterns returns the patterns of https redirect URIs, with those of presets.
func (r *redirectRules) patterns() []httpsPattern {
	list := slices.Clone(r.https)
	for _, preset := range r.presets {
		list = append(list, preset.https...)
	}
	return list
}

// empty reports whether the rules allow no redirect URI at all.
func (r *redirectRules) empty() bool {
	return !r.loopback && !r.anyHTTPS && !r.anyPrivateUse && len(r.presets) == 0 && len(r.https) == 0 && len(r.schemes) == 0
}

func (r *redirectRules) allow(u dcr.RedirectURI) bool { return r.rule(u) != "" }

// rule returns the name of the rule that allows u, or "" if none does. If several
// do, it is the most exact one. Two rules never have the same name.
func (r *redirectRules) rule(u dcr.RedirectURI) string {
	for _, preset := range r.presets {
		if preset.allow(u) {
			return preset.name
		}
	}
	switch u.Kind {
	case dcr.Loopback:
		if r.loopback {
			return "loopback"
		}
	case dcr.HTTPS:
		for _, p := range r.https {
			if p.match(u) {
				return p.String()
			}
		}
		if r.anyHTTPS {
			return "any_https"
		}
	case dcr.PrivateUse:
		if slices.Contains(r.schemes, u.Scheme) {
			return u.Scheme + ":"
		}
		if r.anyPrivateUse && strings.Contains(u.Scheme, ".") {
			return "any_private_use"
		}
	}
	return ""
}

// summary returns the allowed URIs for an error description. General rules come
// first, because a long description is cut.
func (r *redirectRules) summary() string {
	var parts []string
	if r.anyHTTPS {
		parts = append(parts, "any https URI")
	}
	if r.loopback {
		parts = append(parts, "http on localhost, 127.0.0.1 or [::1]")
	}
	if r.anyPrivateUse {
		parts = append(parts, "schemes with a dot")
	}
	if len(r.presets) > 0 {
		var names []string
		for _, preset := range r.presets {
			names = append(names, preset.name)
		}
		parts = append(parts, "those of "+strings.Join(names, ", "))
	}
	for _, s := range r.schemes {
		parts = append(parts, s+":")
	}
	for _, p := range r.https {
		parts = append(parts, p.String())
	}
	return strings.Join(parts, "; ")
}

// httpsPattern is a rule for https redirect URIs. A URI is compared part by
// part as the client sent it, with only its host in lower case (RFC 9700 §2.1:
// exact string matching). An equivalent URI in another notation does not match.
type httpsPattern struct {
	text       string
	anyLabel   bool   // one label precedes host
	host       string // lower case
	port       string // "" for a URI without port
	anySegment bool   // one plain segment follows tail
	tail       string // path and query; ends with a slash if anySegment
	forwards   bool   // see Profile.Forwards
}

// parseHTTPSPattern reads https://host[:port][/path][?query]. The host may
// start with "*.", which stands for exactly one label, if two labels follow.
// The path may end with "/*", which stands for exactly one segment; such a
// pattern has no query. No other wildcard is allowed.
func parseHTTPSPattern(text string) (httpsPattern, error) {
	p := httpsPattern{text: text}
	rest, ok := strings.CutPrefix(text, "https://")
	if !ok {
		return httpsPattern{}, errors.New("must start with https://")
	}
	rest, p.anyLabel = strings.CutPrefix(rest, "*.")
	rest, p.anySegment = strings.CutSuffix(rest, "/*")
	if strings.Contains(rest, "*") {
		return httpsPattern{}, errors.New("'*' can only be the first label of the host, as in https://*.example.com/callback, or the last segment of the path, as in https://example.com/oauth/*")
	}
	if p.anySegment && strings.Contains(rest, "?") {
		return httpsPattern{}, errors.New("'*' must not stand in a query")
	}
	// The result must pass the rules for redirect URIs, so that only valid URIs
	// match.
	example := rest
	if p.anyLabel {
		example = "x." + example
	}
	if p.anySegment {
		example += "/x"
	}
	u, err := dcr.ParseRedirectURI("https://" + example)
	if err != nil {
		return httpsPattern{}, reason(err)
	}
	p.host, p.port, p.tail = u.Host, u.Port, tail(u)
	if p.anySegment {
		p.tail = strings.TrimSuffix(p.tail, "x")
	}
	if p.anyLabel {
		p.host = strings.TrimPrefix(p.host, "x.")
		if !strings.Contains(p.host, ".") {
			return httpsPattern{}, fmt.Errorf("'*.%s' is too wide; after '*.' there must be at least two labels", p.host)
		}
	}
	return p, nil
}

func (p httpsPattern) String() string { return p.text }

func (p httpsPattern) match(u dcr.RedirectURI) bool {
	if !p.matchHost(u) || u.Port != p.port {
		return false
	}
	if !p.anySegment {
		return tail(u) == p.tail
	}
	segment, ok := strings.CutPrefix(tail(u), p.tail)
	return ok && plainSegment(segment)
}

func (p httpsPattern) matchHost(u dcr.RedirectURI) bool {
	host := u.Host
	if p.anyLabel {
		_, host, _ = strings.Cut(host, ".")
	}
	return host == p.host
}

// tail returns path and query. An empty query differs from none.
func tail(u dcr.RedirectURI) string {
	if strings.Contains(u.Raw, "?") {
		return u.Path + "?" + u.Query
	}
	return u.Path
}

// plainSegment reports whether s is one path segment of unreserved characters
// (RFC 3986 §2.3). It refuses all other characters, also percent-encoding and
// path parameters (";"), because servers read them in different ways.
func plainSegment(s string) bool {
	if s == "" || s == "." || s == ".." {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9') && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return true
}

// parseScheme returns s in lower case if it is a scheme that a client may use
// as a private-use scheme.
func parseScheme(s string) (string, error) {
	scheme := strings.ToLower(s)
	switch {
	case strings.ContainsAny(scheme, ":/"):
		return "", errors.New("must be a scheme alone, as in com.example.app, without a colon and what follows it")
	case scheme == "http" || scheme == "https":
		return "", fmt.Errorf("%s is not a private-use scheme; see loopback and https", scheme)
	}
	if _, err := dcr.ParseRedirectURI(scheme + "://client/"); err != nil {
		return "", reason(err)
	}
	return scheme, nil
}

// reason returns the description of an error of package dcr, without the code,
// which is meant for clients.
func reason(err error) error {
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		return errors.New(e.Description)
	}
	return err
}
