package branding

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// ParseContact checks where users find help: an https URL without user
// information, or a mailto URL with one address (RFC 6068). It returns the text
// that users see: the URL, or the address.
func ParseContact(s string) (shown string, err error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsFunc(s, notInURL):
	case strings.HasPrefix(s, "https://") && u.Hostname() != "" && u.User == nil && isPort(u.Port()):
		return s, nil
	case strings.HasPrefix(s, "mailto:") && strings.Contains(u.Opaque, "@") && isHeaders(u.RawQuery):
		if address, err := url.PathUnescape(u.Opaque); err == nil && isAddress(address) {
			return address, nil
		}
	}
	return "", errors.New("must be a mailto or https URL, as in mailto:help@example.com")
}

// notInURL reports whether RFC 3986 does not allow r in a URL.
func notInURL(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"<>\\^`{|}", r) }

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "" || err == nil && 1 <= n && n <= 65535
}

// isAddress reports whether s looks like one e-mail address.
func isAddress(s string) bool {
	name, host, ok := strings.Cut(s, "@")
	return ok && name != "" && host != "" && IsVisible(s) && !strings.ContainsFunc(s, IsSpace) && !strings.ContainsAny(host, "@") &&
		!strings.ContainsAny(s, "\"<>()[]\\,;:")
}

// isHeaders reports whether a query has headers of a message, of which only the
// body has more than one line.
func isHeaders(query string) bool {
	for header := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(header, "=")
		text, err := url.PathUnescape(name + value)
		if err != nil {
			return false
		}
		isLineEnd := func(r rune) bool { return (r == '\r' || r == '\n') && strings.EqualFold(name, "body") }
		if strings.ContainsFunc(text, func(r rune) bool { return IsHidden(r) && !isLineEnd(r) }) {
			return false
		}
	}
	return true
}
