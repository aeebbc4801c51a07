package doctor

import (
	"context"
	"strings"
)

// This file checks what goes wrong if another server than the issuer has a part in
// the sign-in, as Amazon Cognito has behind a broker.

// checkOrigin checks whether the authorization endpoint is where the issuer is.
// No specification requires it. Codex refuses another origin unless the metadata
// announces iss (https://github.com/openai/codex/issues/44317).
func (d *doctor) checkOrigin() {
	address := d.server.text("authorization_endpoint")
	endpoint, err := webURL(address)
	issuer, err2 := webURL(d.issuer)
	if err != nil || err2 != nil {
		d.skip(serverOrigin, "there is no authorization_endpoint")
		return
	}
	f := d.check(serverOrigin)
	if endpoint.Scheme != issuer.Scheme || endpoint.Host != issuer.Host {
		who, breaks := "Gemini CLI 0.61 cannot sign in", []string{geminiCLI}
		if !d.server.isTrue("authorization_response_iss_parameter_supported") {
			who, breaks = "Codex CLI 0.171 and Gemini CLI 0.61 cannot sign in, the former because responses also have no iss", []string{codexCLI, geminiCLI}
		}
		f.warn(breaks, "%s is at another origin than the issuer: %s", quote(address), who)
	}
	f.end("%s", quote(address))
}

// jwksPath is the path of Cognito's keys below its issuer.
const jwksPath = "/.well-known/jwks.json"

// checkSecondRegistration looks for a registration at Cognito itself, if the
// server's tokens are Cognito's: clients that register there go round the
// server's policy and consent.
func (d *doctor) checkSecondRegistration(ctx context.Context) {
	keys := d.server.text("jwks_uri")
	other, ok := strings.CutSuffix(keys, jwksPath)
	switch {
	case !ok:
		d.skip(serverAround, "jwks_uri does not name another issuer")
		return
	case other == strings.TrimSuffix(d.issuer, "/"):
		d.skip(serverAround, "the tokens are of this issuer")
		return
	}
	got := d.document(ctx, other+oidcWellKnown)
	if got.err != nil {
		d.skip(serverAround, "cannot tell: %s: %s", quote(other+oidcWellKnown), got.err)
		return
	}
	f := d.check(serverAround)
	if endpoint := got.object.text("registration_endpoint"); endpoint != "" && endpoint != d.server.text("registration_endpoint") {
		f.warn(nil, "the issuer of the tokens, %s, registers clients at %s: they go round the policy and the consent page of this server", quote(other), quote(endpoint))
	}
	if got.object.isTrue("client_id_metadata_document_supported") {
		f.warn(nil, "the issuer of the tokens, %s, takes client ID metadata documents: their clients go round the policy and the consent page of this server", quote(other))
	}
	f.end("%s has no registration", quote(other))
}
