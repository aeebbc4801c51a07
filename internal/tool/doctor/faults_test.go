package doctor

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/internal/tool/devstack"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// broken is a server with one fault, and the check that has to find it.
type broken struct {
	id   string // the check
	name string
	want Status
	says string // part of the check's detail
	// names is a client that the check must name. Optional.
	names  string
	faults []fault
	// change changes the options further. Optional.
	change func(*Options, *devstack.Stack)
}

// The places where faults are injected.
const (
	mcpPath  = "/mcp"
	prmPath  = "/.well-known/oauth-protected-resource/mcp"
	prmRoot  = "/.well-known/oauth-protected-resource"
	asPath   = "/.well-known/oauth-authorization-server"
	oidcPath = "/.well-known/openid-configuration"
	poolPath = "/us-east-1_local00001" + oidcPath // of Cognito itself
)

func at(method, path string, change func(r *http.Request, a *fake)) []fault {
	return []fault{{method: method, path: path, change: change}}
}

// unauthorized changes the challenge to a call without a token.
func unauthorized(change func(a *fake)) []fault {
	return at("POST", mcpPath, func(r *http.Request, a *fake) {
		if r.Header.Get("Authorization") == "" {
			change(a)
		}
	})
}

func challengeIs(value string) []fault {
	return unauthorized(func(a *fake) { a.header.Set("WWW-Authenticate", value) })
}

// as changes both documents of the authorization server.
func as(change func(a *fake)) []fault {
	f := func(_ *http.Request, a *fake) { change(a) }
	return slices.Concat(at("GET", asPath, f), at("GET", oidcPath, f))
}

func asHas(name string, v any) []fault { return as(func(a *fake) { a.set(name, v) }) }

func asLacks(name string) []fault { return as(func(a *fake) { a.drop(name) }) }

func status(method, path string, code int) []fault {
	return at(method, path, func(_ *http.Request, a *fake) { a.json(code, map[string]any{"error": "server_error"}) })
}

// registered changes the answer to the doctor's own successful registration.
func registered(change func(a *fake)) []fault {
	return []fault{{method: "POST", path: "/register", only: clientName, change: func(_ *http.Request, a *fake) {
		if a.status == http.StatusCreated {
			change(a)
		}
	}}}
}

// token changes the answers to token requests that contain the text.
func token(only string, change func(a *fake)) []fault {
	return []fault{{method: "POST", path: "/token", only: only, change: func(_ *http.Request, a *fake) { change(a) }}}
}

// authorize changes the answers to authorization requests that contain the
// text, or, after a "!", do not contain it.
func authorize(only string, change func(r *http.Request, a *fake)) []fault {
	text, not := strings.CutPrefix(only, "!")
	return at("GET", "/authorize", func(r *http.Request, a *fake) {
		if strings.Contains(r.URL.RawQuery, text) != not {
			change(r, a)
		}
	})
}

func redirectTo(a *fake, to string) {
	a.status = http.StatusFound
	a.header.Set("Location", to)
}

func page(code int) func(*http.Request, *fake) {
	return func(_ *http.Request, a *fake) { a.status = code; a.header.Del("Location") }
}

// back redirects to the redirect URI of the request with the parameters.
func back(params string) func(*http.Request, *fake) {
	return func(r *http.Request, a *fake) {
		q := r.URL.Query()
		redirectTo(a, q.Get("redirect_uri")+"?state="+url.QueryEscape(q.Get("state"))+"&"+params)
	}
}

func signingIn(landing func(url.Values)) func(*Options, *devstack.Stack) {
	return func(o *Options, s *devstack.Stack) { o.Open = user(s, landing) }
}

func withIAT(o *Options, s *devstack.Stack) { o.InitialAccessToken = s.InitialAccessToken }

func noCORS(_ *http.Request, a *fake) { a.header.Del("Access-Control-Allow-Origin") }

func forged(claims map[string]any) string {
	raw, _ := json.Marshal(claims)
	return "e30." + base64.RawURLEncoding.EncodeToString(raw) + ".c2ln"
}

// accessTokenIs replaces the access token that is issued for the code. The MCP
// server rejects the new one.
func accessTokenIs(claims map[string]any) []fault {
	return token("authorization_code", func(a *fake) {
		if a.status == http.StatusOK {
			a.set("access_token", forged(claims))
		}
	})
}

var soon = time.Now().Add(time.Hour).Unix()

// brokenServers has at least one fault for each check.
var brokenServers = []broken{
	{id: "target.https", name: "plain http elsewhere", want: Fail, says: "plain http", names: goSDK, change: func(o *Options, s *devstack.Stack) {
		o.URL = "http://mcp.example.com/mcp"
		o.Transport.(*proxy).hosts = map[string]string{"mcp.example.com": strings.TrimSuffix(strings.TrimPrefix(s.MCP, "http://"), "/mcp")}
	}},
	{id: "target.answers", name: "redirect", want: Fail, says: "use that address", faults: unauthorized(func(a *fake) {
		a.status = 308
		a.header.Set("Location", "https://mcp.example.com/mcp")
	})},
	{id: "target.answers", name: "500", want: Fail, says: "500", faults: status("POST", mcpPath, 500)},
	{id: "target.answers", name: "no listener", want: Fail, says: "refused", change: func(o *Options, _ *devstack.Stack) { o.URL = "http://127.0.0.1:1/" }},
	{id: "target.kind", name: "nothing there", want: Fail, says: "404", change: func(o *Options, s *devstack.Stack) { o.URL = s.Cognito + "/nothing" }},

	{id: "challenge.status", name: "403", want: Fail, says: "403", faults: unauthorized(func(a *fake) { a.status = 403 })},
	{id: "challenge.status", name: "no authorization at all", want: Fail, says: "no token", faults: unauthorized(func(a *fake) {
		a.json(200, map[string]any{"jsonrpc": "2.0", "id": 1, "result": map[string]any{}})
	})},
	{id: "challenge.header", name: "none", want: Warning, says: "no WWW-Authenticate", faults: unauthorized(func(a *fake) { a.header.Del("WWW-Authenticate") })},
	{id: "challenge.header", name: "renamed by API Gateway", want: Fail, says: "x-amzn-remapped-www-authenticate", faults: unauthorized(func(a *fake) {
		a.header.Set("x-amzn-remapped-www-authenticate", a.header.Get("WWW-Authenticate"))
		a.header.Del("WWW-Authenticate")
	})},
	{id: "challenge.header", name: "Basic", want: Fail, says: "no Bearer", faults: challengeIs(`Basic realm="mcp"`)},
	{id: "challenge.header", name: "no end", want: Fail, says: "parsed", faults: challengeIs(`Bearer resource_metadata="http`)},
	{id: "challenge.resource-metadata", name: "missing", want: Warning, says: "no resource_metadata", faults: challengeIs(`Bearer`)},
	{id: "challenge.resource-metadata", name: "a script", want: Fail, says: "not an http", faults: challengeIs(`Bearer resource_metadata="javascript:alert(1)"`)},
	{id: "challenge.resource-metadata", name: "in clear", want: Fail, says: "plain http", names: goSDK, faults: challengeIs(`Bearer resource_metadata="http://mcp.example.com/"`)},
	{id: "challenge.scope", name: "missing", want: Warning, says: "no scope", faults: challengeIs(`Bearer realm="mcp"`)},
	{id: "challenge.scope", name: "offline_access", want: Warning, says: "offline_access", faults: challengeIs(`Bearer scope="mcp/read offline_access"`)},
	{id: "challenge.no-error", name: "error", want: Warning, says: "invalid_token", faults: challengeIs(`Bearer error="invalid_token"`)},
	{id: "challenge.bad-token", name: "any token will do", want: Fail, says: "any token", faults: at("POST", mcpPath, func(_ *http.Request, a *fake) { a.status = 200 })},
	{id: "challenge.bad-token", name: "403", want: Fail, says: "403", faults: at("POST", mcpPath, func(_ *http.Request, a *fake) { a.status = 403 })},
	{id: "challenge.bad-token", name: "no code", want: Warning, says: "without an error code", faults: at("POST", mcpPath, func(_ *http.Request, a *fake) {
		a.header.Set("WWW-Authenticate", "Bearer")
	})},
	{id: "challenge.cors", name: "no preflight", want: Warning, says: "OPTIONS answers 405", names: inspector, faults: status("OPTIONS", mcpPath, 405)},
	{id: "challenge.cors", name: "not the challenge itself", want: Warning, says: "the 401 itself", faults: at("POST", mcpPath, noCORS)},
	{id: "challenge.cors", name: "unreadable challenge", want: Warning, says: "Expose-Headers", faults: at("POST", mcpPath, func(_ *http.Request, a *fake) {
		a.header.Del("Access-Control-Expose-Headers")
	})},
	{id: "challenge.cors", name: "asterisk without Authorization", want: Warning, says: "lacks authorization", faults: at("OPTIONS", mcpPath, func(_ *http.Request, a *fake) {
		a.header.Set("Access-Control-Allow-Headers", "*")
	})},

	{id: "resource.header-url", name: "not there", want: Fail, says: "404", faults: slices.Concat(challengeIs(`Bearer resource_metadata="http://localhost:1/"`), nil),
		change: func(o *Options, s *devstack.Stack) {
			o.Transport.(*proxy).faults = challengeIs(`Bearer resource_metadata="` + s.Issuer + `/nowhere"`)
		}},
	{id: "resource.path-url", name: "elsewhere only", want: Warning, says: "404", names: reported(chatGPT), faults: status("GET", prmPath, 404),
		change: func(o *Options, s *devstack.Stack) {
			p := o.Transport.(*proxy)
			p.faults = append(p.faults, challengeIs(`Bearer resource_metadata="`+strings.TrimSuffix(s.MCP, "/mcp")+prmRoot+`"`)...)
		}},
	{id: "resource.path-url", name: "500", want: Fail, says: "unless it is a 4xx", names: goSDK, faults: status("GET", prmPath, 500),
		change: func(o *Options, s *devstack.Stack) {
			p := o.Transport.(*proxy)
			p.faults = append(p.faults, challengeIs(`Bearer resource_metadata="`+strings.TrimSuffix(s.MCP, "/mcp")+prmRoot+`"`)...)
		}},
	{id: "resource.path-url", name: "another document", want: Fail, says: "contradicts", change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = slices.Concat(challengeIs(`Bearer resource_metadata="`+strings.TrimSuffix(s.MCP, "/mcp")+prmRoot+`"`),
			at("GET", prmRoot, func(_ *http.Request, a *fake) { a.set("resource", "https://other.example.com") }))
	}},
	{id: "resource.path-url", name: "nothing", want: Fail, says: "not a JSON object", faults: at("GET", prmPath, func(_ *http.Request, a *fake) { a.body = []byte("[]") })},
	{id: "resource.root-url", name: "other servers", want: Fail, says: "other authorization servers", faults: at("GET", prmRoot, func(_ *http.Request, a *fake) {
		a.set("authorization_servers", []string{"https://other.example.com"})
	})},
	{id: "resource.root-url", name: "none at all", want: Fail, says: "no address has any", faults: slices.Concat(status("GET", prmPath, 404), status("GET", prmRoot, 404))},
	{id: "resource.root-url", name: "502", want: Warning, says: "502", faults: status("GET", prmRoot, 502)},
	{id: "resource.content-type", name: "text", want: Fail, says: "text/plain", names: goSDK, faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.header.Set("Content-Type", "text/plain")
	})},
	{id: "resource.content-type", name: "redirect", want: Warning, says: "redirect", change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = at("GET", prmPath, func(_ *http.Request, a *fake) {
			redirectTo(a, strings.TrimSuffix(s.MCP, "/mcp")+prmRoot)
		})
	}},
	{id: "resource.content-type", name: "redirect to another host", want: Warning, says: "another host", names: typeScript2, change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = at("GET", prmPath, func(r *http.Request, a *fake) {
			if strings.HasPrefix(s.MCP, "http://"+r.URL.Host+"/") {
				redirectTo(a, s.Issuer+prmPath)
			}
		})
	}},
	{id: "resource.identifier", name: "slash", want: Fail, says: "but the URL is", names: vsCode, faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.edit(func(o map[string]any) { o["resource"] = o["resource"].(string) + "/" })
	})},
	{id: "resource.authorization-servers", name: "none", want: Fail, says: "missing or empty", faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.set("authorization_servers", []string{})
	})},
	{id: "resource.authorization-servers", name: "two", want: Warning, says: "there are 2", names: vsCode, faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.edit(func(o map[string]any) {
			o["authorization_servers"] = append(o["authorization_servers"].([]any), "https://other.example.com")
		})
	})},
	{id: "resource.members", name: "null", want: Fail, says: `null: "jwks_uri"`, names: typeScript2, faults: at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("jwks_uri", nil) })},
	{id: "resource.members", name: "type", want: Fail, says: `type: "scopes_supported"`, faults: at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("scopes_supported", "mcp/read") })},
	{id: "resource.members", name: "offline_access", want: Warning, says: "offline_access", faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.set("scopes_supported", []string{"mcp/read", "offline_access"})
	})},
	{id: "resource.members", name: "token in the body", want: Fail, says: "bearer_methods_supported", faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.set("bearer_methods_supported", []string{"body"})
	})},
	{id: "resource.cors", name: "none", want: Warning, says: "Access-Control-Allow-Origin", names: inspector, faults: at("GET", prmPath, noCORS)},
	{id: "resource.cors", name: "no preflight", want: Warning, says: "mcp-protocol-version", faults: at("OPTIONS", prmPath, func(_ *http.Request, a *fake) {
		a.header.Set("Access-Control-Allow-Headers", "Content-Type")
	})},

	{id: "server.issuer-url", name: "path", want: Warning, says: "has a path", names: reported(claude), change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("authorization_servers", []string{s.Issuer + "/tenant"}) })
	}},
	{id: "server.issuer-url", name: "slash", want: Warning, says: "ends in a slash", change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("authorization_servers", []string{s.Issuer + "/"}) })
	}},
	{id: "server.issuer-url", name: "query", want: Fail, says: "query", change: func(o *Options, s *devstack.Stack) {
		o.Transport.(*proxy).faults = at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("authorization_servers", []string{s.Issuer + "?a=b"}) })
	}},
	{id: "server.issuer-url", name: "in clear", want: Fail, says: "plain http", names: goSDK, faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.set("authorization_servers", []string{"http://127.0.0.2.example.com:1"})
	})},
	{id: "server.issuer-url", name: "a script", want: Fail, says: "not an http", faults: at("GET", prmPath, func(_ *http.Request, a *fake) {
		a.set("authorization_servers", []string{"javascript:alert(1)"})
	})},
	{id: "server.rfc8414", name: "OpenID Connect only", want: Warning, says: "2025-06-18", faults: status("GET", asPath, 404)},
	{id: "server.rfc8414", name: "nothing anywhere", want: Fail, says: "no other address", faults: slices.Concat(status("GET", asPath, 404), status("GET", oidcPath, 404))},
	{id: "server.rfc8414", name: "500", want: Fail, says: "unless it is a 4xx", names: typeScript1, faults: status("GET", asPath, 500)},
	{id: "server.oidc", name: "OAuth document", want: Fail, says: "lacks jwks_uri", names: typeScript1, faults: at("GET", oidcPath, func(_ *http.Request, a *fake) { a.drop("jwks_uri") })},
	{id: "server.oidc", name: "another token endpoint", want: Fail, says: "a different token_endpoint", faults: at("GET", oidcPath, func(_ *http.Request, a *fake) {
		a.set("token_endpoint", "https://other.example.com/token")
	})},
	{id: "server.oidc-appended", name: "500", want: Fail, says: "500", change: func(o *Options, s *devstack.Stack) {
		p := o.Transport.(*proxy)
		p.faults = at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("authorization_servers", []string{s.Issuer + "/tenant"}) })
		p.faults = append(p.faults, status("GET", "/tenant"+oidcPath, 500)...)
	}},
	{id: "server.content-type", name: "text", want: Fail, says: "text/html", names: goSDK, faults: as(func(a *fake) { a.header.Set("Content-Type", "text/html") })},
	{id: "server.issuer", name: "Cognito's", want: Fail, says: "was requested", names: rmcp, faults: asHas("issuer", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_a")},
	{id: "server.issuer", name: "slash", want: Fail, says: "was requested", names: typeScript2, faults: as(func(a *fake) {
		a.edit(func(o map[string]any) { o["issuer"] = o["issuer"].(string) + "/" })
	})},
	{id: "server.members", name: "missing", want: Fail, says: "response_types_supported is missing", names: typeScript1, faults: asLacks("response_types_supported")},
	{id: "server.members", name: "null", want: Fail, says: `"service_documentation"`, names: mcpRemote, faults: asHas("service_documentation", nil)},
	{id: "server.members", name: "null in an array", want: Fail, says: "type", faults: asHas("scopes_supported", []any{"mcp/read", nil})},
	{id: "server.endpoints", name: "a script", want: Fail, says: "not an http or https", names: typeScript1, faults: asHas("authorization_endpoint", "javascript:alert(1)")},
	{id: "server.endpoints", name: "in clear", want: Fail, says: "plain http", names: goSDK, faults: asHas("token_endpoint", "http://auth.example.com/token")},
	{id: "server.endpoints", name: "fragment", want: Fail, says: "fragment", faults: asHas("token_endpoint", "https://auth.example.com/token#a")},
	{id: "server.endpoints", name: "password", want: Fail, says: "user name", faults: asHas("token_endpoint", "https://a:b@auth.example.com/token")},
	{id: "server.pkce", name: "missing", want: Fail, says: "MUST refuse", names: goSDK, faults: asLacks("code_challenge_methods_supported")},
	{id: "server.pkce", name: "plain", want: Fail, says: "without S256", names: typeScript1, faults: asHas("code_challenge_methods_supported", []string{"plain"})},
	{id: "server.response-types", name: "implicit", want: Fail, says: `"token"`, faults: asHas("response_types_supported", []string{"token"})},
	{id: "server.grant-types", name: "missing", want: Warning, says: "device", faults: asLacks("grant_types_supported")},
	{id: "server.grant-types", name: "no refresh", want: Warning, says: "again and again", faults: asHas("grant_types_supported", []string{"authorization_code"})},
	{id: "server.grant-types", name: "machines only", want: Fail, says: "without authorization_code", faults: asHas("grant_types_supported", []string{"client_credentials"})},
	{id: "server.auth-methods", name: "missing", want: Warning, says: "client_secret_basic only", faults: asLacks("token_endpoint_auth_methods_supported")},
	{id: "server.auth-methods", name: "no none", want: Warning, says: "without none", faults: asHas("token_endpoint_auth_methods_supported", []string{"client_secret_basic"})},
	{id: "server.registration-endpoint", name: "missing", want: Fail, says: "VS Code asks the user", names: reported(vsCode), faults: asLacks("registration_endpoint")},
	{id: "server.registration-endpoint", name: "documents instead", want: Warning, says: "metadata document", names: cursor, faults: slices.Concat(asLacks("registration_endpoint"), asHas("client_id_metadata_document_supported", true))},
	{id: "server.scopes", name: "missing", want: Warning, says: "missing", faults: asLacks("scopes_supported")},
	{id: "server.scopes", name: "not those needed", want: Warning, says: `lacks "mcp/read"`, faults: asHas("scopes_supported", []string{"openid"})},
	{id: "server.iss", name: "not announced", want: Warning, says: "not true", faults: asLacks("authorization_response_iss_parameter_supported")},
	{id: "server.authorize-origin", name: "elsewhere", want: Warning, says: "Gemini CLI 0.61 cannot sign in", names: geminiCLI,
		faults: asHas("authorization_endpoint", "https://login.example.com/authorize")},
	{id: "server.authorize-origin", name: "elsewhere, without iss", want: Warning, says: "Codex CLI 0.171 and Gemini CLI 0.61 cannot sign in", names: codexCLI,
		faults: slices.Concat(asHas("authorization_endpoint", "https://login.example.com/authorize"), asLacks("authorization_response_iss_parameter_supported"))},
	{id: "clients.gemini-cli", name: "another origin", want: Warning, says: "server.authorize-origin", names: geminiCLI,
		faults: asHas("authorization_endpoint", "https://login.example.com/authorize")},
	{id: "server.second-registration", name: "Cognito's own", want: Warning, says: "https://example.auth.us-east-1.amazoncognito.com/oauth2/register",
		faults: at("GET", poolPath, func(_ *http.Request, a *fake) {
			a.set("registration_endpoint", "https://example.auth.us-east-1.amazoncognito.com/oauth2/register")
		})},
	{id: "server.second-registration", name: "metadata documents", want: Warning, says: "client ID metadata documents",
		faults: at("GET", poolPath, func(_ *http.Request, a *fake) { a.set("client_id_metadata_document_supported", true) })},
	{id: "server.second-registration", name: "unreadable", want: Skip, says: "cannot tell", faults: status("GET", poolPath, 500)},
	{id: "server.second-registration", name: "no keys", want: Skip, says: "jwks_uri", faults: asLacks("jwks_uri")},
	{id: "server.cors", name: "none", want: Warning, says: "Access-Control-Allow-Origin", names: inspector, faults: at("GET", asPath, noCORS)},

	{id: "server.cors", name: "no preflight", want: Warning, says: "mcp-protocol-version", faults: at("OPTIONS", asPath, func(_ *http.Request, a *fake) {
		a.header.Del("Access-Control-Allow-Headers")
	})},

	{id: "register.cors", name: "none", want: Warning, says: "allows no other origin", names: inspector, faults: at("OPTIONS", "/register", noCORS)},
	{id: "register.accepted", name: "wants a token", want: Fail, says: "initial access token", names: vsCode, faults: status("POST", "/register", 401)},
	{id: "register.accepted", name: "rejects the token", want: Fail, says: "rejected", faults: status("POST", "/register", 401), change: withIAT},
	{id: "register.accepted", name: "too many", want: Warning, says: "limit", faults: status("POST", "/register", 429)},
	{id: "register.accepted", name: "a page", want: Fail, says: "502 without an OAuth error", faults: at("POST", "/register", func(_ *http.Request, a *fake) {
		a.status, a.body = 502, []byte("<html>")
	})},
	{id: "register.status", name: "200", want: Warning, says: "200", faults: registered(func(a *fake) { a.status = 200 })},
	{id: "register.status", name: "202", want: Fail, says: "202", names: goSDK, faults: registered(func(a *fake) { a.status = 202 })},
	{id: "register.status", name: "text", want: Fail, says: "text/plain", faults: registered(func(a *fake) { a.header.Set("Content-Type", "text/plain") })},
	{id: "register.status", name: "stored", want: Warning, says: "no-store", faults: registered(func(a *fake) { a.header.Del("Cache-Control") })},
	{id: "register.client-id", name: "missing", want: Fail, says: "client_id is missing", faults: registered(func(a *fake) { a.drop("client_id") })},
	{id: "register.client-id", name: "no JSON", want: Fail, says: "not a JSON", faults: registered(func(a *fake) { a.body = []byte("created") })},
	{id: "register.redirect-uris", name: "missing", want: Fail, says: "missing", names: rmcp, faults: registered(func(a *fake) { a.drop("redirect_uris") })},
	{id: "register.redirect-uris", name: "others", want: Fail, says: "without the registered", faults: registered(func(a *fake) { a.set("redirect_uris", []string{"https://other.example.com/"}) })},
	{id: "register.auth-method", name: "missing", want: Fail, says: "client_secret_basic", names: goSDK, faults: registered(func(a *fake) { a.drop("token_endpoint_auth_method") })},
	{id: "register.auth-method", name: "secret without one", want: Fail, says: "no client_secret", names: python1, faults: registered(func(a *fake) {
		a.set("token_endpoint_auth_method", "client_secret_post")
	})},
	{id: "register.auth-method", name: "secret", want: Warning, says: "cannot keep a secret", faults: registered(func(a *fake) {
		a.set("token_endpoint_auth_method", "client_secret_post")
		a.set("client_secret", "dcr_cs_a_secret")
		a.set("client_secret_expires_at", 0)
	})},
	{id: "register.grant-types", name: "missing", want: Warning, says: "missing", faults: registered(func(a *fake) { a.drop("grant_types") })},
	{id: "register.grant-types", name: "no refresh", want: Warning, says: "without refresh_token", faults: registered(func(a *fake) { a.set("grant_types", []string{"authorization_code"}) })},
	{id: "register.members", name: "null", want: Fail, says: `"client_uri"`, names: reported(claudeCode), faults: registered(func(a *fake) { a.set("client_uri", nil) })},
	{id: "register.members", name: "empty", want: Fail, says: "client_uri is empty", names: typeScript1, faults: registered(func(a *fake) { a.set("client_uri", "") })},
	{id: "register.members", name: "time as text", want: Fail, says: `"client_id_issued_at"`, faults: registered(func(a *fake) { a.set("client_id_issued_at", "2026-11-21") })},
	{id: "register.members", name: "keys", want: Warning, says: "jwks", names: goSDK, faults: registered(func(a *fake) { a.set("jwks", map[string]any{"keys": []any{}}) })},
	{id: "register.secret", name: "no expiry", want: Fail, says: "client_secret_expires_at", names: openClient, faults: registered(func(a *fake) { a.set("client_secret", "dcr_cs_a_secret") })},
	{id: "register.secret", name: "not needed", want: Warning, says: "the method is none", faults: registered(func(a *fake) {
		a.set("client_secret", "dcr_cs_a_secret")
		a.set("client_secret_expires_at", 0)
	})},
	{id: "register.management", name: "no token", want: Fail, says: "without the other", faults: registered(func(a *fake) { a.set("registration_client_uri", "https://auth.example.com/c") })},
	{id: "register.management", name: "a script", want: Fail, says: "not an http or https", faults: registered(func(a *fake) {
		a.set("registration_client_uri", "javascript:alert(1)")
		a.set("registration_access_token", "dcr_rat_a_token")
	})},
	{id: "register.management", name: "in clear", want: Fail, says: "plain http", faults: registered(func(a *fake) {
		a.set("registration_client_uri", "http://auth.example.com/c")
		a.set("registration_access_token", "dcr_rat_a_token")
	})},
	{id: "register.read", name: "503 with the token", want: Fail, says: "503", change: withIAT, faults: []fault{{method: "GET", path: "", change: func(r *http.Request, a *fake) {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer dcr_rat_") {
			a.json(503, map[string]any{"error": "temporarily_unavailable"})
		}
	}}}},
	{id: "register.read", name: "another client", want: Fail, says: "was registered", change: withIAT, faults: []fault{{method: "GET", path: "", change: func(r *http.Request, a *fake) {
		if strings.HasPrefix(r.URL.Path, "/register/") {
			a.set("client_id", "other")
		}
	}}}},
	{id: "register.read", name: "without the token", want: Fail, says: "with an invalid token the answer is 200", change: withIAT, faults: []fault{{method: "GET", path: "", change: func(r *http.Request, a *fake) {
		if strings.HasPrefix(r.URL.Path, "/register/") {
			a.status = 200
		}
	}}}},
	{id: "register.refuses-script", name: "accepted", want: Fail, says: "accepts", faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: func(_ *http.Request, a *fake) {
		a.json(201, map[string]any{"client_id": "x", "redirect_uris": []string{"javascript:alert(1)"}})
	}}}},
	{id: "register.error", name: "invalid_client", want: Fail, says: "register again", names: typeScript1, faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: func(_ *http.Request, a *fake) {
		a.set("error", "invalid_client")
	}}}},
	{id: "register.error", name: "API Gateway's", want: Fail, says: "without an OAuth error", names: typeScript1, faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: func(_ *http.Request, a *fake) {
		a.json(400, map[string]any{"message": "Forbidden"})
	}}}},
	{id: "register.error", name: "text", want: Warning, says: "text/plain", faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: func(_ *http.Request, a *fake) {
		a.header.Set("Content-Type", "text/plain")
	}}}},
	{id: "register.error", name: "422", want: Warning, says: "422", names: goSDK, faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: func(_ *http.Request, a *fake) { a.status = 422 }}}},

	{id: "authorize.answers", name: "400", want: Fail, says: "400", faults: authorize("", page(400))},
	{id: "authorize.answers", name: "invalid_scope", want: Fail, says: "invalid_scope", faults: authorize("", back("error=invalid_scope"))},
	{id: "authorize.answers", name: "a page of errors", want: Fail, says: "redirect_mismatch", faults: authorize("", func(_ *http.Request, a *fake) {
		redirectTo(a, "https://auth.example.com/error?error=redirect_mismatch")
	})},
	{id: "authorize.unknown-client", name: "sent on", want: Fail, says: "redirect users to any address", faults: authorize(foreignClient, back("error=invalid_client"))},
	{id: "authorize.unknown-client", name: "500", want: Fail, says: "500", faults: authorize(foreignClient, page(500))},
	{id: "authorize.unknown-redirect-uri", name: "sent on", want: Fail, says: "redirect users to any address", faults: authorize("redirect.invalid", back("error=invalid_request"))},
	{id: "authorize.loopback-port", name: "refused", want: Warning, says: "400", names: reported(vsCode), faults: authorize("49152", page(400))},
	{id: "authorize.pkce", name: "not needed", want: Warning, says: "continues without it", faults: authorize("!code_challenge", func(_ *http.Request, a *fake) {
		redirectTo(a, "https://auth.example.com/login")
	})},
	{id: "authorize.error", name: "no state", want: Fail, says: "state", faults: authorize("response_type=dcrctl", func(r *http.Request, a *fake) {
		redirectTo(a, r.URL.Query().Get("redirect_uri")+"?error=unsupported_response_type")
	})},
	{id: "authorize.error", name: "no error", want: Fail, says: "without an error", faults: authorize("response_type=dcrctl", back("code=a"))},
	{id: "authorize.error", name: "no iss", want: Fail, says: "iss is announced", names: typeScript2, faults: authorize("response_type=dcrctl", back("error=unsupported_response_type"))},
	{id: "authorize.error", name: "iss of another", want: Fail, says: "iss is", faults: authorize("response_type=dcrctl", back("error=unsupported_response_type&iss=https://other.example.com"))},
	{id: "authorize.error", name: "iss not announced", want: Warning, says: "not announced", names: goSDK, faults: asLacks("authorization_response_iss_parameter_supported")},

	{id: "token.cors", name: "none", want: Warning, says: "OPTIONS answers 404", names: inspector, faults: status("OPTIONS", "/token", 404)},
	{id: "token.bad-code", name: "text", want: Fail, says: "without an OAuth error", faults: token("sends-no-code", func(a *fake) { a.body = []byte("no") })},
	{id: "token.bad-code", name: "accepted", want: Fail, says: "200", faults: token("sends-no-code", func(a *fake) { a.status = 200 })},
	{id: "token.bad-code", name: "another error", want: Warning, says: "invalid_request", faults: token("sends-no-code", func(a *fake) { a.set("error", "invalid_request") })},
	{id: "token.unknown-client", name: "400", want: Warning, says: "clients expect 401", names: claude, faults: token(foreignClient, func(a *fake) { a.status = 400 })},
	{id: "token.unknown-client", name: "invalid_grant", want: Warning, says: "invalid_grant", names: claude, faults: token(foreignClient, func(a *fake) { a.set("error", "invalid_grant") })},

	{id: "sign-in.redirect", name: "refused", want: Fail, says: "access_denied", change: signingIn(func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") })},
	{id: "sign-in.redirect", name: "no code", want: Fail, says: "no code", change: signingIn(func(q url.Values) { q.Del("code") })},
	{id: "sign-in.redirect", name: "a script to sign in at", want: Fail, says: "not an http or https URL", change: signingIn(nil), faults: asHas("authorization_endpoint", "javascript:alert(1)")},
	{id: "sign-in.redirect", name: "no browser", want: Fail, says: "no browser here", change: func(o *Options, _ *devstack.Stack) {
		o.Open = func(context.Context, string) error { return errors.New("no browser here") }
	}},
	{id: "sign-in.redirect", name: "no return", want: Fail, says: "the browser did not return within 1ns", change: func(o *Options, _ *devstack.Stack) {
		o.Open, o.Patience = func(context.Context, string) error { return nil }, 1
	}},
	{id: "sign-in.state", name: "another", want: Fail, says: "attack", change: signingIn(func(q url.Values) { q.Set("state", "other") })},
	{id: "sign-in.iss", name: "missing", want: Fail, says: "missing", names: goSDK, change: signingIn(func(q url.Values) { q.Del("iss") })},
	{id: "sign-in.iss", name: "of another", want: Fail, says: "other.example.com", change: signingIn(func(q url.Values) { q.Set("iss", "https://other.example.com") })},
	{id: "sign-in.token", name: "refused", want: Fail, says: "invalid_grant", change: signingIn(func(q url.Values) { q.Set("code", "another") })},
	{id: "sign-in.token", name: "no token", want: Fail, says: "no access_token", change: signingIn(nil), faults: token("code=dcr_ac_", func(a *fake) { a.drop("access_token") })},
	{id: "sign-in.token", name: "no JSON", want: Fail, says: "not a JSON", change: signingIn(nil), faults: token("code=dcr_ac_", func(a *fake) { a.body = []byte("access_token=a") })},
	{id: "sign-in.token", name: "type", want: Fail, says: "mac", change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.set("token_type", "mac") })},
	{id: "sign-in.token", name: "stored", want: Warning, says: "no-store", change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.header.Del("Cache-Control") })},
	{id: "sign-in.token-members", name: "null", want: Fail, says: `"id_token"`, names: typeScript1, change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.set("id_token", nil) })},
	{id: "sign-in.token-members", name: "no expiry", want: Warning, says: "expires_in", change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.drop("expires_in") })},
	{id: "sign-in.refresh-token", name: "missing", want: Warning, says: "it is missing", change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.drop("refresh_token") })},
	{id: "sign-in.scope", name: "less", want: Fail, says: "not granted", change: signingIn(nil), faults: token("authorization_code", func(a *fake) { a.set("scope", "openid") })},
	{id: "sign-in.claims", name: "an ID token", want: Fail, says: "token_use", change: signingIn(nil), faults: accessTokenIs(map[string]any{"token_use": "id", "exp": soon, "iss": "a"})},
	{id: "sign-in.claims", name: "expired", want: Fail, says: "in the past", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": 1, "iss": "a"})},
	{id: "sign-in.claims", name: "no dates", want: Fail, says: "exp is missing", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": "soon", "iss": "a"})},
	{id: "sign-in.claims", name: "no issuer", want: Fail, says: "iss is missing", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": soon})},
	{id: "sign-in.claims", name: "no audience", want: Warning, says: "no aud", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": soon, "iss": "a"})},
	{id: "sign-in.claims", name: "another audience", want: Warning, says: "aud is", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": soon, "iss": "a", "aud": "https://other.example.com"})},
	{id: "sign-in.claims", name: "another scope", want: Fail, says: "without", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": soon, "iss": "a", "scope": "openid"})},
	{id: "sign-in.initialize", name: "refused", want: Fail, says: "Unauthorized", change: signingIn(nil), faults: accessTokenIs(map[string]any{"exp": soon})},
	{id: "sign-in.tools", name: "fails", want: Fail, says: "tools/list", change: signingIn(nil), faults: []fault{{method: "POST", path: mcpPath, only: "tools/list", change: func(_ *http.Request, a *fake) {
		a.json(500, map[string]any{})
	}}}},
	{id: "sign-in.refresh", name: "refused", want: Fail, says: "invalid_grant", change: signingIn(nil), faults: token("grant_type=refresh_token", func(a *fake) {
		a.json(400, map[string]any{"error": "invalid_grant"})
	})},
	{id: "sign-in.refresh", name: "null", want: Fail, says: `"refresh_token"`, names: typeScript1, change: signingIn(nil), faults: token("grant_type=refresh_token", func(a *fake) { a.set("refresh_token", nil) })},
	{id: "sign-in.rotation", name: "the same", want: Warning, says: "stays the same", change: signingIn(nil), faults: token("grant_type=refresh_token", func(a *fake) { a.drop("refresh_token") })},
	{id: "sign-in.replay", name: "twice", want: Fail, says: "second time", change: signingIn(nil), faults: []fault{{method: "POST", path: "/token", only: "grant_type=authorization_code", change: func(_ *http.Request, a *fake) {
		// This server accepts every code except the doctor's invalid one.
		if a.status == 400 {
			a.json(200, map[string]any{"access_token": "another one", "token_type": "Bearer"})
		}
	}}}},

	{id: "clients.patience", name: "slow", want: Warning, says: "gives up after 10s", names: claude, change: func(o *Options, _ *devstack.Stack) {
		now := time.Now()
		o.Now = func() time.Time { now = now.Add(11 * time.Second); return now }
	}},
	{id: "clients.vscode", name: "refused", want: Fail, says: "its registration is rejected", names: vsCode, faults: rejecting("Visual Studio Code")},
	{id: "clients.vscode", name: "blocked", want: Fail, says: "resource.identifier", names: vsCode, faults: at("GET", prmPath, func(_ *http.Request, a *fake) { a.set("resource", "https://other.example.com") })},
	{id: "clients.vscode", name: "affected", want: Warning, says: "authorize.loopback-port", names: vsCode, faults: authorize("49152", page(400))},
	{id: "clients.claude", name: "rejected", want: Fail, says: "rejected", names: claude, faults: rejecting("claude.ai")},
	{id: "clients.claude-code", name: "rejected", want: Fail, says: "rejected", names: claudeCode, faults: rejecting("Claude Code")},
	{id: "clients.chatgpt", name: "no id", want: Fail, says: "no client_id", names: chatGPT, faults: []fault{{method: "POST", path: "/register", only: "ChatGPT", change: func(_ *http.Request, a *fake) { a.drop("client_id") }}}},
	{id: "clients.cursor", name: "rejected", want: Fail, says: "rejected", names: cursor, faults: rejecting("cursor")},
	{id: "clients.cursor", name: "in part", want: Warning, says: `registered without "cursor:`, names: cursor, faults: []fault{{method: "POST", path: "/register", only: "cursor", change: func(_ *http.Request, a *fake) {
		a.set("redirect_uris", []string{"https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"})
	}}}},
	{id: "clients.gemini-cli", name: "rejected", want: Fail, says: "rejected", names: geminiCLI, faults: rejecting("Gemini")},
	{id: "clients.gemini-cli", name: "no JSON", want: Fail, says: "not a JSON", names: geminiCLI, faults: []fault{{method: "POST", path: "/register", only: "Gemini", change: func(_ *http.Request, a *fake) { a.body = []byte("created") }}}},
	{id: "clients.mcp-inspector", name: "too many", want: Warning, says: "429", faults: []fault{{method: "POST", path: "/register", only: "MCP Inspector", change: func(_ *http.Request, a *fake) { a.status = 429 }}}},
	{id: "clients.opencode", name: "no redirect URI", want: Fail, says: "none of its redirect URIs", names: openCode, faults: []fault{{method: "POST", path: "/register", only: "OpenCode", change: func(_ *http.Request, a *fake) { a.set("redirect_uris", []string{}) }}}},
	{id: "clients.go-sdk", name: "rejected", want: Fail, says: "rejected", names: goSDK, faults: rejecting("Dynamically registered")},
	{id: "clients.typescript-sdk", name: "blocked", want: Fail, says: "server.pkce", faults: asHas("code_challenge_methods_supported", []string{"plain"})},

	{id: "clean-up.tokens", name: "not revoked", want: Fail, says: "503", change: signingIn(nil), faults: status("POST", "/revoke", 503)},
	{id: "clean-up.clients", name: "stays", want: Fail, says: "is left behind", change: withIAT, faults: status("DELETE", "", 500)},
	{id: "clean-up.clients", name: "one of them cannot be deleted", want: Warning, says: "offers no way to delete", faults: []fault{{method: "POST", path: "/register", only: "ChatGPT", change: func(_ *http.Request, a *fake) {
		a.drop("registration_client_uri")
	}}}, change: func(o *Options, s *devstack.Stack) { withIAT(o, s); o.Register = RegisterAll }},
	{id: "clean-up.clients", name: "200", want: Warning, says: "204", change: withIAT, faults: at("DELETE", "", func(_ *http.Request, a *fake) { a.status = 200 })},
}

func lost(_ *http.Request, a *fake) { a.lost = true }

// lostServers close the connection instead of sending one answer.
var lostServers = []broken{
	{id: "challenge.bad-token", faults: at("POST", mcpPath, func(r *http.Request, a *fake) { a.lost = r.Header.Get("Authorization") != "" })},
	{id: "resource.path-url", faults: at("GET", prmPath, lost)},
	{id: "resource.root-url", want: Warning, faults: at("GET", prmRoot, lost)},
	{id: "server.rfc8414", faults: at("GET", asPath, lost)},
	{id: "register.cors", want: Warning, faults: at("OPTIONS", "/register", lost)},
	{id: "register.accepted", faults: []fault{{method: "POST", path: "/register", only: clientName, change: lost}}},
	{id: "register.read", change: withIAT, faults: []fault{{method: "GET", change: func(r *http.Request, a *fake) { a.lost = strings.HasPrefix(r.URL.Path, "/register/") }}}},
	{id: "register.refuses-script", faults: []fault{{method: "POST", path: "/register", only: "javascript:", change: lost}}},
	{id: "authorize.answers", faults: authorize("", lost)},
	{id: "authorize.unknown-client", faults: authorize(foreignClient, lost)},
	{id: "authorize.unknown-redirect-uri", faults: authorize("redirect.invalid", lost)},
	{id: "authorize.loopback-port", faults: authorize("49152", lost)},
	{id: "authorize.pkce", faults: authorize("!code_challenge", lost)},
	{id: "authorize.error", faults: authorize("response_type=dcrctl", lost)},
	{id: "token.bad-code", faults: token("sends-no-code", func(a *fake) { a.lost = true })},
	{id: "token.unknown-client", faults: token(foreignClient, func(a *fake) { a.lost = true })},
	{id: "sign-in.token", change: signingIn(nil), faults: codes(0)},
	{id: "sign-in.replay", change: signingIn(nil), faults: codes(1)},
	{id: "sign-in.initialize", change: signingIn(nil), faults: at("POST", mcpPath, func(r *http.Request, a *fake) {
		a.lost = strings.HasPrefix(r.Header.Get("Authorization"), "Bearer eyJ")
	})},
	{id: "sign-in.tools", change: signingIn(nil), faults: []fault{{method: "POST", path: mcpPath, only: "tools/list", change: lost}}},
	{id: "sign-in.refresh", change: signingIn(nil), faults: token("refresh_token=dcr_rt_", func(a *fake) { a.lost = true })},
	{id: "clients.claude", faults: []fault{{method: "POST", path: "/register", only: "claude.ai", change: lost}}},
	{id: "clean-up.tokens", change: signingIn(nil), faults: at("POST", "/revoke", lost)},
	{id: "clean-up.clients", change: withIAT, faults: at("DELETE", "", lost)},
}

// codes loses the answer to the token request with a valid code that follows n
// others.
func codes(n int) []fault {
	return token("code=dcr_ac_", func(a *fake) {
		a.lost = n == 0
		n--
	})
}

// A broken connection is reported by the check that made the request; the other
// checks still run as far as possible.
func TestLostAnswers(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	for _, tt := range lostServers {
		t.Run(tt.id, func(t *testing.T) {
			o := Options{URL: s.MCP, Transport: &proxy{faults: tt.faults}}
			if tt.change != nil {
				tt.change(&o, s)
			}
			want := cmp.Or(tt.want, Fail)
			if c := find(t, run(t, o), tt.id); c.Status != want || !strings.Contains(c.Detail, "connection reset") {
				t.Errorf("%+v, want %s because the connection was reset", c, want)
			}
		})
	}
}

func rejecting(only string) []fault {
	return []fault{{method: "POST", path: "/register", only: only, change: func(_ *http.Request, a *fake) {
		a.json(400, map[string]any{"error": "invalid_redirect_uri"})
	}}}
}

// Each check fails for its own fault. Without the fault it passes on the same
// stack (TestOurOwnStackPasses).
func TestEachCheckFailsForItsFault(t *testing.T) {
	s := startStack(t, broker.ModeBrokered)
	seen := make(map[string]bool)
	for _, tt := range brokenServers {
		seen[tt.id] = true
		t.Run(tt.id+"/"+tt.name, func(t *testing.T) {
			o := Options{URL: s.MCP, Transport: &proxy{faults: tt.faults}}
			if tt.change != nil {
				tt.change(&o, s)
			}
			c := find(t, run(t, o), tt.id)
			if c.Status != tt.want || !strings.Contains(c.Detail, tt.says) {
				t.Errorf("%+v, want %s with %q", c, tt.want, tt.says)
			}
			if tt.names != "" && !slices.Contains(c.Clients, tt.names) {
				t.Errorf("clients = %q, want %q among them", c.Clients, tt.names)
			}
		})
	}
	for _, def := range Checks() {
		if !seen[def.ID] {
			t.Errorf("no fault makes %s fail", def.ID)
		}
	}
}
