package environment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// env reads variables and collects their faults.
type env struct {
	getenv func(string) string
	faults []error
}

func (e *env) fault(name, format string, args ...any) {
	e.faults = append(e.faults, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
}

func (e *env) err() error { return errors.Join(e.faults...) }

func (e *env) required(name string) string {
	v := e.getenv(name)
	if v == "" {
		e.fault(name, "must be set")
	}
	return v
}

func (e *env) or(name, otherwise string) string {
	if v := e.getenv(name); v != "" {
		return v
	}
	return otherwise
}

func (e *env) boolean(name string, otherwise bool) bool {
	switch v := e.getenv(name); v {
	case "":
		return otherwise
	case "true", "false":
		return v == "true"
	default:
		e.fault(name, "must be true or false, not %q", v)
		return otherwise
	}
}

// number returns a number from 1 to most.
func (e *env) number(name string, otherwise, most int) int {
	v := e.getenv(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		e.fault(name, "%q is not a number from 1 to %d", v, most)
		return otherwise
	}
	return n
}

func (e *env) lifetime(name string, otherwise, least, most time.Duration) time.Duration {
	v := e.getenv(name)
	if v == "" {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < least || d > most || d%time.Second != 0 {
		e.fault(name, "%q is not a duration from %s to %s in whole seconds, such as 1h30m", v, least, most)
		return otherwise
	}
	return d
}

// endpoint returns the origin of an AWS service, or "" for the endpoint of the
// region.
func (e *env) endpoint(name string) string {
	v := e.getenv(name)
	if v != "" {
		e.anyOrigin(name, v)
	}
	return v
}

// origin checks that v has only scheme and host, with https unless the host is
// loopback.
func (e *env) origin(name, v string) {
	u := e.anyOrigin(name, v)
	if u != nil && u.Scheme == "http" && !dcr.IsLoopback(u.Hostname()) {
		e.fault(name, "%q must be https, except for a loopback host", v)
	}
}

// anyOrigin checks that v has only scheme and host; if not, it returns nil.
func (e *env) anyOrigin(name, v string) *url.URL {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || v != u.Scheme+"://"+strings.ToLower(u.Host) {
		e.fault(name, "%q must be scheme and host in lower case with no path and no trailing slash, such as https://auth.example.com", v)
		return nil
	}
	return u
}

func (e *env) url(name, v string) {
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		e.fault(name, "%q is not an http or https URL without query", v)
	}
}

// scopes splits v at spaces. It checks the characters (RFC 6749 §3.3), and
// refuses offline_access, which Cognito does not have.
func (e *env) scopes(name, v string) []string {
	scopes := strings.Fields(v)
	for i, s := range scopes {
		switch {
		case strings.ContainsFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }):
			e.fault(name, "%q has a character that no scope may have (RFC 6749 section 3.3)", s)
		case s == "offline_access":
			e.fault(name, "Cognito has no scope offline_access: every authorization code brings a refresh token")
		case slices.Contains(scopes[:i], s):
			e.fault(name, "%q occurs twice", s)
		}
	}
	return scopes
}

// decode reads one JSON value. It refuses members that v does not have.
func decode(text string, v any) bool {
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.DisallowUnknownFields()
	return dec.Decode(v) == nil && !dec.More()
}

const (
	lower = "abcdefghijklmnopqrstuvwxyz0123456789"
	alnum = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// isOf reports whether s has only characters of the alphabet.
func isOf(alphabet, s string) bool {
	return strings.Trim(s, alphabet) == ""
}
