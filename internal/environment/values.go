package environment

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

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

const (
	lower = "abcdefghijklmnopqrstuvwxyz0123456789"
	alnum = lower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// isOf reports whether s has only characters of the alphabet.
func isOf(alphabet, s string) bool {
	return strings.Trim(s, alphabet) == ""
}
