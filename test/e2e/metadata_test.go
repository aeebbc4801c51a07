package e2e

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

const (
	serverMetadata   = "/.well-known/oauth-authorization-server"
	providerMetadata = "/.well-known/openid-configuration"
)

// resourceMetadata returns the path of the MCP server's metadata at the broker.
func (d *deployment) resourceMetadata(t *testing.T) string {
	t.Helper()
	needs(t, "E2E_MCP_URL", d.mcp)
	u := must.ParseURL(t, d.mcp)
	path := "/.well-known/oauth-protected-resource" + u.Path
	if d.stack == nil && d.send(t, "GET "+path, "").status == http.StatusNotFound {
		t.Skipf("not run: the broker's configuration does not name %s", d.mcp)
	}
	return path
}

func TestAuthorizationServerMetadata(t *testing.T) { each(t, testAuthorizationServerMetadata) }

func testAuthorizationServerMetadata(t *testing.T, d *deployment) {
	endpoint := regexp.QuoteMeta(d.base)
	for _, path := range []string{serverMetadata, providerMetadata} {
		members := map[string]string{
			"issuer":                                endpoint, // RFC 8414 §3.3: the origin it was fetched from
			"token_endpoint":                        endpoint + "/token",
			"revocation_endpoint":                   endpoint + "/revoke",
			"registration_endpoint":                 endpoint + "/register",
			"jwks_uri":                              `https?://.+`,
			"response_types_supported":              `\["code"\]`,
			"code_challenge_methods_supported":      `\["S256"\]`,
			"client_id_metadata_document_supported": "", // not supported
		}
		maps.Copy(members, d.serverMembers())
		if path == providerMetadata { // OpenID Connect Discovery §3
			members["subject_types_supported"] = `\[.+\]`
			members["id_token_signing_alg_values_supported"] = `\[.*"RS256".*\]`
		}
		a := exchange{
			send: "GET " + path, status: 200, members: members,
			headers: map[string]string{"Content-Type": "application/json", "ETag": `"[^"]+"`, "Cache-Control": `public, max-age=\d+`},
		}.run(t, d)
		checkNoEmptyValues(t, path, a.body)
		for name, want := range map[string][]string{
			"grant_types_supported":                 {"authorization_code", "refresh_token"},
			"token_endpoint_auth_methods_supported": {"none", "client_secret_basic", "client_secret_post"},
		} {
			for _, v := range want {
				if !slices.Contains(a.list(name), v) {
					t.Errorf("%s: %s = %q, want %q among them", path, name, a.list(name), v)
				}
			}
		}
		// Clients request all listed scopes. Cognito rejects offline_access, and the
		// broker issues no ID tokens.
		unwanted := []string{"offline_access"}
		if d.brokered() {
			unwanted = append(unwanted, "openid")
		}
		scopes := a.list("scopes_supported")
		if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(unwanted, s) }) {
			t.Errorf("%s: scopes_supported = %q, want some and none of %q", path, scopes, unwanted)
		}
	}
}

// serverMembers returns the members in which the modes differ.
func (d *deployment) serverMembers() map[string]string {
	if !d.brokered() {
		return map[string]string{
			"authorization_endpoint":                         `https?://.+/oauth2/authorize`, // Cognito's
			"userinfo_endpoint":                              `https?://.+/oauth2/userInfo`,
			"introspection_endpoint":                         "",
			"authorization_response_iss_parameter_supported": "", // Cognito sends none
		}
	}
	endpoint := regexp.QuoteMeta(d.base)
	return map[string]string{
		"authorization_endpoint":                         endpoint + "/authorize",
		"userinfo_endpoint":                              "", // it would return more than the consent page shows
		"introspection_endpoint":                         endpoint + "/introspect",
		"authorization_response_iss_parameter_supported": "true", // RFC 9207 §3
	}
}

// checkNoEmptyValues checks that there is no null and no empty string: clients
// with strict schemas fail on them.
func checkNoEmptyValues(t *testing.T, what string, body []byte) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		if tok == nil || tok == "" {
			t.Errorf("%s has a null or an empty string: %s", what, body)
			return
		}
	}
}

func TestProtectedResourceMetadata(t *testing.T) { each(t, testProtectedResourceMetadata) }

func testProtectedResourceMetadata(t *testing.T, d *deployment) {
	path := d.resourceMetadata(t)
	exchange{
		send: "GET " + path, status: 200,
		headers: map[string]string{"Content-Type": "application/json", "ETag": `"[^"]+"`},
		members: map[string]string{
			"resource":              regexp.QuoteMeta(d.mcp),
			"authorization_servers": `\["` + regexp.QuoteMeta(d.base) + `"\]`,
			"scopes_supported":      `\[".+"\]`,
		},
	}.run(t, d)
	d.run(t, []exchange{
		{name: "unknown resource", send: "GET /.well-known/oauth-protected-resource/nothing/here", status: 404},
	})
}

func TestMetadataIsCachable(t *testing.T) { each(t, testMetadataIsCachable) }

func testMetadataIsCachable(t *testing.T, d *deployment) {
	paths := []string{serverMetadata, providerMetadata}
	if d.mcp != "" && d.stack != nil {
		paths = append(paths, d.resourceMetadata(t))
	}
	for _, path := range paths {
		first := d.send(t, "GET "+path, "")
		tag := first.header.Get("ETag")
		if second := d.send(t, "GET "+path, ""); !bytes.Equal(first.body, second.body) || second.header.Get("ETag") != tag {
			t.Errorf("GET %s twice = %s and %s, want the same", path, first.body, second.body)
		}
		for _, condition := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			a := d.send(t, "GET "+path, "", "If-None-Match: "+condition)
			if a.status != 304 || len(a.body) > 0 || a.header.Get("ETag") != tag {
				t.Errorf("GET %s if none match %s = %d %q with ETag %s, want 304 without body and %s", path, condition, a.status, a.body, a.header.Get("ETag"), tag)
			}
		}
		if a := d.send(t, "GET "+path, "", `If-None-Match: "other"`); a.status != 200 || !bytes.Equal(a.body, first.body) {
			t.Errorf("GET %s if none match another = %d %s, want 200 and the document", path, a.status, a.body)
		}
		if a := d.send(t, "HEAD "+path, ""); a.status != 200 || len(a.body) > 0 || a.header.Get("ETag") != tag {
			t.Errorf("HEAD %s = %d %q with ETag %s, want 200 without body and %s", path, a.status, a.body, a.header.Get("ETag"), tag)
		}
	}
}

// Clients in a browser make preflight requests.
func TestPreflight(t *testing.T) { each(t, testPreflight) }

func testPreflight(t *testing.T, d *deployment) {
	endpoints := map[string]string{
		serverMetadata: "GET", providerMetadata: "GET", "/register": "POST", "/register/anything": "PUT", "/token": "POST", "/revoke": "POST",
	}
	if d.brokered() {
		endpoints["/introspect"] = "POST"
	}
	for path, method := range endpoints {
		a := d.send(t, "OPTIONS "+path, "", "Origin: http://localhost:6274", "Access-Control-Request-Method: "+method,
			"Access-Control-Request-Headers: authorization,content-type,mcp-protocol-version")
		if a.status != 204 && a.status != 200 {
			t.Errorf("OPTIONS %s = %d, want 204", path, a.status)
		}
		for header, values := range map[string][]string{
			"Access-Control-Allow-Methods": {method},
			"Access-Control-Allow-Headers": {"authorization", "content-type", "mcp-protocol-version"},
		} {
			allowed := strings.FieldsFunc(strings.ToLower(a.header.Get(header)), func(r rune) bool { return r == ',' || r == ' ' })
			for _, v := range values {
				if !slices.Contains(allowed, strings.ToLower(v)) {
					t.Errorf("OPTIONS %s: %s = %q, want %s in it", path, header, a.header.Get(header), v)
				}
			}
		}
	}
}

func TestUnknownPaths(t *testing.T) { each(t, testUnknownPaths) }

func testUnknownPaths(t *testing.T, d *deployment) {
	d.run(t, []exchange{
		{name: "root", send: "GET /", status: 404},
		{name: "unknown path", send: "GET /nothing/here", status: 404},
		{name: "unknown path, POST", send: "POST /nothing/here", status: 404},
		// Clients try these if they assume that the issuer has a path. A status of
		// 500 or above would stop them.
		{name: "path after the well-known part", send: "GET " + serverMetadata + "/mcp", status: 404},
		{name: "path before the well-known part", send: "GET /mcp" + providerMetadata, status: 404},
		{name: "trailing slash", send: "GET " + serverMetadata + "/", status: 404},
		{name: "unclean path", send: "GET //register", status: 404}, // not a redirect
		{name: "POST for a document", send: "POST " + serverMetadata, status: 405, headers: map[string]string{"Allow": ".*GET.*"}},
		{name: "GET for registration", send: "GET /register", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
		{name: "POST for a client", send: "POST /register/anything", status: 405, headers: map[string]string{"Allow": ".*DELETE.*"}},
		{name: "PATCH for a client", send: "PATCH /register/anything", status: 405, headers: map[string]string{"Allow": ".*PUT.*"}},
		{name: "GET for a token", send: "GET /token", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
		{name: "GET for a revocation", send: "GET /revoke", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
		{name: "an unknown method", send: "BREW /token", status: 405, headers: map[string]string{"Allow": ".*POST.*"}},
	})
}
