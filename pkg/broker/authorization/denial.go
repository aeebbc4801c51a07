package authorization

import (
	"net/url"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The error codes of an authorization response that the token endpoint does not
// have (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
const (
	AccessDenied             dcr.Code = "access_denied"
	ServerError              dcr.Code = "server_error"
	UnsupportedResponseType  dcr.Code = "unsupported_response_type"
	LoginRequired            dcr.Code = "login_required"
	InteractionRequired      dcr.Code = "interaction_required"
	ConsentRequired          dcr.Code = "consent_required"
	AccountSelectionRequired dcr.Code = "account_selection_required"
	RequestNotSupported      dcr.Code = "request_not_supported"
	RequestURINotSupported   dcr.Code = "request_uri_not_supported"
)

// Denial is an OAuth error for the client, to be sent to its redirect URI (RFC
// 6749 §4.1.2.1).
type Denial struct {
	// Refusal has the error code and the description.
	Refusal broker.Refusal
	// Vouched reports whether the browser may be redirected to URL without a
	// click of the user: the registration has a voucher, or a rule of the policy
	// vouches for the redirect URI, and its server does not hand responses on. For
	// any other URI the page has only a link,
	// because the broker must not be an open redirector (RFC 9700 §4.11.2).
	Vouched bool
	// Lang has the meaning of Problem.Lang.
	Lang string

	// Redirect is the redirect URI of URL. Forwards reports whether its server
	// hands responses on.
	Redirect dcr.RedirectURI
	Forwards bool

	issuer, state string
}

func (d *Denial) Error() string { return d.Refusal.Error() }

// Unwrap returns the refusal.
func (d *Denial) Unwrap() error { return &d.Refusal }

// URL returns the redirect URI with the error.
func (d *Denial) URL() string {
	v := url.Values{"error": {string(d.Refusal.Code)}}
	if d.Refusal.Description != "" {
		v.Set("error_description", d.Refusal.Description)
	}
	return respond(d.Redirect.Raw, d.issuer, d.state, v)
}

// deny returns a Denial for the client of c.
func (f *Flow) deny(c client, r broker.Refusal) *Denial {
	return &Denial{Refusal: r, Vouched: c.vouched, Redirect: c.redirect, Forwards: c.forwards, issuer: f.config.Issuer, state: c.state}
}
