package authorization

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// MaxParameters is the maximum length of the parameters in bytes. API Gateway
// accepts 8 KB.
const MaxParameters = 16 << 10

// Parameters are the parameters of a request, each with one value. Only resource
// may have more values (RFC 8707 §2). They print as "[redacted]": at the callback
// they have a code.
type Parameters struct {
	credential.Redacted
	values   map[string]string
	resource []string
	// repeated has the names that the request sent more than once, known or
	// unknown: two readers could use different values.
	repeated []string
}

// ParseParameters reads parameters in the form
// application/x-www-form-urlencoded, from a query or a body. If it cannot read
// them, it returns the reason, in text for the developer of the client. Unlike
// url.ParseQuery it stops at a semicolon, at a wrong percent sign and at text
// that is not UTF-8.
//
// A parameter without a value counts as not sent, and a parameter must not be
// sent twice (RFC 6749 §3.1).
func ParseParameters(raw string) (Parameters, string) {
	p := Parameters{values: make(map[string]string)}
	if len(raw) > MaxParameters {
		return p, "the query is too long"
	}
	seen := make(map[string]bool)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		switch {
		case strings.Contains(pair, ";"):
			return p, "a semicolon in the query must be written as %3B"
		case nameErr != nil || valueErr != nil:
			return p, "two hexadecimal digits must follow a percent sign in the query"
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return p, "the query is not UTF-8"
		}
		if name == "resource" {
			if value != "" {
				p.resource = append(p.resource, value)
			}
			continue
		}
		if seen[name] && !slices.Contains(p.repeated, name) {
			p.repeated = append(p.repeated, name)
		}
		seen[name] = true
		if value != "" {
			p.values[name] = value
		}
	}
	return p, ""
}

// Value returns the value of a parameter, or "" if the request did not send it.
// It does not find resource, which has a method of its own.
func (p Parameters) Value(name string) string { return p.values[name] }

// Has reports whether the request sent the parameter with a value.
func (p Parameters) Has(name string) bool { return p.values[name] != "" }

// Len returns the number of parameters with a value, without resource.
func (p Parameters) Len() int { return len(p.values) }

// Repeated reports whether the request sent a parameter more than once.
func (p Parameters) Repeated() bool { return len(p.repeated) > 0 }

func mustNotRepeat(name string) string {
	return "parameter " + dcr.Quote(name) + " must not be repeated"
}

// language is the first of lang and ui_locales that is a language tag, or "".
// ui_locales is a parameter of OpenID Connect Core §3.1.2.1, which says that an
// unknown language is no error; lang is Cognito's name for it.
func (p Parameters) language() string {
	if lang := p.Value("lang"); isLanguage(lang) {
		return lang
	}
	tags := strings.Fields(p.Value("ui_locales"))
	if i := slices.IndexFunc(tags, isLanguage); i >= 0 {
		return tags[i]
	}
	return ""
}

// isLanguage reports whether s has the form of a language tag that browsers send
// (RFC 5646 §2.1): two to eight letters, then up to four subtags.
func isLanguage(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	subtags := strings.Split(s, "-")
	if len(subtags) > 5 || len(subtags[0]) < 2 || strings.Trim(subtags[0], letters) != "" {
		return false
	}
	return !slices.ContainsFunc(subtags, func(t string) bool {
		return t == "" || len(t) > 8 || strings.Trim(t, letters+"0123456789") != ""
	})
}
