package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// The registrations of real clients succeed, and each client gets what it needs
// (testdata/registrations names the source of each body).
func TestClientsRegister(t *testing.T) { each(t, testClientsRegister) }

func testClientsRegister(t *testing.T, d *deployment) {
	files, err := filepath.Glob("../../testdata/registrations/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no registrations in testdata (%v)", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			body := must.ReadFile(t, file)
			var sent map[string]json.RawMessage
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Fatal(err)
			}
			want := answer{object: sent}
			r := d.register(t, string(body))
			checkNoEmptyValues(t, "the answer", r.body)
			for name, pattern := range map[string]string{
				"client_id":                  `[A-Za-z0-9_.~+-]+`, // form encoding changes little or nothing of it
				"client_id_issued_at":        `\d+`,
				"client_secret":              "",
				"client_secret_expires_at":   "",
				"token_endpoint_auth_method": "none", // the only method of an open profile
				"scope":                      `\S.*`,
				"response_types":             `\["code"\]`,
				"software_statement":         "",
				"jwks":                       "", // which the Go SDK cannot read
			} {
				match(t, name, r.member(name), pattern)
			}
			for _, name := range []string{"client_name", "client_uri", "application_type"} {
				if r.member(name) != want.member(name) {
					t.Errorf("%s = %q, want %q as sent", name, r.member(name), want.member(name))
				}
			}
			if got := r.list("redirect_uris"); !slices.Equal(got, want.list("redirect_uris")) {
				t.Errorf("redirect_uris = %q, want %q", got, want.list("redirect_uris"))
			}
			// A client that requests more, such as the device flow, gets these.
			if got, want := r.list("grant_types"), []string{"authorization_code", "refresh_token"}; !slices.Equal(got, want) {
				t.Errorf("grant_types = %q, want %q", got, want)
			}
		})
	}
}

func TestBadRegistrations(t *testing.T) { each(t, testBadRegistrations) }

func testBadRegistrations(t *testing.T, d *deployment) {
	with := func(members string) string {
		return `{"redirect_uris":["http://127.0.0.1:33418/callback"],` + members + `}`
	}
	uris := func(list ...string) string {
		b, err := json.Marshal(map[string]any{"redirect_uris": list})
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	var many []string
	for port := range 11 {
		many = append(many, fmt.Sprintf("http://127.0.0.1:%d/callback", 40000+port))
	}
	const (
		redirect = "invalid_redirect_uri"
		metadata = "invalid_client_metadata"
	)
	tests := []struct {
		name, body, code string
	}{
		{"nothing", ``, metadata},
		{"no JSON", `redirect_uris=http://127.0.0.1/`, metadata},
		{"an array", `[` + publicClient + `]`, metadata},
		{"null", `null`, metadata},
		{"text after the object", publicClient + `{}`, metadata},
		{"a trailing comma", `{"redirect_uris":["http://127.0.0.1/"],}`, metadata},
		{"not UTF-8", "{\"redirect_uris\":[\"http://127.0.0.1/\"],\"client_name\":\"\xff\"}", metadata},
		{"a name twice", with(`"client_name":"a","client_name":"b"`), metadata},
		{"a name twice, once escaped", with(`"client_name":"a","client\u005fname":"b"`), metadata},
		{"deep nesting", with(`"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), metadata},
		{"a number for a name", with(`"client_name":1`), metadata},
		{"grant types not in a list", with(`"grant_types":"authorization_code"`), metadata},
		{"jwks and jwks_uri", with(`"jwks":{"keys":[]},"jwks_uri":"https://app.example.com/jwks"`), metadata},
		{"nothing but the implicit grant", with(`"grant_types":["implicit"],"response_types":["token"]`), metadata},
		{"client credentials beside a code", with(`"grant_types":["authorization_code","client_credentials"]`), metadata}, // Cognito cannot have such an app client
		{"client credentials without a secret", with(`"grant_types":["client_credentials"],"token_endpoint_auth_method":"none"`), metadata},

		{"no redirect URI", `{}`, redirect},
		{"an empty list", uris(), redirect},
		{"a name in capitals", `{"REDIRECT_URIS":["http://127.0.0.1/"]}`, redirect}, // names are matched exactly
		{"more than ten", uris(many...), redirect},
		{"a relative URI", uris("/callback"), redirect},
		{"a script", uris("javascript:alert(1)"), redirect},
		{"a document", uris("data:text/html,hello"), redirect},
		{"a file", uris("file:///etc/passwd"), redirect},
		{"a fragment", uris("http://127.0.0.1:33418/callback#a"), redirect},
		{"a user name", uris("http://claude.ai@127.0.0.1:33418/callback"), redirect},
		{"plain http", uris("http://app.example.com/callback"), redirect},
		{"a name like localhost", uris("http://localhost.example.com/callback"), redirect},
		{"a wildcard", uris("https://*.example.com/callback"), redirect},
		{"a back slash", uris(`http://127.0.0.1\@example.com/`), redirect},
		{"a line break", uris("http://127.0.0.1/\n"), redirect},
		{"a URI that is too long", uris("http://127.0.0.1/" + strings.Repeat("a", 1024)), redirect},
		{"a site that the policy does not know", uris("https://app.example.com/callback"), redirect},
		{"a scheme that the policy does not know", uris("com.example.app:/callback"), redirect},
	}
	var script []exchange
	for _, tt := range tests {
		script = append(script, exchange{
			name: tt.name, send: "POST /register", header: []string{jsonBody}, body: tt.body,
			status: 400, members: map[string]string{"error": tt.code},
		})
	}
	d.run(t, script)
}

func TestRegistrationBodies(t *testing.T) { each(t, testRegistrationBodies) }

func testRegistrationBodies(t *testing.T, d *deployment) {
	large := `{"redirect_uris":["http://127.0.0.1/"],"x":"` + strings.Repeat("a", 64<<10) + `"}`
	tooLarge := map[string]string{"error": "invalid_request"}
	d.run(t, []exchange{
		{name: "too large", send: "POST /register", header: []string{jsonBody}, body: large, status: 413, members: tooLarge},
		{name: "a form", send: "POST /register", header: []string{formBody}, body: "redirect_uris=http://127.0.0.1/", status: 415},
		{name: "plain text", send: "POST /register", header: []string{"Content-Type: text/plain"}, body: publicClient, status: 415},
		{name: "no type", send: "POST /register", body: publicClient, status: 415},
		{name: "another character set", send: "POST /register", header: []string{jsonBody + "; charset=utf-16"}, body: publicClient, status: 415},
	})
	t.Run("charset named", func(t *testing.T) {
		a := exchange{send: "POST /register", header: []string{"Content-Type: Application/JSON; charset=UTF-8"}, body: publicClient, status: 201}.run(t, d)
		d.registered(t, a, true)
	})
}

// The broker registers what the policy allows, drops the rest, and answers with
// what it registered (RFC 7591 §3.2.1).
func TestRegistrationSubstitutes(t *testing.T) { each(t, testRegistrationSubstitutes) }

func testRegistrationSubstitutes(t *testing.T, d *deployment) {
	r := d.register(t, `{
		"redirect_uris": ["https://app.example.com/callback", "http://localhost:33418/callback"],
		"grant_types": ["authorization_code", "implicit", "urn:ietf:params:oauth:grant-type:device_code"],
		"token_endpoint_auth_method": "client_secret_basic",
		"scope": "nothing/of-ours",
		"client_name": "",
		"client_name#de": "Beispiel",
		"logo_uri": null,
		"unknown": {"a": [1]}
	}`)
	for name, pattern := range map[string]string{
		"redirect_uris":              `\["http://localhost:33418/callback"\]`,
		"grant_types":                `\["authorization_code","refresh_token"\]`,
		"token_endpoint_auth_method": "none",
		"client_secret":              "",
		"client_name":                "",
		"client_name#de":             "Beispiel",
		"logo_uri":                   "",
		"unknown":                    "",
	} {
		match(t, name, r.member(name), pattern)
	}
	if scope := r.member("scope"); scope == "" || strings.Contains(scope, "nothing") {
		t.Errorf("scope = %q, want the profile's scopes", scope)
	}
}

func TestInitialAccessTokens(t *testing.T) { each(t, testInitialAccessTokens) }

func testInitialAccessTokens(t *testing.T, d *deployment) {
	bad := map[string]string{"WWW-Authenticate": `Bearer error="invalid_token", error_description="[^"]+"`}
	invalid := map[string]string{"error": "invalid_token"}
	d.run(t, []exchange{
		// A bad token is an error, not an open registration.
		{name: "an unknown token", send: "POST /register", header: []string{jsonBody, bearer("dcr_iat_unknown")}, body: publicClient,
			status: 401, headers: bad, members: invalid},
		{name: "a token of another kind", send: "POST /register", header: []string{jsonBody, bearer("dcr_rat_unknown")}, body: publicClient,
			status: 401, headers: bad, members: invalid},
		{name: "an empty token", send: "POST /register", header: []string{jsonBody, "Authorization: Bearer"}, body: publicClient,
			status: 401, headers: bad, members: invalid},
		{name: "another scheme", send: "POST /register", header: []string{jsonBody, basic("alice", "password")}, body: publicClient,
			status: 401, headers: bad, members: invalid},
	})

	d.needsInitialAccessToken(t)
	token := bearer(d.initialAccessToken)
	t.Run("gives a secret by default", func(t *testing.T) {
		r := d.register(t, `{"redirect_uris":["https://app.example.com/callback"]}`, token)
		for name, pattern := range map[string]string{
			"token_endpoint_auth_method": "client_secret_basic", // RFC 7591 section 2
			"client_secret":              `[A-Za-z0-9_+]{20,}`,
			"client_secret_expires_at":   "0",
			"grant_types":                `\["authorization_code","refresh_token"\]`,
			"registration_access_token":  `dcr_rat_.+`,
		} {
			match(t, name, r.member(name), pattern)
		}
	})
	t.Run("allows a client without one", func(t *testing.T) {
		r := d.register(t, publicClient, token)
		match(t, "token_endpoint_auth_method", r.member("token_endpoint_auth_method"), "none")
		match(t, "client_secret", r.member("client_secret"), "")
	})
	d.run(t, []exchange{
		{name: "does not allow any redirect URI", send: "POST /register", header: []string{jsonBody, token},
			body: `{"redirect_uris":["javascript:alert(1)"]}`, status: 400, members: map[string]string{"error": "invalid_redirect_uri"}},
		{name: "does not allow any authentication method", send: "POST /register", header: []string{jsonBody, token},
			body:   `{"redirect_uris":["https://app.example.com/callback"],"token_endpoint_auth_method":"private_key_jwt"}`,
			status: 400, members: map[string]string{"error": "invalid_client_metadata"}},
	})
}
