package dcr

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Limits on redirect URIs.
const (
	MaxRedirectURIs   = 10   // in one registration
	MaxRedirectURILen = 1024 // characters, Amazon Cognito's limit
)

// URIKind is the kind of a redirect URI. Policy has rules for each kind.
type URIKind int

const (
	HTTPS      URIKind = iota + 1 // https://host/...
	Loopback                      // http://localhost, http://127.0.0.1 or http://[::1] (RFC 8252 §7.3)
	PrivateUse                    // a scheme of the client's own, com.example.app:/... (RFC 8252 §7.1)
)

func (k URIKind) String() string {
	switch k {
	case HTTPS:
		return "https"
	case Loopback:
		return "loopback"
	case PrivateUse:
		return "private-use"
	}
	return "URIKind(" + strconv.Itoa(int(k)) + ")"
}

// RedirectURI is a redirect URI that ParseRedirectURI accepted.
type RedirectURI struct {
	Raw    string // as the client sent it; registered and compared in this form
	Kind   URIKind
	Scheme string // lower case
	Host   string // lower case, without port; an IPv6 address in brackets; may be "" if Kind is PrivateUse
	Port   string // decimal without leading zeros, "" if absent
	Path   string // as sent, still percent-encoded
	Query  string // as sent, without the question mark
}

// ParseRedirectURI checks one redirect URI and returns its parts. Errors are
// *Error with code InvalidRedirectURI. Their description repeats no part of the
// URI, except a forbidden scheme.
//
// It accepts https with a host name or IP address (RFC 8252 §7.2), http for
// exactly localhost, 127.0.0.1 and [::1] with or without port (§7.3), and
// private-use schemes (§7.1) except those of forbiddenScheme, on which browsers
// and systems act. Policy decides which hosts are trusted and whether a
// private-use scheme needs a dot.
//
// It refuses a query with a parameter of the authorization response: the response
// would have it twice, and clients differ in which of the two they read.
//
// It refuses fragments, user information, white space, control characters (also
// percent-encoded), backslashes, wildcards, characters outside RFC 3986, and
// the path segments "." and "..": with these a URI under a trusted path would
// lead a browser to another path.
func ParseRedirectURI(raw string) (RedirectURI, error) {
	if raw == "" {
		return RedirectURI{}, Errorf(InvalidRedirectURI, "must not be empty")
	}
	if len(raw) > MaxRedirectURILen {
		return RedirectURI{}, Errorf(InvalidRedirectURI, "longer than %d characters", MaxRedirectURILen)
	}
	if err := checkURIChars(raw); err != nil {
		return RedirectURI{}, err
	}
	// RFC 6749 §3.1.2: a redirect URI is an absolute URI, so it has a scheme.
	scheme, rest, ok := strings.Cut(raw, ":")
	if !ok || !validScheme(scheme) {
		return RedirectURI{}, Errorf(InvalidRedirectURI, "not an absolute URI; it must start with a scheme, as in https://example.com/callback")
	}
	u := RedirectURI{Raw: raw, Scheme: strings.ToLower(scheme)}
	var err error
	switch {
	case u.Scheme == "https" || u.Scheme == "http":
		err = u.parseWeb(rest)
	case forbiddenScheme(u.Scheme):
		err = Errorf(InvalidRedirectURI, "scheme %s is not allowed; use https, http on a loopback address, or a private-use scheme of your own", Quote(u.Scheme))
	default:
		err = u.parsePrivateUse(rest)
	}
	if err != nil {
		return RedirectURI{}, err
	}
	if err := u.checkPath(); err != nil {
		return RedirectURI{}, err
	}
	if err := u.checkNetURL(); err != nil {
		return RedirectURI{}, err
	}
	if err := u.checkQuery(); err != nil {
		return RedirectURI{}, err
	}
	return u, nil
}

// parseWeb parses the rest of an http or https URI, after the scheme.
func (u *RedirectURI) parseWeb(rest string) error {
	if err := u.split(rest); err != nil {
		return err
	}
	// Browsers read https:host and https:/host as https://host. RFC 9110 §4.2.2
	// has only the last form, and requires a host.
	if u.Host == "" {
		return Errorf(InvalidRedirectURI, "no host; it must look like %s://host/path", u.Scheme)
	}
	if !validHost(u.Host) {
		return Errorf(InvalidRedirectURI, "the host is not a valid host name or IP address")
	}
	if u.Scheme == "https" {
		u.Kind = HTTPS
		return nil
	}
	// A native app may be reached over http at a loopback address (RFC 8252
	// §7.3), because the response does not leave the device. §8.3 advises
	// against localhost; MCP clients use it, so it is accepted.
	if IsLoopback(strings.Trim(u.Host, "[]")) {
		u.Kind = Loopback
		return u.checkLoopback()
	}
	return Errorf(InvalidRedirectURI, "http is allowed for localhost, 127.0.0.1 and [::1] only; use https")
}

// IsLoopback reports whether host is one of the loopback hosts of RFC 8252 §7.3
// and §8.3: localhost, 127.0.0.1 or ::1, without port and brackets, as
// url.URL.Hostname returns it. Other addresses of the loopback network do not
// count.
func IsLoopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// OnDevice reports whether the response goes to a program on the user's device,
// and to no website: to a private-use scheme, or to an address of the device
// itself, also over https. Any program on the device can wait there (RFC 8252
// §8.6).
func (u RedirectURI) OnDevice() bool {
	if u.Kind != HTTPS {
		return true
	}
	// RFC 6761 §6.3: names below localhost are loopback addresses, too.
	if u.Host == "localhost" || strings.HasSuffix(u.Host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(u.Host, "[]"))
	a = a.Unmap()
	return err == nil && (a.IsLoopback() || a.IsUnspecified())
}

// checkLoopback accepts only the spelling that Cognito is known to accept:
// Cognito compares these URIs as text.
func (u *RedirectURI) checkLoopback() error {
	if !strings.HasPrefix(u.Raw, "http://"+u.Host) {
		return Errorf(InvalidRedirectURI, "http and %s must be in lower case", u.Host)
	}
	if u.Path == "" && strings.Contains(u.Raw, "?") {
		return Errorf(InvalidRedirectURI, "a path must come before the query, as in http://%s/?a=b", u.Host)
	}
	return nil
}

// parsePrivateUse parses the rest of a URI with a private-use scheme.
func (u *RedirectURI) parsePrivateUse(rest string) error {
	u.Kind = PrivateUse
	// RFC 8252 §7.1: the scheme is followed by a slash and the path. Without
	// this rule example.com:8443/callback and localhost:3000 would pass for
	// private-use schemes.
	if !strings.HasPrefix(rest, "/") {
		return Errorf(InvalidRedirectURI, "a private-use scheme must be followed by a path or host, as in com.example.app:/callback; for a web address use https")
	}
	if err := u.split(rest); err != nil {
		return err
	}
	if u.Host == "" && u.Path == "" {
		return Errorf(InvalidRedirectURI, "nothing follows the scheme; it must look like com.example.app:/callback")
	}
	if u.Host == "" && u.Port != "" {
		return Errorf(InvalidRedirectURI, "a port without a host")
	}
	if u.Host != "" && !validHost(u.Host) && !validRegName(u.Host) {
		return Errorf(InvalidRedirectURI, "the host may have letters, digits, '-', '.' and '_' only")
	}
	return nil
}

// split cuts //host:port/path?query into its parts (RFC 3986 §3).
func (u *RedirectURI) split(rest string) error {
	rest, u.Query, _ = strings.Cut(rest, "?")
	authority, ok := strings.CutPrefix(rest, "//")
	if !ok {
		u.Path = rest
		return nil
	}
	if i := strings.IndexByte(authority, '/'); i >= 0 {
		authority, u.Path = authority[:i], authority[i:]
	}
	if strings.Contains(authority, "@") {
		return Errorf(InvalidRedirectURI, "user information (user@host) is not allowed")
	}
	host, port, hasPort := authority, "", false
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port, hasPort = authority[:i], authority[i+1:], true
	}
	if hasPort && !validPort(port) {
		return Errorf(InvalidRedirectURI, "the port must be a number from 1 to 65535")
	}
	u.Host, u.Port = strings.ToLower(host), port
	return nil
}

// checkPath refuses "." and ".." segments, encoded or not: a browser removes
// them (RFC 3986 §5.2.4) and so leaves the path that policy allowed.
func (u *RedirectURI) checkPath() error {
	path, err := url.PathUnescape(u.Path)
	if err != nil {
		return Errorf(InvalidRedirectURI, "invalid percent-encoding")
	}
	for s := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if s == "." || s == ".." {
			return Errorf(InvalidRedirectURI, "the path must not have '.' or '..' segments")
		}
	}
	return nil
}

// checkNetURL refuses a URI that net/url reads differently: later code must see
// the same host as the policy.
func (u *RedirectURI) checkNetURL() error {
	p, err := url.Parse(u.Raw)
	host := u.Host
	if u.Port != "" {
		host += ":" + u.Port
	}
	if err != nil || p.Scheme != u.Scheme || !strings.EqualFold(p.Host, host) || p.EscapedPath() != u.Path || p.RawQuery != u.Query {
		return Errorf(InvalidRedirectURI, "not a valid URI")
	}
	return nil
}

// checkQuery refuses the parameters of an authorization response: RFC 6749
// §4.1.2 and §4.1.2.1, iss of RFC 9207, response of JARM. The response is added
// to the query (RFC 6749 §3.1.2) and must not have a parameter twice (§3.1).
// Some programs also separate parameters by a semicolon.
func (u *RedirectURI) checkQuery() error {
	for p := range strings.FieldsFuncSeq(u.Query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(p, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return Errorf(InvalidRedirectURI, "invalid percent-encoding")
		}
		// Some programs do not tell upper from lower case in names.
		switch name = strings.ToLower(name); name {
		case "code", "state", "iss", "error", "error_description", "error_uri", "response":
			return Errorf(InvalidRedirectURI, "the query must not have the parameter %s, which the authorization response adds", name)
		}
	}
	return nil
}

// checkURIChars refuses characters that are not allowed anywhere in a redirect
// URI.
func checkURIChars(raw string) error {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return Errorf(InvalidRedirectURI, "white space and control characters are not allowed")
		case c > 0x7f:
			return Errorf(InvalidRedirectURI, "only ASCII is allowed; write the host as an A-label (xn--...) and percent-encode the rest")
		// RFC 6749 §3.1.2: a redirect URI has no fragment.
		case c == '#':
			return Errorf(InvalidRedirectURI, "a fragment ('#') is not allowed")
		// RFC 9700 §2.1: redirect URIs are compared by exact string matching.
		case c == '*':
			return Errorf(InvalidRedirectURI, "wildcards ('*') are not allowed; register each redirect URI in full")
		case strings.IndexByte("\\\"<>^`{|}", c) >= 0:
			return Errorf(InvalidRedirectURI, "backslash, quotation marks, braces, '<', '>', '^' and '|' are not allowed; percent-encode them")
		// RFC 3986 §2.1: a percent sign is followed by two hexadecimal digits.
		case c == '%':
			n, err := strconv.ParseUint(raw[i+1:min(i+3, len(raw))], 16, 8)
			if err != nil || i+3 > len(raw) {
				return Errorf(InvalidRedirectURI, "invalid percent-encoding; '%%' must be followed by two hexadecimal digits")
			}
			if n < 0x20 || n == 0x7f {
				return Errorf(InvalidRedirectURI, "control characters are not allowed, percent-encoded or not")
			}
		}
	}
	return nil
}

// validHost reports whether host is a host name of RFC 1123 §2.1, an IPv4
// address in dotted-decimal form or an IPv6 address in brackets.
func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		a, err := netip.ParseAddr(inner)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	labels := strings.Split(host, ".")
	// Browsers read a host whose last label is a number as an IPv4 address in
	// one of many notations (0x7f.1, 127.1, 2130706433), so only the plain
	// notation is accepted.
	if last := labels[len(labels)-1]; isNumber(last) {
		a, err := netip.ParseAddr(host)
		return err == nil && a.Is4()
	}
	if len(host) > 253 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for i := 0; i < len(l); i++ {
			if !isAlnum(l[i]) && l[i] != '-' {
				return false
			}
		}
	}
	return true
}

// validRegName reports whether host is allowed after a private-use scheme,
// where the client may choose any name.
func validRegName(host string) bool {
	for i := 0; i < len(host); i++ {
		if !isAlnum(host[i]) && strings.IndexByte("-._", host[i]) < 0 {
			return false
		}
	}
	return true
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// isNumber reports whether browsers read a label as a number: decimal, or
// hexadecimal after 0x.
func isNumber(label string) bool {
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		label, digits = hex, "0123456789abcdef"
	} else if label == "" {
		return false
	}
	return strings.Trim(label, digits) == ""
}

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlnum(c byte) bool { return isAlpha(c) || '0' <= c && c <= '9' }
