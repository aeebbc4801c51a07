package dcr

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// with returns valid metadata, changed by f.
func with(f func(*ClientMetadata)) ClientMetadata {
	m := ClientMetadata{RedirectURIs: []string{"https://a.example/cb"}}
	f(&m)
	return m
}

func TestValidateAcceptsWhatKnownClientsSend(t *testing.T) {
	for name, body := range bodies(t) {
		t.Run(name, func(t *testing.T) {
			r, err := Decode(body)
			if err != nil {
				t.Fatal(err)
			}
			m, err := validate(r.Metadata)
			if err != nil {
				t.Fatal(err)
			}
			// A client fails if one of its redirect URIs is dropped, for
			// example Cursor.
			if !slices.Equal(m.RedirectURIs, r.Metadata.RedirectURIs) {
				t.Errorf("redirect_uris = %q, want %q", m.RedirectURIs, r.Metadata.RedirectURIs)
			}
			if want := []string{GrantAuthorizationCode, GrantRefreshToken}; !slices.Equal(m.GrantTypes, want) {
				t.Errorf("grant_types = %q, want %q", m.GrantTypes, want)
			}
			if m.TokenEndpointAuthMethod != r.Metadata.TokenEndpointAuthMethod || m.Scope != r.Metadata.Scope || m.ClientName != r.Metadata.ClientName {
				t.Errorf("Validate changed other members:\n got %+v\nfrom %+v", m, r.Metadata)
			}
		})
	}
}

func TestValidateGrantTypes(t *testing.T) {
	const device = "urn:ietf:params:oauth:grant-type:device_code"
	code := []string{GrantAuthorizationCode, GrantRefreshToken}
	clientCredentials := []string{GrantClientCredentials}
	tests := []struct {
		grants, responses []string
		want              []string // nil: refused
		wantResponses     []string
		text              string
	}{
		{nil, nil, code, []string{"code"}, ""}, // RFC 7591 §2: the default
		{[]string{}, []string{}, code, []string{"code"}, ""},
		{[]string{"authorization_code"}, nil, code, []string{"code"}, ""}, // Cognito issues refresh tokens with every code
		{[]string{"refresh_token", "authorization_code"}, []string{"code"}, code, []string{"code"}, ""},
		{[]string{"authorization_code", "authorization_code"}, nil, code, []string{"code"}, ""},
		{[]string{"authorization_code", "refresh_token", device}, []string{"code"}, code, []string{"code"}, ""}, // VS Code
		{[]string{"implicit", "authorization_code", "password"}, []string{"token", "code"}, code, []string{"code"}, ""},
		{[]string{"client_credentials"}, nil, clientCredentials, nil, ""},
		{[]string{"client_credentials", "implicit"}, []string{"code"}, clientCredentials, nil, ""}, // no authorization endpoint, so no response type

		{[]string{"implicit"}, []string{"token"}, nil, nil, "grant_types: none of them is supported; supported are authorization_code"},
		{[]string{"password", device, "urn:ietf:params:oauth:grant-type:jwt-bearer"}, nil, nil, nil, "none of them is supported"},
		{[]string{"AUTHORIZATION_CODE"}, nil, nil, nil, "none of them is supported"},
		{[]string{"refresh_token"}, nil, nil, nil, "together with authorization_code"},
		{[]string{"client_credentials", "refresh_token"}, nil, nil, nil, "together with authorization_code"},
		{[]string{"authorization_code", "client_credentials"}, nil, nil, nil, "cannot be combined"}, // Cognito: it must be the only one
		{nil, []string{"token"}, nil, nil, "response_types: must have code"},
		{[]string{"authorization_code"}, []string{"code id_token"}, nil, nil, "response_types: must have code"}, // hybrid flow
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.grants, tt.responses), func(t *testing.T) {
			got, err := validate(with(func(m *ClientMetadata) { m.GrantTypes, m.ResponseTypes = tt.grants, tt.responses }))
			if tt.want == nil {
				e := refusal(t, err)
				if e.Code != InvalidClientMetadata || !strings.Contains(e.Description, tt.text) {
					t.Errorf("got %v, want %s with %q", e, InvalidClientMetadata, tt.text)
				}
				return
			}
			if err != nil || !slices.Equal(got.GrantTypes, tt.want) || !slices.Equal(got.ResponseTypes, tt.wantResponses) {
				t.Errorf("got %q, %q, %v, want %q, %q", got.GrantTypes, got.ResponseTypes, err, tt.want, tt.wantResponses)
			}
		})
	}
}

func TestValidateRedirectURIs(t *testing.T) {
	var ten []string
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("http://127.0.0.1:%d/cb", 1000+i))
	}
	tests := []struct {
		name     string
		in, want []string // want nil: refused
		text     string
	}{
		{"as sent, in order", []string{"HTTPS://B.example/", "https://a.example/cb"}, []string{"HTTPS://B.example/", "https://a.example/cb"}, ""},
		{"repeated URIs once", []string{"https://b.example/", "https://a.example/", "https://b.example/"}, []string{"https://b.example/", "https://a.example/"}, ""},
		{"ten", ten, ten, ""},
		{"ten, one repeated", append(slices.Clone(ten), ten[0]), ten, ""},
		{"eleven", append(slices.Clone(ten), "https://a.example/"), nil, "redirect_uris: at most 10"},
		{"none", nil, nil, "redirect_uris: required"}, // RFC 7591 §2: redirect-based flows must register them
		{"empty", []string{}, nil, "redirect_uris: required"},
		{"one bad", []string{"https://a.example/", "https://a.example/", "http://a.example/"}, nil, "redirect_uris[2]: http is allowed for localhost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := validate(ClientMetadata{RedirectURIs: tt.in})
			if tt.want == nil {
				e := refusal(t, err)
				if e.Code != InvalidRedirectURI || !strings.HasPrefix(e.Description, tt.text) {
					t.Errorf("got %v, want %s with %q", e, InvalidRedirectURI, tt.text)
				}
				return
			}
			if err != nil || !slices.Equal(got.RedirectURIs, tt.want) {
				t.Errorf("got %q, %v, want %q", got.RedirectURIs, err, tt.want)
			}
		})
	}
}

func TestValidateDropsRedirectURIsOfClientCredentials(t *testing.T) {
	got, err := validate(ClientMetadata{GrantTypes: []string{GrantClientCredentials}, RedirectURIs: []string{"http://never.looked.at/"}})
	if err != nil || len(got.RedirectURIs) > 0 {
		t.Errorf("got %q, %v, want none", got.RedirectURIs, err)
	}
}

func TestValidateScope(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"mcp/read", "mcp/read"},
		{"b a c", "b a c"},
		{" a  b ", "a b"},
		{"a b a", "a b"},
		{"openid offline_access a", "openid a"}, // not a Cognito scope: it would fail the whole registration
		{"offline_access", ""},
		{"https://api.example.com/mcp/read", "https://api.example.com/mcp/read"},
		{"!#[]~", "!#[]~"},
	}
	for _, tt := range tests {
		got, err := validate(with(func(m *ClientMetadata) { m.Scope = tt.in }))
		if err != nil || got.Scope != tt.want {
			t.Errorf("scope %q: got %q, %v, want %q", tt.in, got.Scope, err, tt.want)
		}
	}
	for _, bad := range []string{`a"b`, `a\b`, "é", "a\u00a0b"} { // RFC 6749 §3.3
		_, err := validate(with(func(m *ClientMetadata) { m.Scope = bad }))
		if e := refusal(t, err); e.Code != InvalidClientMetadata || !strings.HasPrefix(e.Description, "scope: ") {
			t.Errorf("scope %q: %v, want %s naming it", bad, e, InvalidClientMetadata)
		}
	}
}

func TestValidateKeeps(t *testing.T) {
	tests := []struct {
		name string
		m    ClientMetadata
	}{
		{"a name in any script", with(func(m *ClientMetadata) { m.ClientName = "名前 \u200fעברית\u200d 👩\u200d💻" })}, // the consent page isolates bidi and joiners
		{"a name at the limit, counted in characters", with(func(m *ClientMetadata) { m.ClientName = strings.Repeat("名", 2048) })},
		{"an unknown auth method", with(func(m *ClientMetadata) { m.TokenEndpointAuthMethod = "private_key_jwt" })}, // policy refuses or substitutes it
		{"links", with(func(m *ClientMetadata) {
			m.ClientURI, m.LogoURI, m.TOSURI, m.PolicyURI = "http://localhost:3000", "https://a.example/é.png", "https://a.example/#tos", "https://a.example/p?q"
		})},
		{"jwks_uri", with(func(m *ClientMetadata) { m.JWKSURI = "https://a.example/jwks" })},
		{"ten contacts", with(func(m *ClientMetadata) { m.Contacts = slices.Repeat([]string{"a@b.example"}, 10) })},
		{"application_type", with(func(m *ClientMetadata) { m.ApplicationType = ApplicationNative })},
		{"other languages", with(func(m *ClientMetadata) {
			m.Localized = map[string]string{"client_name#ja-Jpan-JP": "名", "policy_uri#x-klingon": "https://a.example/", "client_name#de-1996": "B"}
		})},
		{"a language without the plain member", with(func(m *ClientMetadata) { m.Localized = map[string]string{"tos_uri#fr": "https://a.example/"} })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := validate(tt.m)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.m.Clone()
			want.GrantTypes, want.ResponseTypes = []string{GrantAuthorizationCode, GrantRefreshToken}, []string{ResponseTypeCode}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %#v\nwant %#v", got, want)
			}
		})
	}
}

func TestValidateRefuses(t *testing.T) {
	set := func(name string, value string) ClientMetadata {
		return with(func(m *ClientMetadata) {
			for _, f := range m.stringFields() {
				if f.name == name {
					*f.value = value
					return
				}
			}
			m.Localized = map[string]string{name: value}
		})
	}
	jwks := func(s string) ClientMetadata {
		return with(func(m *ClientMetadata) { m.JWKS = json.RawMessage(s) })
	}
	tags := make(map[string]string)
	for i := range 51 {
		tags[fmt.Sprintf("client_name#x-%d", i)] = "A"
	}
	tests := []struct {
		name string
		m    ClientMetadata
		text string // start of the description
	}{
		{"long name", set("client_name", strings.Repeat("é", 2049)), "client_name: longer than 2048 characters"},
		{"line end in a name", set("client_name", "a\nb"), "client_name: control characters"},
		{"C1 control in a name", set("client_name", "a\u009b31m"), "client_name: control characters"}, // CSI to a terminal
		{"NUL in a name", set("client_name", "\x00"), "client_name: control characters"},
		{"name that is not UTF-8", set("client_name", "\xff"), "client_name: not UTF-8"},
		{"control character in the auth method", set("token_endpoint_auth_method", "none\n"), "token_endpoint_auth_method: control characters"},
		{"long software_id", set("software_id", strings.Repeat("x", 256)), "software_id: longer than 255"},
		{"long software_version", set("software_version", strings.Repeat("x", 256)), "software_version: longer than 255"},
		{"long link", set("logo_uri", "https://a.example/"+strings.Repeat("x", 2048)), "logo_uri: longer than 2048"},
		{"link that would run", set("client_uri", "javascript:alert(1)"), "client_uri: must be an absolute http or https URL"},
		{"link that carries its content", set("logo_uri", "data:image/png;base64,AA"), "logo_uri: must be an absolute"},
		{"relative link", set("tos_uri", "/tos"), "tos_uri: must be an absolute"},
		{"link without a host", set("policy_uri", "https:///x"), "policy_uri: must be an absolute"},
		{"link with only a port", set("policy_uri", "https://:80/"), "policy_uri: must be an absolute"},
		{"link with userinfo", set("client_uri", "https://paypal.com@evil.example/"), "client_uri: user information"},
		{"link with empty userinfo", set("client_uri", "https://@evil.example/"), "client_uri: user information"},
		{"link with port 0", set("client_uri", "https://a.example:0/"), "client_uri: the port"},
		{"link with an empty port", set("client_uri", "https://a.example:/"), "client_uri: the port"},
		{"link with a space", set("client_uri", "https://a.example/a b"), "client_uri: white space"},
		{"link with a backslash", set("client_uri", "https://a.example\\@b.example"), "client_uri: white space, backslashes"},
		{"link with a bidi override", set("client_uri", "https://a.example/\u202egnp.exe"), "client_uri: white space, backslashes and invisible"},
		{"link with bad percent-encoding", set("client_uri", "https://a.example/%zz"), "client_uri: must be an absolute"},
		{"jwks_uri over http", set("jwks_uri", "http://a.example/jwks"), "jwks_uri: must be an https URL"},
		{"eleven contacts", with(func(m *ClientMetadata) { m.Contacts = slices.Repeat([]string{"a@b.example"}, 11) }), "contacts: at most 10"},
		{"control character in a contact", with(func(m *ClientMetadata) { m.Contacts = []string{"a\r\nBcc: b"} }), "contacts: control characters"},

		{"localised link that would run", set("logo_uri#fr", "javascript:alert(1)"), "logo_uri#fr: must be an absolute"},
		{"localised name with a control character", set("client_name#fr", "\x1b[1m"), "client_name#fr: control characters"},
		{"empty language", set("client_name#", "A"), "'client_name#': must be client_name,"},
		{"language with an underscore", set("client_name#de_CH", "A"), "'client_name#de_CH': must be"},
		{"language with an empty subtag", set("client_name#de--CH", "A"), "'client_name#de--CH': must be"},
		{"language with a long subtag", set("client_name#deutschland", "A"), "'client_name#deutschland': must be"},
		{"language that starts with a digit", set("client_name#1a", "A"), "'client_name#1a': must be"},
		{"two languages", set("client_name#de#fr", "A"), "'client_name#de#fr': must be"},
		{"very long language", set("client_name#a"+strings.Repeat("-b", 40), "A"), "'client_name#a"},
		{"member that has no languages", set("scope#de", "A"), "'scope#de': must be"},
		{"one language in two cases", with(func(m *ClientMetadata) { // RFC 5646 §2.1.1: the same language
			m.Localized = map[string]string{"client_name#de": "A", "client_name#DE": "B"}
		}), "client_name#de: occurs more than once"},
		{"51 languages", with(func(m *ClientMetadata) { m.Localized = tags }), "at most 50 members with a language tag"},

		{"jwks beside jwks_uri", with(func(m *ClientMetadata) { // RFC 7591 §2
			m.JWKS, m.JWKSURI = json.RawMessage(`{"keys":[]}`), "https://a.example/jwks"
		}), "jwks: not allowed together with jwks_uri"},
		{"jwks without keys", jwks(`{}`), "jwks: must be a JSON object with a keys array"},
		{"jwks with keys as an object", jwks(`{"keys":{}}`), "jwks: must be a JSON object with a keys array"},
		{"jwks that is an array", jwks(`[]`), "jwks: must be a JSON object with a keys array"},
		{"jwks that is not JSON", jwks(`{`), "jwks: must be a JSON object with a keys array"},
		{"key that is a string", jwks(`{"keys":["x"]}`), "jwks: keys[0]: must be an object"},
		{"private key", jwks(`{"keys":[{"kty":"EC"},{"kty":"EC","d":"x"}]}`), "jwks: keys[1]: d: a part of a private or symmetric key"}, // would be stored and echoed
		{"symmetric key", jwks(`{"keys":[{"kty":"oct","k":"x"}]}`), "jwks: keys[0]: symmetric keys"},
		{"symmetric key without its value", jwks(`{"keys":[{"kty":"oct"}]}`), "jwks: keys[0]: symmetric keys"},
		{"a symmetric value in another key", jwks(`{"keys":[{"kty":"EC","k":"x"}]}`), "jwks: keys[0]: k: "},
		{"RSA: first prime", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","p":"x"}]}`), "jwks: keys[0]: p: "}, // n and p give d
		{"RSA: second prime", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","q":"x"}]}`), "jwks: keys[0]: q: "},
		{"RSA: first exponent", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","dp":"x"}]}`), "jwks: keys[0]: dp: "},
		{"RSA: second exponent", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","dq":"x"}]}`), "jwks: keys[0]: dq: "},
		{"RSA: coefficient", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","qi":"x"}]}`), "jwks: keys[0]: qi: "},
		{"RSA: other primes", jwks(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","oth":[]}]}`), "jwks: keys[0]: oth: "},
		{"OKP: private key", jwks(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"a","d":"x"}]}`), "jwks: keys[0]: d: "},
		{"AKP: private key", jwks(`{"keys":[{"kty":"AKP","alg":"ML-DSA-44","pub":"a","priv":"x"}]}`), "jwks: keys[0]: priv: "},
		{"no kty", jwks(`{"keys":[{"n":"AQ","e":"AQAB"}]}`), "jwks: keys[0]: kty: required"},
		{"empty kty", jwks(`{"keys":[{"kty":"","n":"AQ"}]}`), "jwks: keys[0]: kty: required"},
		{"a value that is no text", jwks(`{"keys":[{"kty":"EC","x":{"d":"x"}}]}`), "jwks: keys[0]: x: must be a string"},
		{"a list of other values", jwks(`{"keys":[{"kty":"EC","x5c":[{"d":"x"}]}]}`), "jwks: keys[0]: x5c: must be an array of strings"},
		{"kty is no text", jwks(`{"keys":[{"kty":1}]}`), "jwks: keys[0]: kty: required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := validate(tt.m)
			e := refusal(t, err)
			if e.Code != InvalidClientMetadata || !strings.HasPrefix(e.Description, tt.text) {
				t.Errorf("got %v, want %s with %q", e, InvalidClientMetadata, tt.text)
			}
			checkDescription(t, e)
		})
	}
}

func TestValidateMakesJWKSCanonical(t *testing.T) {
	got, err := validate(with(func(m *ClientMetadata) {
		m.JWKS = json.RawMessage(" { \"keys\" : [ {\"kty\":\"RSA\",\"e\":\"AQAB\"} ] } ")
	}))
	if want := `{"keys":[{"e":"AQAB","kty":"RSA"}]}`; err != nil || string(got.JWKS) != want {
		t.Errorf("jwks = %s, %v, want %s", got.JWKS, err, want)
	}
}

func TestValidateDropsAnUnknownApplicationType(t *testing.T) {
	got, err := validate(with(func(m *ClientMetadata) { m.ApplicationType = "service" }))
	if err != nil || got.ApplicationType != "" {
		t.Errorf("got %q, %v, want none", got.ApplicationType, err)
	}
}

func TestValidateDoesNotChangeItsArgument(t *testing.T) {
	in := ClientMetadata{
		RedirectURIs: []string{"https://a.example/", "https://a.example/"},
		GrantTypes:   []string{"implicit", "authorization_code"}, ResponseTypes: []string{"token", "code"},
		Scope: "b b", Contacts: []string{"a"}, JWKS: json.RawMessage(`{ "keys": [] }`), Localized: map[string]string{"client_name#de": ""},
	}
	before := fmt.Sprintf("%#v", in)
	got, err := validate(in)
	if err != nil {
		t.Fatal(err)
	}
	got.RedirectURIs[0], got.Contacts[0], got.GrantTypes[0], got.JWKS[0] = "x", "x", "x", 'x'
	if after := fmt.Sprintf("%#v", in); after != before {
		t.Errorf("argument after Validate:\n got %s\nwant %s", after, before)
	}
}

func TestCheckAuthMethod(t *testing.T) {
	tests := []struct {
		grant, method string
		ok            bool
	}{
		{GrantAuthorizationCode, AuthNone, true},
		{GrantAuthorizationCode, AuthSecretBasic, true},
		{GrantAuthorizationCode, AuthSecretPost, true},
		{GrantClientCredentials, AuthSecretBasic, true},
		{GrantClientCredentials, AuthSecretPost, true},
		{GrantClientCredentials, "", true},                 // absent means client_secret_basic
		{GrantClientCredentials, AuthNone, false},          // a client without a secret cannot authenticate
		{GrantAuthorizationCode, "private_key_jwt", false}, // Cognito's token endpoint does not have it
	}
	for _, tt := range tests {
		err := CheckAuthMethod(ClientMetadata{GrantTypes: []string{tt.grant}, TokenEndpointAuthMethod: tt.method})
		if tt.ok {
			if err != nil {
				t.Errorf("%s with %q: %v, want accepted", tt.grant, tt.method, err)
			}
			continue
		}
		if e := refusal(t, err); e.Code != InvalidClientMetadata || !strings.HasPrefix(e.Description, "token_endpoint_auth_method: ") {
			t.Errorf("%s with %q: %v, want %s naming the field", tt.grant, tt.method, e, InvalidClientMetadata)
		}
	}
}

// validate returns the metadata that Validate returns, and checks that its
// redirect URIs are parsed.
func validate(m ClientMetadata) (ClientMetadata, error) {
	v, err := Validate(m)
	if err == nil && !reflect.DeepEqual(Parse(v.ClientMetadata).Redirects, v.Redirects) {
		return v.ClientMetadata, fmt.Errorf("Redirects = %v for %q", v.Redirects, v.RedirectURIs)
	}
	return v.ClientMetadata, err
}

func TestParseKeepsWhatItCannotParse(t *testing.T) {
	m := ClientMetadata{RedirectURIs: []string{"https://a.example/cb", "javascript:alert(1)"}}
	got := Parse(m).Redirects
	if len(got) != 2 || got[0].Kind != HTTPS || got[0].Raw != m.RedirectURIs[0] || got[1] != (RedirectURI{Raw: m.RedirectURIs[1]}) {
		t.Errorf("Parse(%q).Redirects = %+v, want the first parsed and the second raw", m.RedirectURIs, got)
	}
}

// What is not a public member of a key is left out: a private part could be there.
func TestValidateKeepsOnlyPublicMembersOfKeys(t *testing.T) {
	for sent, want := range map[string]string{
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","use":"sig","alg":"RS256","kid":"1","x5u":"https://a.example","x5c":["A"],"x5t":"a","x5t#S256":"b","key_ops":["verify"]}]}`: "",
		`{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b"},{"kty":"OKP","crv":"Ed25519","x":"a"},{"kty":"AKP","alg":"ML-DSA-44","pub":"a"}]}`:                                "",
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","D":"x"}]}`:                                         `{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB","private":{"d":"x"},"seed":"x","exp":1e400}]}`:      `{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`,
		`{"keys":[{"kty":"EC","x":"a"}],"d":"x","private":{"keys":[{"kty":"EC","d":"x"}]},"keys2":[]}`: `{"keys":[{"kty":"EC","x":"a"}]}`,
		`{"keys":[]}`: "",
	} {
		if want == "" {
			want = sent
		}
		got, err := validate(with(func(m *ClientMetadata) { m.JWKS = json.RawMessage(sent) }))
		if err != nil || !sameJSON(t, got.JWKS, []byte(want)) {
			t.Errorf("jwks %s = %s, %v, want %s", sent, got.JWKS, err, want)
		}
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}
