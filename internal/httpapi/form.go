package httpapi

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

const (
	mediaTypeForm = "application/x-www-form-urlencoded"
	maxForm       = 64 << 10
)

// formParameters are the parameters that an endpoint reads. RFC 6749 §3.2: a
// server must ignore all others.
var formParameters = []string{
	"grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", "token",
	"client_id", "client_secret", "client_assertion",
}

// Form is the form that a client sent to an OAuth endpoint other than
// registration. It has the parameters that were sent with a value. Values are
// printable ASCII. Only resource may have more than one. It prints as
// "[redacted]".
type Form map[string][]string

// Value returns the value of the parameter, or "" if it was not sent.
func (f Form) Value(name string) string {
	if v := f[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// String implements fmt.Stringer.
func (Form) String() string { return "[redacted]" }

// GoString implements fmt.GoStringer, which %#v uses.
func (Form) GoString() string { return "[redacted]" }

// LogValue implements slog.LogValuer.
func (Form) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// ReadForm reads the form in the body of r. The error is an *Error or a
// *broker.Refusal.
func ReadForm(r *http.Request) (Form, error) {
	body, err := ReadBody(r, mediaTypeForm, maxForm)
	if err != nil {
		return nil, err
	}
	return ParseForm(string(body))
}

// ParseForm reads a form as url.ParseQuery does, with three differences:
//
//   - A repeated name is an error, known or not, with or without a value
//     (RFC 6749 §3.2), because two readers could use different values. resource
//     is an exception (RFC 8707 §2).
//   - A parameter without a value counts as not sent (RFC 6749 §3.2).
//   - A value must be printable ASCII, which is all that RFC 6749 appendix A and
//     RFC 3986 allow in the parameters.
func ParseForm(body string) (Form, error) {
	f, seen := make(Form), make(map[string]bool)
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		if strings.Contains(pair, ";") {
			return nil, broker.Refuse(dcr.InvalidRequest, "the body is not a form: a semicolon must be written as %3B")
		}
		name, value, ok := unescapePair(pair)
		if !ok {
			return nil, broker.Refuse(dcr.InvalidRequest, "the body is not a form: two hexadecimal digits must follow a percent sign")
		}
		if seen[name] && name != "resource" {
			return nil, broker.Refuse(dcr.InvalidRequest, "parameter "+dcr.Quote(name)+" must not be repeated")
		}
		seen[name] = true
		if value == "" || !slices.Contains(formParameters, name) {
			continue
		}
		if !broker.Printable(value) {
			return nil, broker.Refuse(dcr.InvalidRequest, "parameter "+name+" may only have printable ASCII characters")
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
