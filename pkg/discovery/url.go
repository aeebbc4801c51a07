package discovery

import (
	"errors"
	"net/url"
	"strings"
)

// maxURL is more than any endpoint needs and little enough to log.
const maxURL = 2048

// checkURL accepts an absolute https URL, or an http one on a loopback host, that
// can be handed to a browser as it stands. A query is allowed (RFC 6749 section
// 3.1); a fragment and credentials are not.
func checkURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("missing")
	}
	if len(s) > maxURL {
		return nil, errors.New("longer than 2048 characters")
	}
	// RFC 3986 section 2 knows no other characters; url.Parse lets some pass.
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"<>\\^`{|}", r) }) {
		return nil, errors.New("has a character that is not allowed in a URL")
	}
	if strings.Contains(s, "#") {
		return nil, errors.New("fragment not allowed")
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	switch {
	case u.Opaque != "" || u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("credentials not allowed")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("must be https, or http on localhost, 127.0.0.1 or [::1]")
}

func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// checkOrigin accepts what the broker's issuer may be: scheme, host and port. Some
// clients look for the metadata of an issuer with a path in the wrong place, and
// some compare it without the trailing slash that another adds.
func checkOrigin(s string) error {
	u, err := checkURL(s)
	if err != nil {
		return err
	}
	if s != u.Scheme+"://"+u.Host {
		return errors.New("must be an origin, without path, query or trailing slash")
	}
	return nil
}
