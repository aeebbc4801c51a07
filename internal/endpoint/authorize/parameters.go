package authorize

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
)

// maxParameters is the maximum length of the parameters in bytes. API Gateway
// accepts 8 KB.
const maxParameters = 16 << 10

// parameters are the parameters of a request, each with one value. Only resource
// may have more values (RFC 8707 §2). They print as "[redacted]", because a code
// may be one of them.
type parameters struct {
	values   map[string]string
	resource []string
	// repeated has the names that the request sent more than once, known or
	// unknown: two readers could use different values.
	repeated []string
}

// parseParameters reads parameters in the form
// application/x-www-form-urlencoded, from a query or a body. If it cannot read
// them, it returns the reason, in text for the developer of the client. Unlike
// url.ParseQuery it stops at a semicolon, at a wrong percent sign and at text
// that is not UTF-8.
//
// A parameter without a value counts as not sent, and a parameter must not be
// sent twice (RFC 6749 §3.1).
func parseParameters(raw string) (parameters, string) {
	p := parameters{values: make(map[string]string)}
	if len(raw) > maxParameters {
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

// value returns the value of a parameter, or "" if the request did not send it.
// It does not find resource.
func (p parameters) value(name string) string { return p.values[name] }

// has reports whether the request sent the parameter with a value.
func (p parameters) has(name string) bool { return p.values[name] != "" }

// len returns the number of parameters with a value, without resource.
func (p parameters) len() int { return len(p.values) }

// authorizationRequest returns the parameters of an authorization request.
func (p parameters) authorizationRequest() authorization.Request {
	return authorization.Request{
		ClientID:        p.value("client_id"),
		RedirectURI:     p.value("redirect_uri"),
		ResponseType:    p.value("response_type"),
		ResponseMode:    p.value("response_mode"),
		State:           p.value("state"),
		Scope:           p.value("scope"),
		Challenge:       p.value("code_challenge"),
		ChallengeMethod: p.value("code_challenge_method"),
		Nonce:           p.value("nonce"),
		Prompt:          p.value("prompt"),
		LoginHint:       p.value("login_hint"),
		UILocales:       p.value("ui_locales"),
		Lang:            p.value("lang"),
		RequestObject:   p.value("request"),
		RequestURI:      p.value("request_uri"),
		Resources:       p.resource,
		Repeated:        p.repeated,
	}
}

// callback returns the parameters of Cognito's answer.
func (p parameters) callback() authorization.Callback {
	return authorization.Callback{
		State:            p.value("state"),
		Code:             p.value("code"),
		Error:            p.value("error"),
		ErrorDescription: p.value("error_description"),
		Repeated:         len(p.repeated) > 0,
	}
}

// String implements fmt.Stringer.
func (parameters) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer.
func (parameters) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (parameters) LogValue() slog.Value { return slog.StringValue("[redacted]") }
