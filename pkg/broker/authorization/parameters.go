package authorization

import (
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Request is an authorization request as a client sent it. A parameter without a
// value counts as not sent (RFC 6749 §3.1). A value may be any text. The fields
// that say REQUIRED are those without which a request is an error. It prints as
// "[redacted]": State is a secret of the client.
type Request struct {
	credential.Redacted
	ClientID        string   // REQUIRED (RFC 6749 §4.1.1)
	RedirectURI     string   // REQUIRED, see client
	ResponseType    string   // REQUIRED, must be code
	ResponseMode    string   // OPTIONAL, must be query
	State           string   // OPTIONAL; the response repeats it
	Scope           string   // OPTIONAL; the policy has a default
	Challenge       string   // REQUIRED (RFC 7636 §4.3)
	ChallengeMethod string   // REQUIRED, must be S256
	Nonce           string   // OPTIONAL; Cognito gets it (OpenID Connect Core §3.1.2.1)
	Prompt          string   // OPTIONAL, names with spaces between them
	LoginHint       string   // OPTIONAL; Cognito gets it
	UILocales       string   // OPTIONAL, language tags with spaces between them
	Lang            string   // OPTIONAL, Cognito's name for one language
	RequestObject   string   // not supported (OpenID Connect Core §6)
	RequestURI      string   // not supported
	Resources       []string // OPTIONAL if there is one resource only (RFC 8707 §2)
	// Repeated has the names of parameters, known or unknown, that were sent more
	// than once, in the order in which they were repeated. resource may be sent
	// more than once. Two readers could use different values, so a request with
	// such a parameter is an error (RFC 6749 §3.1).
	Repeated []string
}

// Callback is Cognito's answer, as the browser brings it to the callback. It
// prints as "[redacted]".
type Callback struct {
	credential.Redacted
	State string
	// Code is set if the user has signed in, and otherwise Error.
	Code             string
	Error            string
	ErrorDescription string
	// Repeated reports that a parameter was sent more than once.
	Repeated bool
}

func mustNotRepeat(name string) string {
	return "parameter " + dcr.Quote(name) + " must not be repeated"
}

// language is the first of lang and ui_locales that is a language tag, or "".
// ui_locales is a parameter of OpenID Connect Core §3.1.2.1, which says that an
// unknown language is no error; lang is Cognito's name for it.
func (r Request) language() string {
	if lang := r.Lang; isLanguage(lang) {
		return lang
	}
	tags := strings.Fields(r.UILocales)
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
