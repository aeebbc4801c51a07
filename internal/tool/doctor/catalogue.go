package doctor

import (
	"cmp"
	"slices"
)

// Definition describes a check.
type Definition struct {
	ID string
	// Stage is the step that the check belongs to.
	Stage string
	// Section is the section of the specification that requires it.
	Section string
	// Requirement is what must hold for the check to pass.
	Requirement string
}

type definition struct {
	Definition
	stage stage
}

type stage string

// The steps.
const (
	stageTarget    stage = "The URL"
	stageChallenge stage = "A call without a token"
	stageResource  stage = "Protected resource metadata"
	stageServer    stage = "Authorization server metadata"
	stageRegister  stage = "Registration"
	stageAuthorize stage = "Authorization endpoint, without a user"
	stageToken     stage = "Token endpoint, without a user"
	stageSignIn    stage = "Sign-in"
	stageClients   stage = "Well-known clients"
	stageCleanUp   stage = "Clean-up"
)

var stages = []stage{
	stageTarget, stageChallenge, stageResource, stageServer, stageRegister, stageAuthorize, stageToken, stageSignIn, stageClients, stageCleanUp,
}

const mcp = "MCP 2026-07-28, authorization"

// catalogue has all checks in the order in which they are reported.
var catalogue []*definition

func define(s stage, id, section, requirement string) *definition {
	def := &definition{Definition{ID: id, Stage: string(s), Section: section, Requirement: requirement}, s}
	catalogue = append(catalogue, def)
	return def
}

// Checks returns all checks in the order in which Run reports them.
func Checks() []Definition {
	var all []Definition
	for _, def := range catalogue {
		all = append(all, def.Definition)
	}
	return all
}

var (
	targetHTTPS   = define(stageTarget, "target.https", mcp+", security", "the URL is https, or on this machine")
	targetAnswers = define(stageTarget, "target.answers", "RFC 9110 section 15", "the server answers, and not with a redirect")
	targetKind    = define(stageTarget, "target.kind", mcp, "the URL is an MCP server or an issuer")

	challengeStatus   = define(stageChallenge, "challenge.status", "RFC 6750 section 3.1", "a call without a token is answered 401")
	challengeHeader   = define(stageChallenge, "challenge.header", "RFC 9110 section 11.6.1, RFC 6750 section 3", "WWW-Authenticate has a Bearer challenge that can be parsed")
	challengeMetadata = define(stageChallenge, "challenge.resource-metadata", "RFC 9728 section 5.1", "the challenge names the address of the metadata")
	challengeScope    = define(stageChallenge, "challenge.scope", mcp+", scope selection", "the challenge names the required scopes, without offline_access")
	challengeNoError  = define(stageChallenge, "challenge.no-error", "RFC 6750 section 3.1", "the challenge has no error code if no token was sent")
	challengeBadToken = define(stageChallenge, "challenge.bad-token", "RFC 6750 section 3.1", "an invalid token is answered 401 with invalid_token")
	challengeCORS     = define(stageChallenge, "challenge.cors", "Fetch, CORS protocol", "a script from another origin may call the server and read the challenge")

	resourceHeader      = define(stageResource, "resource.header-url", "RFC 9728 section 5.1", "the metadata is at the address in the challenge")
	resourcePath        = define(stageResource, "resource.path-url", "RFC 9728 section 3.1", "the metadata is at the well-known address with the path of the URL")
	resourceRoot        = define(stageResource, "resource.root-url", mcp+", discovery", "metadata at the root of the host does not contradict it")
	resourceContentType = define(stageResource, "resource.content-type", "RFC 9728 section 3.2", "the document is application/json, without a redirect")
	resourceIdentifier  = define(stageResource, "resource.identifier", "RFC 9728 section 3.3", "resource is the URL, character by character")
	resourceServers     = define(stageResource, "resource.authorization-servers", mcp+"; RFC 9728 section 2", "authorization_servers names one issuer")
	resourceMembers     = define(stageResource, "resource.members", "RFC 9728 section 2", "all members have the right type, and no scope is offline_access")
	resourceCORS        = define(stageResource, "resource.cors", "Fetch, CORS protocol", "a script from another origin may read it")

	serverIssuerURL     = define(stageServer, "server.issuer-url", "RFC 8414 section 2", "the issuer is an https URL without query, path and trailing slash")
	serverRFC8414       = define(stageServer, "server.rfc8414", "RFC 8414 section 3.1", "the metadata is at /.well-known/oauth-authorization-server")
	serverOIDC          = define(stageServer, "server.oidc", mcp+", discovery", "metadata at /.well-known/openid-configuration before the path is complete, if there is any")
	serverOIDCAppended  = define(stageServer, "server.oidc-appended", "OpenID Connect Discovery 1.0 section 4.1", "the same holds for /.well-known/openid-configuration after the path")
	serverContentType   = define(stageServer, "server.content-type", "RFC 8414 section 3.2", "the document is application/json, without a redirect")
	serverIssuer        = define(stageServer, "server.issuer", "RFC 8414 section 3.3", "issuer is the issuer whose metadata was requested, character by character")
	serverMembers       = define(stageServer, "server.members", "RFC 8414 section 2", "required members are present, all have the right type, and nothing is null")
	serverEndpoints     = define(stageServer, "server.endpoints", mcp+", security; RFC 6749 section 3", "endpoints are https URLs without fragment")
	serverPKCE          = define(stageServer, "server.pkce", mcp+", security; RFC 7636 section 4.2", "code_challenge_methods_supported has S256")
	serverResponseTypes = define(stageServer, "server.response-types", "RFC 8414 section 2", "response_types_supported has code")
	serverGrantTypes    = define(stageServer, "server.grant-types", "RFC 8414 section 2", "grant_types_supported has authorization_code and refresh_token")
	serverAuthMethods   = define(stageServer, "server.auth-methods", "RFC 8414 section 2", "token_endpoint_auth_methods_supported has none")
	serverRegistration  = define(stageServer, "server.registration-endpoint", "RFC 8414 section 2, "+mcp, "there is a registration_endpoint")
	serverScopes        = define(stageServer, "server.scopes", "RFC 8414 section 2", "scopes_supported has what the MCP server needs")
	serverIss           = define(stageServer, "server.iss", "RFC 9207 section 3", "the metadata announces iss in authorization responses")
	serverOrigin        = define(stageServer, "server.authorize-origin", "Codex CLI 0.171, Gemini CLI 0.61", "authorization_endpoint is at the origin of the issuer")
	serverAround        = define(stageServer, "server.second-registration", "RFC 7591 section 5", "the issuer of the tokens registers no clients past this server")
	serverCORS          = define(stageServer, "server.cors", "Fetch, CORS protocol", "a script from another origin may read it")

	registerCORS         = define(stageRegister, "register.cors", "Fetch, CORS protocol", "a script from another origin may register")
	registerAccepted     = define(stageRegister, "register.accepted", "RFC 7591 section 3", "a native public client can register")
	registerStatus       = define(stageRegister, "register.status", "RFC 7591 section 3.2", "the answer is 201, application/json and no-store")
	registerClientID     = define(stageRegister, "register.client-id", "RFC 7591 section 3.2.1", "there is a client_id")
	registerRedirectURIs = define(stageRegister, "register.redirect-uris", "RFC 7591 section 3.2.1", "the answer has redirect_uris as registered")
	registerAuthMethod   = define(stageRegister, "register.auth-method", "RFC 7591 section 3.2.1", "the answer has a token_endpoint_auth_method that the client can use")
	registerGrantTypes   = define(stageRegister, "register.grant-types", "RFC 7591 section 3.2.1", "the answer has grant_types with authorization_code and refresh_token")
	registerMembers      = define(stageRegister, "register.members", "RFC 7591 section 3.2.1", "nothing in the answer is null or empty, and times are integers")
	registerSecret       = define(stageRegister, "register.secret", "RFC 7591 section 3.2.1", "a client_secret has its client_secret_expires_at")
	registerManagement   = define(stageRegister, "register.management", "RFC 7592 section 3", "registration_client_uri and registration_access_token come together")
	registerRead         = define(stageRegister, "register.read", "RFC 7592 section 2.1", "the registration can be read with that token only")
	registerRefuses      = define(stageRegister, "register.refuses-script", mcp+", security; RFC 7591 section 5", "a javascript: redirect URI is rejected")
	registerError        = define(stageRegister, "register.error", "RFC 7591 section 3.2.2", "a rejected registration is 400 with an error other than invalid_client")

	authorizeAnswers     = define(stageAuthorize, "authorize.answers", "RFC 6749 section 4.1.1", "a correct request leads to a sign-in")
	authorizeClient      = define(stageAuthorize, "authorize.unknown-client", "RFC 6749 section 4.1.2.1", "a request of an unknown client does not lead to its redirect URI")
	authorizeRedirectURI = define(stageAuthorize, "authorize.unknown-redirect-uri", "RFC 6749 section 4.1.2.1", "a request does not lead to a redirect URI that is not registered")
	authorizePort        = define(stageAuthorize, "authorize.loopback-port", "RFC 8252 section 7.3", "a loopback redirect URI may have another port")
	authorizePKCE        = define(stageAuthorize, "authorize.pkce", "RFC 7636 section 4.4.1, OAuth 2.1 section 7.5.1", "a request without code_challenge is rejected")
	authorizeError       = define(stageAuthorize, "authorize.error", "RFC 6749 section 4.1.2.1, RFC 9207 section 2", "an error at the redirect URI has the state, and iss if the metadata announces it")

	tokenCORS   = define(stageToken, "token.cors", "Fetch, CORS protocol", "a script from another origin may request tokens")
	tokenGrant  = define(stageToken, "token.bad-code", "RFC 6749 section 5.2", "an invalid code is answered 400 with invalid_grant")
	tokenClient = define(stageToken, "token.unknown-client", "RFC 6749 section 5.2", "an unknown client is answered 401 with invalid_client")

	signInRedirect = define(stageSignIn, "sign-in.redirect", "RFC 6749 section 4.1.2", "the browser returns with a code")
	signInState    = define(stageSignIn, "sign-in.state", "RFC 6749 section 4.1.2", "the response has the state that was sent")
	signInIss      = define(stageSignIn, "sign-in.iss", "RFC 9207 section 2.4", "the response has iss if the metadata announces it")
	signInToken    = define(stageSignIn, "sign-in.token", "RFC 6749 section 5.1", "the code is exchanged for a Bearer token, with no-store")
	signInMembers  = define(stageSignIn, "sign-in.token-members", "RFC 6749 section 5.1", "nothing is null, and expires_in is present")
	signInRefresh  = define(stageSignIn, "sign-in.refresh-token", mcp+", refresh tokens", "the response has a refresh token")
	signInScope    = define(stageSignIn, "sign-in.scope", "RFC 6749 section 3.3", "the requested scopes are granted")
	signInClaims   = define(stageSignIn, "sign-in.claims", "RFC 9068 section 2.2, RFC 8707 section 2", "a token that is a JWT is an access token for this MCP server")
	signInMCP      = define(stageSignIn, "sign-in.initialize", mcp+", access token usage", "the MCP server accepts the token")
	signInTools    = define(stageSignIn, "sign-in.tools", "MCP 2026-07-28, tools", "the MCP server lists its tools")
	signInRenewed  = define(stageSignIn, "sign-in.refresh", "RFC 6749 section 6", "the refresh token gives a new access token")
	signInRotation = define(stageSignIn, "sign-in.rotation", "OAuth 2.1 section 4.3.1", "a public client gets a new refresh token with it")
	signInReplay   = define(stageSignIn, "sign-in.replay", "RFC 6749 section 4.1.2", "a code can be used only once")

	clientsPatience = define(stageClients, "clients.patience", "claude.com, connectors, authentication", "every answer came within 10 seconds")
	knownClients    = defineClients()

	cleanUpTokens  = define(stageCleanUp, "clean-up.tokens", "RFC 7009 section 2", "the refresh token is revoked")
	cleanUpClients = define(stageCleanUp, "clean-up.clients", "RFC 7592 section 2.3", "the registrations of the doctor are deleted")
)

// Go initializes knownClients after the variables that depend on nothing, so
// the catalogue has to be put in the order of the stages.
func init() {
	slices.SortStableFunc(catalogue, func(a, b *definition) int {
		return cmp.Compare(slices.Index(stages, a.stage), slices.Index(stages, b.stage))
	})
}

// defineClients defines a check for each well-known client.
func defineClients() []*known {
	all := bodies()
	for _, k := range all {
		k.verdict = define(stageClients, "clients."+k.slug, "RFC 7591 section 2", k.name+" can register, and no check above blocks it")
	}
	return all
}
