package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

const (
	oauthWellKnown = "/.well-known/oauth-authorization-server"
	oidcWellKnown  = "/.well-known/openid-configuration"
)

// place is an address at which clients look for authorization server metadata.
type place struct {
	def     *definition
	address string
}

// issuerPlaces returns the places in the order in which clients try them (MCP,
// "Authorization Server Metadata Discovery"); nil if the issuer is not a web
// URL. An issuer without a path has two.
func issuerPlaces(issuer string) []place {
	u, err := webURL(issuer)
	if err != nil {
		return nil
	}
	list := []place{{serverRFC8414, wellKnown(u, oauthWellKnown)}, {serverOIDC, wellKnown(u, oidcWellKnown)}}
	if path := strings.TrimSuffix(u.EscapedPath(), "/"); path != "" {
		list = append(list, place{serverOIDCAppended, u.Scheme + "://" + u.Host + path + oidcWellKnown})
	}
	return list
}

var serverKinds = map[string]kind{
	"issuer": aString, "authorization_endpoint": aString, "token_endpoint": aString, "jwks_uri": aString, "registration_endpoint": aString,
	"revocation_endpoint": aString, "introspection_endpoint": aString, "userinfo_endpoint": aString, "end_session_endpoint": aString,
	"service_documentation": aString, "op_policy_uri": aString, "op_tos_uri": aString,
	"scopes_supported": strings_, "response_types_supported": strings_, "response_modes_supported": strings_, "grant_types_supported": strings_,
	"token_endpoint_auth_methods_supported": strings_, "token_endpoint_auth_signing_alg_values_supported": strings_,
	"revocation_endpoint_auth_methods_supported": strings_, "introspection_endpoint_auth_methods_supported": strings_,
	"code_challenge_methods_supported": strings_, "subject_types_supported": strings_, "id_token_signing_alg_values_supported": strings_,
	"claims_supported": strings_, "ui_locales_supported": strings_,
	"authorization_response_iss_parameter_supported": aBool, "client_id_metadata_document_supported": aBool,
}

// endpoints are the endpoints that a client calls or opens in a browser.
var endpoints = []string{"authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"}

func (d *doctor) authorizationServer(ctx context.Context) {
	if d.isIssuer {
		d.issuer = d.URL
	}
	if d.issuer == "" {
		return
	}
	d.checkIssuerURL()
	places := issuerPlaces(d.issuer)
	if places == nil {
		d.skipRest(stageServer, "the issuer is not an http or https URL")
		return
	}
	documents := make([]found, len(places))
	first := found{}
	for i, p := range places {
		documents[i] = d.document(ctx, p.address)
		if first.object == nil && documents[i].err == nil {
			first = documents[i]
		}
	}
	for i, p := range places {
		d.checkPlace(p, documents[i], first)
	}
	if len(places) == 2 {
		d.skip(serverOIDCAppended, "the issuer has no path, so this is the same address")
	}
	if first.object == nil {
		d.skipRest(stageServer, "there is no metadata; VS Code and Claude then use /authorize, /token and /register")
		d.skipRest(stageRegister, "there is no authorization server metadata")
		d.skipRest(stageAuthorize, "there is no authorization server metadata")
		d.skipRest(stageToken, "there is no authorization server metadata")
		return
	}
	d.server = first.object
	d.readServer(first)
	d.readMethods()
	d.checkOrigin()
	d.checkSecondRegistration(ctx)
	d.checkReadable(ctx, serverCORS, first.answer)
}

func (d *doctor) checkIssuerURL() {
	f := d.check(serverIssuerURL)
	u, err := webURL(d.issuer)
	if err != nil {
		f.fail(nil, "%s", err)
		f.end("")
		return
	}
	if !isProtected(u) {
		f.fail([]string{goSDK}, "%s is plain http to another machine", quote(d.issuer))
	}
	if u.RawQuery != "" || u.ForceQuery || strings.Contains(d.issuer, "#") {
		f.fail(nil, "%s has a query or a fragment", quote(d.issuer))
	}
	switch {
	case strings.Trim(u.Path, "/") != "":
		f.warn([]string{reported(claude)}, "%s has a path; clients differ in where they look for its metadata", quote(d.issuer))
	case u.Path != "":
		f.warn(nil, "%s ends in a slash, which some clients ignore and others do not", quote(d.issuer))
	}
	f.end("%s", quote(d.issuer))
}

// checkPlace checks one place. first is the document that clients use.
func (d *doctor) checkPlace(p place, got, first found) {
	f := d.check(p.def)
	switch {
	case got.err == nil:
	case !got.none:
		f.fail([]string{typeScript1, typeScript2, goSDK}, "%s: %s; clients give up unless it is a 4xx", quote(p.address), got.err)
	case first.object == nil:
		f.fail(nil, "%s: %s; no other address has it either", quote(p.address), got.err)
	case p.def == serverRFC8414:
		f.warn(nil, "%s: %s; clients of MCP 2025-06-18 and earlier look only here", quote(p.address), got.err)
	default:
		f.end("%s: %s; not needed, because there is metadata elsewhere", quote(p.address), got.err)
		return
	}
	if got.object != nil {
		if p.def != serverRFC8414 {
			// OpenID Connect Discovery 1.0 §3.
			var missing []string
			for _, name := range []string{"jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported"} {
				if !got.object.has(name) {
					missing = append(missing, name)
				}
			}
			if len(missing) > 0 {
				f.fail([]string{typeScript1, typeScript2}, "%s lacks %s, which OpenID Connect requires", quote(p.address), words(missing))
			}
		}
		for _, name := range append([]string{"issuer"}, endpoints...) {
			if first.object.text(name) != got.object.text(name) {
				f.fail(nil, "%s has a different %s than the document that clients try first", quote(p.address), name)
			}
		}
	}
	f.end("%s", quote(p.address))
}

// readServer checks how the document is served, and its required members.
func (d *doctor) readServer(used found) {
	o := used.object
	d.checkType(serverContentType, used.answer)

	f := d.check(serverIssuer)
	if got := o.text("issuer"); got != d.issuer {
		breaks := exactIssuer
		if strings.TrimSuffix(got, "/") == strings.TrimSuffix(d.issuer, "/") {
			breaks = slashCounts
			if got == strings.TrimSuffix(d.issuer, "/") {
				breaks = []string{python2} // the TypeScript SDK accepts a trailing slash in the resource's document
			}
		}
		f.fail(breaks, "issuer is %s, but %s was requested", quote(got), quote(d.issuer))
	}
	f.end("%s", quote(o.text("issuer")))

	f = d.check(serverMembers)
	for _, name := range []string{"issuer", "authorization_endpoint", "token_endpoint", "response_types_supported"} {
		if !o.has(name) {
			f.fail(typeScript, "%s is missing", name)
		}
	}
	f.checkMembers(o, serverKinds, typeScript)
	f.end("required members are present, and nothing is null")

	f = d.check(serverEndpoints)
	for _, name := range endpoints {
		address := o.text(name)
		if address == "" {
			continue
		}
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
			f.fail(append([]string{goSDK}, typeScript...), "%s is %s, which is not an http or https URL", name, quote(address))
		case u.User != nil:
			f.fail(nil, "%s contains a user name", name)
		case !isProtected(u):
			f.fail([]string{goSDK}, "%s is %s: plain http to another machine", name, quote(address))
		}
		if strings.Contains(address, "#") {
			f.fail(nil, "%s has a fragment", name)
		}
	}
	f.end("https, or this machine")
}

// readMethods checks the features that the server announces.
func (d *doctor) readMethods() {
	o := d.server
	f := d.check(serverPKCE)
	methods := o.texts("code_challenge_methods_supported")
	switch {
	case len(methods) == 0:
		f.fail([]string{goSDK, reported(claudeCode), reported(cursor), reported(chatGPT)},
			"code_challenge_methods_supported is missing or empty; MCP clients MUST refuse to continue")
	case !slices.Contains(methods, "S256"):
		f.fail([]string{typeScript1, typeScript2, inspector, mcpRemote, openCode, rmcp}, "code_challenge_methods_supported is %s, without S256", quotes(methods))
	}
	f.end("%s", quotes(methods))

	f = d.check(serverResponseTypes)
	if types := o.texts("response_types_supported"); !slices.Contains(types, "code") {
		f.fail(typeScript, "response_types_supported is %s", quotes(types))
	}
	f.end("code")

	f = d.check(serverGrantTypes)
	types := o.texts("grant_types_supported")
	switch {
	case types == nil:
		f.warn(nil, "grant_types_supported is missing: VS Code then registers for the device grant as well, and a server may reject that")
	case !slices.Contains(types, "authorization_code"):
		f.fail(nil, "grant_types_supported is %s, without authorization_code", quotes(types))
	case !slices.Contains(types, "refresh_token"):
		f.warn(nil, "grant_types_supported is %s, without refresh_token: users have to sign in again and again", quotes(types))
	}
	f.end("%s", quotes(types))

	f = d.check(serverAuthMethods)
	auth := o.texts("token_endpoint_auth_methods_supported")
	switch {
	case auth == nil:
		f.warn(nil, "token_endpoint_auth_methods_supported is missing, which means client_secret_basic only; most MCP clients are public")
	case !slices.Contains(auth, "none"):
		f.warn(nil, "token_endpoint_auth_methods_supported is %s, without none; most MCP clients are public", quotes(auth))
	}
	f.end("%s", quotes(auth))

	f = d.check(serverRegistration)
	switch {
	case o.text("registration_endpoint") != "":
	case o.isTrue("client_id_metadata_document_supported"):
		f.warn(registering, "it is missing, and these clients have no client ID metadata document of their own")
	default:
		f.fail(append([]string{reported(vsCode), reported(claudeCode)}, registering...),
			"it is missing. VS Code asks the user for a client id, which users reportedly take to mean that OAuth is disabled; other clients give up")
	}
	f.end("%s", quote(o.text("registration_endpoint")))

	f = d.check(serverScopes)
	scopes := o.texts("scopes_supported")
	switch missing := missingFrom(scopes, d.scopes...); {
	case scopes == nil:
		f.warn(nil, "scopes_supported is missing, but recommended")
	case len(missing) > 0:
		f.warn(nil, "scopes_supported lacks %s, which the MCP server requires", quotes(missing))
	}
	f.end("%s", quotes(scopes))

	f = d.check(serverIss)
	if !o.isTrue("authorization_response_iss_parameter_supported") {
		f.warn(nil, "authorization_response_iss_parameter_supported is not true: a client of several servers cannot tell which server answered (MCP: SHOULD)")
	}
	f.end("announced")

	// Without these endpoints the later checks would only repeat this fault.
	if o.text("authorization_endpoint") == "" {
		d.skipRest(stageAuthorize, "there is no authorization_endpoint")
	}
	if o.text("token_endpoint") == "" {
		d.skipRest(stageToken, "there is no token_endpoint")
	}
	if o.text("registration_endpoint") == "" {
		d.skipRest(stageRegister, "there is no registration_endpoint")
		for _, s := range []stage{stageAuthorize, stageToken} {
			if d.reasons[s] == "" {
				d.skipRest(s, "there is no client")
			}
		}
	}
}

// endpoint returns the address of an endpoint, if it can be called.
func (d *doctor) endpoint(name string) (string, error) {
	address := d.server.text(name)
	if address == "" {
		return "", fmt.Errorf("there is no %s", name)
	}
	_, err := webURL(address)
	return address, err
}
