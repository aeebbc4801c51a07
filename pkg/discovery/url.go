package discovery

import (
	"errors"
	"net/url"
	"strings"
)

// maxURL is longer than any endpoint, and short enough to log.
const maxURL = 2048

// checkURL accepts an absolute https URL, or an http one on a loopback host,
// that a browser can use unchanged. An endpoint may have a query but no
// fragment (RFC 6749 §3.1). Credentials are refused too.
func checkURL(s string) (*url.URL, error) {
	if s == "" {
		return nil, errors.New("missing")
	}
	if len(s) > maxURL {
		return nil, errors.New("longer than 2048 characters")
	}
	// RFC 3986 §2 has no other characters; url.Parse accepts some of them.
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

// loopback has the hosts of dcr.IsLoopback. This package imports nothing of ours,
// so that any proxy can use it.
func loopback(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

// checkOrigin accepts an issuer that consists of scheme, host and port.
// RFC 8414 §2 allows a path too, but some clients look for the metadata of such
// an issuer in the wrong place, and some drop or add a trailing slash before
// they compare.
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
