package discovery_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/discovery"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
	"pgregory.net/rapid"
)

const poolIssuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEf123"

func direct() discovery.Server {
	return discovery.Server{
		Issuer:               "https://auth.example.com",
		TokenEndpoint:        "https://auth.example.com/token",
		RegistrationEndpoint: "https://auth.example.com/register",
		RevocationEndpoint:   "https://auth.example.com/revoke",
		Scopes:               []string{"openid", "email", "mcp/read", "offline_access", "mcp/read"},
		GrantTypes:           []string{"authorization_code", "refresh_token"},
		AuthMethods:          []string{"none", "client_secret_basic", "client_secret_post"},
	}
}

func poolDocument(t testing.TB) []byte {
	t.Helper()
	body := must.ReadFile(t, "testdata/cognito.json")
	return body
}

func pool(t testing.TB) discovery.Upstream {
	t.Helper()
	up, err := discovery.ParseUpstream(poolDocument(t), poolIssuer)
	if err != nil {
		t.Fatalf("ParseUpstream(testdata/cognito.json): %v", err)
	}
	return up
}

func compare(t *testing.T, name string, got []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, got, "", "  "); err != nil {
		t.Fatalf("%s is not JSON: %v\n%s", name, err, got)
	}
	golden.Compare(t, filepath.Join("testdata", name), indented.Bytes())
}

func TestDocumentsMatchTheGoldenFiles(t *testing.T) {
	brokered := direct()
	brokered.AuthorizationEndpoint = "https://auth.example.com/authorize"
	brokered.IssInResponse = true
	brokered.IntrospectionEndpoint = "https://auth.example.com/introspect"
	brokered.ClientIDMetadataDocuments = true
	brokered.ServiceDocumentation = "https://docs.example.com/mcp?lang=en&v=1"
	bare := discovery.Server{
		Issuer:        "http://localhost:8080",
		TokenEndpoint: "http://localhost:8080/token",
		GrantTypes:    []string{"authorization_code"},
		AuthMethods:   []string{"none"},
	}
	for _, tt := range []struct {
		name  string
		write func() ([]byte, error)
	}{
		{"direct-rfc8414.json", func() ([]byte, error) { return discovery.AuthorizationServer(direct(), pool(t)) }},
		{"direct-oidc.json", func() ([]byte, error) { return discovery.OpenIDConfiguration(direct(), pool(t)) }},
		{"brokered-rfc8414.json", func() ([]byte, error) { return discovery.AuthorizationServer(brokered, pool(t)) }},
		// Without optional values: no member may be "" or [].
		{"bare-oidc.json", func() ([]byte, error) {
			up := pool(t)
			up.UserinfoEndpoint = ""
			return discovery.OpenIDConfiguration(bare, up)
		}},
		{"resource.json", func() ([]byte, error) {
			return discovery.ProtectedResourceMetadata("https://auth.example.com", discovery.ProtectedResource{
				Resource:      "https://mcp.example.com/mcp",
				Scopes:        []string{"openid", "mcp/read", "offline_access"},
				Name:          "Example <tools> & more",
				Documentation: "https://mcp.example.com/docs",
			})
		}},
		{"resource-bare.json", func() ([]byte, error) {
			return discovery.ProtectedResourceMetadata("http://localhost:8080", discovery.ProtectedResource{Resource: "http://localhost:8090/"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.write()
			if err != nil {
				t.Fatal(err)
			}
			compare(t, tt.name, got)
		})
	}
}

// The configured fallback must equal the document of a live pool, or clients
// would see the endpoints change once Cognito answers.
func TestCognitoUpstreamEqualsTheDocumentOfAPool(t *testing.T) {
	got, err := discovery.CognitoUpstream(poolIssuer, "https://tools.auth.eu-central-1.amazoncognito.com")
	if err != nil {
		t.Fatal(err)
	}
	for name, write := range map[string]func(discovery.Server, discovery.Upstream) ([]byte, error){
		"RFC 8414": discovery.AuthorizationServer, "OIDC": discovery.OpenIDConfiguration,
	} {
		assumed, err := write(direct(), got)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		read, err := write(direct(), pool(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(assumed, read) {
			t.Errorf("%s: assumed\n%s\nread\n%s", name, assumed, read)
		}
	}
}

func TestCognitoUpstreamRefuses(t *testing.T) {
	for _, tt := range []struct{ issuer, domain, want string }{
		{poolIssuer, "", "missing"},
		{poolIssuer, "tools.auth.eu-central-1.amazoncognito.com", "no host"},
		{poolIssuer, "https://tools.example.com/", "trailing slash"},
		{poolIssuer, "http://tools.example.com", "must be https"},
		{"", "https://tools.example.com", "issuer: missing"},
		{"https://u:p@idp.example.com", "https://tools.example.com", "credentials"},
	} {
		_, err := discovery.CognitoUpstream(tt.issuer, tt.domain)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("CognitoUpstream(%q, %q) error = %v, want one with %q", tt.issuer, tt.domain, err, tt.want)
		}
	}
}

func TestServerRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*discovery.Server)
		want string
	}{
		{"issuer absent", func(s *discovery.Server) { s.Issuer = "" }, "issuer: missing"},
		{"issuer with path", func(s *discovery.Server) { s.Issuer += "/prod" }, "issuer: must be an origin"},
		{"issuer with slash", func(s *discovery.Server) { s.Issuer += "/" }, "issuer: must be an origin"},
		{"issuer with query", func(s *discovery.Server) { s.Issuer += "?a" }, "issuer: must be an origin"},
		{"issuer over plain http", func(s *discovery.Server) { s.Issuer = "http://auth.example.com" }, "issuer: must be https"},
		{"issuer that only looks local", func(s *discovery.Server) { s.Issuer = "http://localhost.example.com" }, "issuer: must be https"},
		{"no token endpoint", func(s *discovery.Server) { s.TokenEndpoint = "" }, "token_endpoint: missing"},
		{"relative endpoint", func(s *discovery.Server) { s.RegistrationEndpoint = "/register" }, "registration_endpoint: has no host"},
		{"javascript", func(s *discovery.Server) { s.RevocationEndpoint = "javascript://x/%0aalert(1)" }, "revocation_endpoint: must be https"},
		{"fragment", func(s *discovery.Server) { s.ServiceDocumentation = "https://docs.example.com/#x" }, "service_documentation: fragment"},
		{"empty fragment", func(s *discovery.Server) { s.ServiceDocumentation = "https://docs.example.com/#" }, "service_documentation: fragment"},
		{"no grant types", func(s *discovery.Server) { s.GrantTypes = nil }, "grant_types_supported: missing"},
		{"no auth methods", func(s *discovery.Server) { s.AuthMethods = nil }, "token_endpoint_auth_methods_supported: missing"},
		{"two scopes in one", func(s *discovery.Server) { s.Scopes = []string{"openid email"} }, "scopes_supported:"},
		{"empty scope", func(s *discovery.Server) { s.Scopes = []string{""} }, "scopes_supported:"},
		// Cognito sends no iss: clients would reject every response.
		{"iss from Cognito", func(s *discovery.Server) { s.IssInResponse = true }, "authorization_response_iss_parameter_supported"},
		{"URL client ids at Cognito", func(s *discovery.Server) { s.ClientIDMetadataDocuments = true }, "client_id_metadata_document_supported"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := direct()
			tt.edit(&s)
			for name, write := range map[string]func(discovery.Server, discovery.Upstream) ([]byte, error){
				"AuthorizationServer": discovery.AuthorizationServer, "OpenIDConfiguration": discovery.OpenIDConfiguration,
			} {
				got, err := write(s, pool(t))
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s = %s, %v, want an error with %q", name, got, err, tt.want)
				}
			}
		})
	}
}

func TestZeroUpstreamIsRefused(t *testing.T) {
	if got, err := discovery.AuthorizationServer(direct(), discovery.Upstream{}); err == nil {
		t.Errorf("AuthorizationServer(_, Upstream{}) = %s, want an error", got)
	}
}

func TestProtectedResourceRefuses(t *testing.T) {
	const issuer, server = "https://auth.example.com", "https://mcp.example.com/mcp"
	for _, tt := range []struct {
		issuer   string
		resource discovery.ProtectedResource
		want     string
	}{
		{"https://auth.example.com/", discovery.ProtectedResource{Resource: server}, "authorization_servers: must be an origin"},
		{issuer, discovery.ProtectedResource{}, "resource: missing"},
		{issuer, discovery.ProtectedResource{Resource: "http://mcp.example.com/mcp"}, "resource: must be https"},
		{issuer, discovery.ProtectedResource{Resource: server + "#a"}, "resource: fragment"},
		{issuer, discovery.ProtectedResource{Resource: server + " b"}, "resource: has a character"},
		{issuer, discovery.ProtectedResource{Resource: server, Scopes: []string{"a\nb"}}, "scopes_supported:"},
		{issuer, discovery.ProtectedResource{Resource: server, Name: "a\x00"}, "resource_name:"},
		{issuer, discovery.ProtectedResource{Resource: server, Name: "\xff"}, "resource_name:"},
		{issuer, discovery.ProtectedResource{Resource: server, Documentation: "mailto:a@example.com"}, "resource_documentation:"},
	} {
		got, err := discovery.ProtectedResourceMetadata(tt.issuer, tt.resource)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ProtectedResourceMetadata(%q, %+v) = %s, %v, want an error with %q", tt.issuer, tt.resource, got, err, tt.want)
		}
	}
}

func TestProtectedResourcePath(t *testing.T) {
	for _, tt := range []struct{ resource, want string }{
		{"https://mcp.example.com", ""},
		{"https://mcp.example.com/", ""},
		{"https://mcp.example.com/mcp", "/mcp"},
		{"https://mcp.example.com/mcp/", "/mcp"},
		{"https://mcp.example.com/a%20b/c?v=1", "/a b/c"},
	} {
		got, err := discovery.ProtectedResource{Resource: tt.resource}.Path()
		if err != nil || got != tt.want {
			t.Errorf("Path of %q = %q, %v, want %q", tt.resource, got, err, tt.want)
		}
	}
	if got, err := (discovery.ProtectedResource{Resource: "/mcp"}).Path(); err == nil {
		t.Errorf("Path of %q = %q, want an error", "/mcp", got)
	}
}

// Other members of the pool's document, and the order of members, do not change
// the broker's documents.
func TestOtherMembersOfTheUpstreamDocumentDoNotMatter(t *testing.T) {
	var known map[string]json.RawMessage
	if err := json.Unmarshal(poolDocument(t), &known); err != nil {
		t.Fatal(err)
	}
	wantAS, wantOIDC := documents(t, pool(t))
	used := []string{"issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint",
		"jwks_uri", "subject_types_supported", "id_token_signing_alg_values_supported", "claims_supported"}
	values := rapid.SampledFrom([]string{`null`, `""`, `[]`, `[null]`, `{}`, `{"issuer":"https://evil.example"}`, `true`, `1e999`,
		`"https://evil.example"`, `["https://evil.example"]`})
	names := rapid.OneOf(
		rapid.StringMatching(`[A-Za-z_]{1,20}`),
		rapid.SampledFrom([]string{"ISSUER", "Issuer", "Authorization_Endpoint", "registration_endpoint", "scopes_supported",
			"code_challenge_methods_supported", "grant_types_supported", "token_endpoint_auth_methods_supported", "end_session_endpoint",
			"client_id_metadata_document_supported", "response_modes_supported", "signed_metadata", "mtls_endpoint_aliases"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		members := maps.Clone(known)
		for name, value := range rapid.MapOf(names, values).Draw(t, "extra") {
			if !slices.Contains(used, name) {
				members[name] = json.RawMessage(value)
			}
		}
		var doc bytes.Buffer
		for i, name := range rapid.Permutation(slices.Sorted(maps.Keys(members))).Draw(t, "order") {
			doc.WriteString([]string{",", "{"}[b2i(i == 0)])
			key, _ := json.Marshal(name)
			doc.Write(key)
			doc.WriteByte(':')
			doc.Write(members[name])
		}
		doc.WriteByte('}')
		up, err := discovery.ParseUpstream(doc.Bytes(), poolIssuer)
		if err != nil {
			t.Fatalf("ParseUpstream(%s): %v", doc.Bytes(), err)
		}
		gotAS, gotOIDC := documents(t, up)
		if !bytes.Equal(gotAS, wantAS) {
			t.Errorf("RFC 8414 for %s\ngot  %s\nwant %s", doc.Bytes(), gotAS, wantAS)
		}
		if !bytes.Equal(gotOIDC, wantOIDC) {
			t.Errorf("OIDC for %s\ngot  %s\nwant %s", doc.Bytes(), gotOIDC, wantOIDC)
		}
	})
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func documents(t interface{ Fatalf(string, ...any) }, up discovery.Upstream) (as, oidc []byte) {
	as, err := discovery.AuthorizationServer(direct(), up)
	if err != nil {
		t.Fatalf("AuthorizationServer: %v", err)
	}
	oidc, err = discovery.OpenIDConfiguration(direct(), up)
	if err != nil {
		t.Fatalf("OpenIDConfiguration: %v", err)
	}
	return as, oidc
}

// Writing must not change the caller's Server: the same Server is written at
// every refresh.
func TestWritingDoesNotChangeItsInputs(t *testing.T) {
	s, up := direct(), pool(t)
	documents(t, up)
	if want := direct().Scopes; !slices.Equal(s.Scopes, want) {
		t.Fatalf("scopes before = %q, want %q", s.Scopes, want)
	}
	for range 2 {
		if _, err := discovery.OpenIDConfiguration(s, up); err != nil {
			t.Fatal(err)
		}
	}
	if want := direct().Scopes; !slices.Equal(s.Scopes, want) {
		t.Errorf("scopes after = %q, want %q", s.Scopes, want)
	}
	if want := pool(t); !slices.Equal(up.IDTokenSigningAlgs, want.IDTokenSigningAlgs) || !slices.Equal(up.SubjectTypes, want.SubjectTypes) {
		t.Errorf("upstream after = %+v, want %+v", up, want)
	}
}
