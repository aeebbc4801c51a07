package relay

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	formType = "application/x-www-form-urlencoded"
	maxForm  = 64 << 10
)

// parameters are those that an endpoint looks at. All others are ignored, as
// RFC 6749 §3.2 asks.
var parameters = []string{
	"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", "token",
	"client_id", "client_secret", "client_assertion",
}

// form holds those of the parameters that were sent with a value. Values are
// printable ASCII. Only resource may have more than one.
type form map[string][]string

// value returns the value of the parameter, or "" if it was not sent.
func (f form) value(name string) string {
	if v := f[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func readForm(r *http.Request) (form, error) {
	body, err := httpapi.ReadBody(r, formType, maxForm)
	if err != nil {
		return nil, err
	}
	return parseForm(string(body))
}

// parseForm reads a form as url.ParseQuery does, with three differences. A name
// that comes twice is an error, known or not, with or without a value (RFC 6749
// §3.2), since two readers could each take another of the values; resource is
// the exception (RFC 8707 §2). A parameter without a value counts as not sent
// (RFC 6749 §3.2). Values have to be printable ASCII, which is what RFC 6749
// appendix A and RFC 3986 allow in each of the parameters.
func parseForm(body string) (form, error) {
	f, seen := make(form), make(map[string]bool)
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		if strings.Contains(pair, ";") {
			return nil, invalidRequest("the body is not a form: a semicolon must be written as %3B")
		}
		name, value, ok := unescapePair(pair)
		if !ok {
			return nil, invalidRequest("the body is not a form: two hexadecimal digits must follow a percent sign")
		}
		if seen[name] && name != "resource" {
			return nil, invalidRequest("parameter " + dcr.Quote(name) + " must not be repeated")
		}
		seen[name] = true
		if value == "" || !slices.Contains(parameters, name) {
			continue
		}
		if !printable(value) {
			return nil, invalidRequest("parameter " + name + " may only have printable ASCII characters")
		}
		f[name] = append(f[name], value)
	}
	return f, nil
}

func unescapePair(pair string) (name, value string, ok bool) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, err := url.QueryUnescape(rawName)
	if err != nil {
		return "", "", false
	}
	value, err = url.QueryUnescape(rawValue)
	return name, value, err == nil
}

// printable reports whether s has VSCHAR only (RFC 6749 appendix A).
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// refusal is an answer with status 400 (RFC 6749 §5.2).
func refusal(code, description string) *httpapi.Error {
	return &httpapi.Error{Status: http.StatusBadRequest, Code: code, Description: description}
}

func invalidRequest(description string) *httpapi.Error {
	return refusal("invalid_request", description)
}
