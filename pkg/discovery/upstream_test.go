package discovery_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/discovery"
	"github.com/dcr-broker/dcr-broker/test/must"
)

func TestParseUpstreamReadsThePoolsDocument(t *testing.T) {
	const domain = "https://tools.auth.eu-central-1.amazoncognito.com"
	want := discovery.Upstream{
		Issuer:                poolIssuer,
		AuthorizationEndpoint: domain + "/oauth2/authorize",
		TokenEndpoint:         domain + "/oauth2/token",
		RevocationEndpoint:    domain + "/oauth2/revoke",
		UserinfoEndpoint:      domain + "/oauth2/userInfo",
		JWKSURI:               poolIssuer + "/.well-known/jwks.json",
		SubjectTypes:          []string{"public"},
		IDTokenSigningAlgs:    []string{"RS256"},
	}
	if got := pool(t); !reflect.DeepEqual(got, want) {
		t.Errorf("ParseUpstream = %+v, want %+v", got, want)
	}
}

// edited returns the pool's document with one member replaced; an empty value
// removes it.
func edited(t testing.TB, name, value string) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(poolDocument(t), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, name)
	if value != "" {
		members[name] = json.RawMessage(value)
	}
	body := must.Marshal(t, members)
	return body
}

func TestParseUpstreamRefusesAMember(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"issuer", ``, `issuer is ""`},
		{"issuer", `null`, `issuer is ""`},
		{"issuer", `"` + poolIssuer + `/"`, "issuer is"},
		{"issuer", `["` + poolIssuer + `"]`, "issuer: must be a string"},
		{"authorization_endpoint", ``, "authorization_endpoint: missing"},
		{"authorization_endpoint", `null`, "authorization_endpoint: missing"},
		{"authorization_endpoint", `7`, "authorization_endpoint: must be a string"},
		{"authorization_endpoint", `"http://tools.example.com/authorize"`, "authorization_endpoint: must be https"},
		{"authorization_endpoint", `"http://127.0.0.2/authorize"`, "authorization_endpoint: must be https"},
		{"authorization_endpoint", `"javascript:alert(1)"`, "authorization_endpoint: has no host"},
		{"authorization_endpoint", `"https://a.example/\u0000"`, "authorization_endpoint: has a character"},
		{"authorization_endpoint", `"https://a.example/\ud800"`, "authorization_endpoint: has a character"},
		{"authorization_endpoint", `"https://a@b.example/"`, "authorization_endpoint: credentials"},
		{"authorization_endpoint", `"https://:443/authorize"`, "authorization_endpoint: has no host"},
		{"authorization_endpoint", `"https://a.example/` + strings.Repeat("a", 2048) + `"`, "authorization_endpoint: longer"},
		// A pool without a domain.
		{"authorization_endpoint", `"` + poolIssuer + `/authorize"`, "authorization_endpoint: the user pool has no domain"},
		{"token_endpoint", `""`, "token_endpoint: missing"},
		{"jwks_uri", `null`, "jwks_uri: missing"},
		{"jwks_uri", `"/jwks"`, "jwks_uri: has no host"},
		{"revocation_endpoint", `"file:///etc/passwd"`, "revocation_endpoint: has no host"},
		{"userinfo_endpoint", `{}`, "userinfo_endpoint: must be a string"},
		{"subject_types_supported", `[]`, "subject_types_supported: missing"},
		{"subject_types_supported", `[null,""]`, "subject_types_supported: missing"},
		{"subject_types_supported", `"public"`, "subject_types_supported: must be an array of strings"},
		{"id_token_signing_alg_values_supported", ``, "id_token_signing_alg_values_supported: missing"},
		{"id_token_signing_alg_values_supported", `[["RS256"]]`, "id_token_signing_alg_values_supported: must be an array of strings"},
		{"id_token_signing_alg_values_supported", `["RS 256"]`, "id_token_signing_alg_values_supported:"},
	} {
		got, err := discovery.ParseUpstream(edited(t, tt.name, tt.value), poolIssuer)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseUpstream with %s = %s: %+v, %v, want an error with %q", tt.name, tt.value, got, err, tt.want)
		}
	}
}

func TestParseUpstreamAccepts(t *testing.T) {
	for _, tt := range []struct{ name, value string }{
		{"revocation_endpoint", `null`},
		{"revocation_endpoint", ``},
		{"userinfo_endpoint", `""`},
		{"claims_supported", `["sub",null,"","sub","email"]`},
		{"authorization_endpoint", `"http://localhost:9229/oauth2/authorize"`},
		{"authorization_endpoint", `"http://[::1]:9229/oauth2/authorize"`},
		{"authorization_endpoint", `"https://a.example/authorize?tenant=1&x=2"`},
	} {
		up, err := discovery.ParseUpstream(edited(t, tt.name, tt.value), poolIssuer)
		if err != nil {
			t.Errorf("ParseUpstream with %s = %s: %v, want none", tt.name, tt.value, err)
			continue
		}
		_, oidc := documents(t, up)
		noEmptiesIn(t, oidc)
	}
}

func TestParseUpstreamRefusesADocument(t *testing.T) {
	doc := string(poolDocument(t))
	for _, tt := range []struct{ name, body, want string }{
		{"empty", "", "not JSON"},
		{"an array", "[]", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"cut off", doc[:len(doc)/2], "not JSON"},
		{"two documents", doc + doc, "not JSON"},
		{"an HTML page", "<html></html>", "not JSON"},
		{"not UTF-8", strings.Replace(doc, "public", "p\xffblic", 1), "not UTF-8"},
		{"duplicate issuer", strings.Replace(doc, "{", `{"issuer":"https://evil.example",`, 1), `"issuer": duplicate name`},
		{"duplicate of an unused name", strings.Replace(doc, "{", `{"x":1,"x":2,`, 1), `"x": duplicate name`},
		{"deep nesting", strings.Replace(doc, "{", `{"x":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)+`,`, 1), "not JSON"},
	} {
		if got, err := discovery.ParseUpstream([]byte(tt.body), poolIssuer); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseUpstream = %+v, %v, want an error with %q", tt.name, got, err, tt.want)
		}
	}
}

// encoding/json would match "ISSUER" with issuer.
func TestParseUpstreamMatchesNamesExactly(t *testing.T) {
	doc := bytes.Replace(poolDocument(t), []byte("{"), []byte(`{"ISSUER":"https://evil.example","Jwks_Uri":"https://evil.example/keys",`), 1)
	doc = append(bytes.TrimSuffix(bytes.TrimSpace(doc), []byte("}")), `,"JWKS_URI":"https://evil.example/keys"}`...)
	got, err := discovery.ParseUpstream(doc, poolIssuer)
	if err != nil {
		t.Fatal(err)
	}
	if want := pool(t); !reflect.DeepEqual(got, want) {
		t.Errorf("ParseUpstream = %+v, want %+v", got, want)
	}
}

func noEmptiesIn(t testing.TB, doc []byte) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(doc, &members); err != nil {
		t.Fatalf("not a JSON object: %v\n%s", err, doc)
	}
	for name, value := range members {
		switch v := value.(type) {
		case nil:
			t.Errorf("%s is null in %s", name, doc)
		case string:
			if v == "" {
				t.Errorf("%s is empty in %s", name, doc)
			}
		case []any:
			if len(v) == 0 {
				t.Errorf("%s is [] in %s", name, doc)
			}
			for _, e := range v {
				if s, ok := e.(string); !ok || s == "" {
					t.Errorf("%s has %v in %s", name, e, doc)
				}
			}
		}
	}
}

// Any bytes are either refused or give documents that can be published: with
// the broker's issuer and without nulls.
func FuzzParseUpstream(f *testing.F) {
	doc := poolDocument(f)
	f.Add(doc)
	for _, seed := range []string{``, `{}`, `null`, `[`, `{"issuer":1}`, `{"a":1,"a":1}`, "{\"issuer\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	for _, m := range []struct{ name, value string }{
		{"claims_supported", `["sub",null]`}, {"userinfo_endpoint", `null`}, {"jwks_uri", `"http://[::1]/k"`},
		{"authorization_endpoint", `"https://a.example/?x=<>"`}, {"subject_types_supported", `["public",""]`},
	} {
		f.Add(edited(f, m.name, m.value))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		up, err := discovery.ParseUpstream(body, poolIssuer)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "discovery: upstream document: ") {
				t.Errorf("error %q does not name its subject", err)
			}
			return
		}
		as, oidc := documents(t, up)
		for _, doc := range [][]byte{as, oidc} {
			noEmptiesIn(t, doc)
			var got struct {
				Issuer string `json:"issuer"`
			}
			if err := json.Unmarshal(doc, &got); err != nil || got.Issuer != direct().Issuer {
				t.Errorf("issuer = %q, %v, want %q", got.Issuer, err, direct().Issuer)
			}
		}
		// The parsed values, written again, are read back the same.
		again, err := json.Marshal(map[string]any{
			"issuer": up.Issuer, "authorization_endpoint": up.AuthorizationEndpoint, "token_endpoint": up.TokenEndpoint,
			"revocation_endpoint": up.RevocationEndpoint, "userinfo_endpoint": up.UserinfoEndpoint, "jwks_uri": up.JWKSURI,
			"subject_types_supported": up.SubjectTypes, "id_token_signing_alg_values_supported": up.IDTokenSigningAlgs,
			"claims_supported": up.Claims,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := discovery.ParseUpstream(again, poolIssuer); err != nil || !reflect.DeepEqual(got, up) {
			t.Errorf("ParseUpstream(%s) = %+v, %v, want %+v", again, got, err, up)
		}
	})
}
