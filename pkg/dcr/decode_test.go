package dcr

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// bodies returns the registration requests of well-known clients.
func bodies(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../testdata/registrations/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no registration bodies found: %v", err)
	}
	m := make(map[string][]byte)
	for _, f := range files {
		b := must.ReadFile(t, f)
		m[strings.TrimSuffix(filepath.Base(f), ".json")] = b
	}
	return m
}

// refusal returns err as an *Error and fails the test if it is another error.
func refusal(t testing.TB, err error) *Error {
	t.Helper()
	if err == nil {
		t.Fatal("accepted, want a refusal")
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want *Error", err, err)
	}
	return e
}

func TestDecodeReadsEveryMember(t *testing.T) {
	body := `{
		"redirect_uris": ["https://client.example.org/callback"],
		"token_endpoint_auth_method": "client_secret_basic",
		"grant_types": ["authorization_code"],
		"response_types": ["code"],
		"client_name": "My Client",
		"client_name#ja-Jpan-JP": "クライアント名",
		"client_uri": "https://client.example.org",
		"client_uri#de": "https://client.example.org/de",
		"logo_uri": "https://client.example.org/logo.png",
		"scope": "read write",
		"contacts": ["ops@example.org"],
		"tos_uri": "https://client.example.org/tos",
		"policy_uri": "https://client.example.org/policy",
		"jwks": {"keys": [{"kty":"EC","x":"a<b","n":1.50}], "a": true},
		"jwks_uri": "https://client.example.org/jwks",
		"software_id": "4NRB1-0XZABZI9E6-5SM3R",
		"software_version": "2.1",
		"application_type": "web",
		"software_statement": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
		"client_id": "id", "client_secret": "secret",
		"example_extension_parameter": {"deep": [1, {"x": null}]}
	}`
	want := &Request{
		Metadata: ClientMetadata{
			RedirectURIs:            []string{"https://client.example.org/callback"},
			TokenEndpointAuthMethod: AuthSecretBasic,
			GrantTypes:              []string{GrantAuthorizationCode},
			ResponseTypes:           []string{ResponseTypeCode},
			ClientName:              "My Client",
			ClientURI:               "https://client.example.org",
			LogoURI:                 "https://client.example.org/logo.png",
			Scope:                   "read write",
			Contacts:                []string{"ops@example.org"},
			TOSURI:                  "https://client.example.org/tos",
			PolicyURI:               "https://client.example.org/policy",
			JWKSURI:                 "https://client.example.org/jwks",
			JWKS:                    json.RawMessage(`{"a":true,"keys":[{"kty":"EC","n":1.50,"x":"a\u003cb"}]}`),
			SoftwareID:              "4NRB1-0XZABZI9E6-5SM3R",
			SoftwareVersion:         "2.1",
			ApplicationType:         ApplicationWeb,
			Localized: map[string]string{
				"client_name#ja-Jpan-JP": "クライアント名",
				"client_uri#de":          "https://client.example.org/de",
			},
		},
		SoftwareStatement: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
		ClientID:          "id",
		ClientSecret:      "secret",
	}
	got, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Decode:\n got %#v\nwant %#v", got.Metadata, want.Metadata)
	}
}

func TestDecodeIsLiberal(t *testing.T) {
	uri := ClientMetadata{RedirectURIs: []string{"https://a.example/cb"}}
	tests := []struct {
		name, body string
		want       ClientMetadata
	}{
		{"name in capitals is another member",
			// encoding/json matches without regard to case, so the second one
			// would win.
			`{"redirect_uris":["https://a.example/cb"],"REDIRECT_URIS":["https://evil.example/cb"]}`, uri},
		{"name with a character that folds to ASCII is another member",
			// U+017F folds to s, so encoding/json would match it.
			"{\"redirect_uris\":[\"https://a.example/cb\"],\"redirect_uri\u017f\":[\"https://evil.example/cb\"]}", uri},
		{"null is absent", // clients that use Zod send it for absent members
			`{"redirect_uris":["https://a.example/cb"],"grant_types":null,"client_name":null,"jwks":null,"client_name#de":null,"software_statement":null,"client_id":null}`, uri},
		{"empty string is absent", // MCP Inspector and Gemini CLI: "scope":""
			`{"redirect_uris":["https://a.example/cb"],"scope":"","client_uri":"","grant_types":"","contacts":"","jwks":"","logo_uri#fr":"","software_statement":""}`, uri},
		{"empty strings in arrays are left out",
			`{"redirect_uris":["https://a.example/cb"],"contacts":[""],"grant_types":["",""]}`, uri},
		{"unknown members of any type", // RFC 7591 §2
			`{"redirect_uris":["https://a.example/cb"],"default_max_age":10,"id_token_signed_response_alg":["x"],"post_logout_redirect_uris":{"a":1},"require_auth_time":true}`, uri},
		{"language tag on another member is an unknown member",
			`{"redirect_uris":["https://a.example/cb"],"scope#en":5}`, uri},
		{"no members", `{}`, ClientMetadata{}},
		{"white space around the object", " \t\r\n{}\n", ClientMetadata{}},
		{"escaped name is the same name", `{"client\u005fname":"A"}`, ClientMetadata{ClientName: "A"}},
		{"escaped surrogate pair is one character", `{"client_name":"\ud83d\ude00\u00e9\\ud800"}`, ClientMetadata{ClientName: "\U0001F600é\\ud800"}},
		{"same name in different objects", `{"x":[{"a":1},{"a":1}],"a":{"x":1}}`, ClientMetadata{}},
		{"nesting at the limit", strings.Replace(`{"x":@}`, "@", strings.Repeat("[", maxDepth-1)+strings.Repeat("]", maxDepth-1), 1), ClientMetadata{}},
		{"brackets in strings do not nest", `{"x":"` + strings.Repeat(`[{\"`, 40) + `"}`, ClientMetadata{}},
		{"body at the limit", `{"x":"` + strings.Repeat("a", MaxBody-8) + `"}`, ClientMetadata{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decode([]byte(tt.body))
			if err != nil {
				t.Fatalf("Decode(%.200s): %v", tt.body, err)
			}
			if !reflect.DeepEqual(got.Metadata, tt.want) {
				t.Errorf("Decode(%.200s)\n got %#v\nwant %#v", tt.body, got.Metadata, tt.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	tests := []struct {
		name, body string
		code       Code
		text       string // part of the description: the field or the fault
	}{
		{"nothing", "", InvalidClientMetadata, "empty"},
		{"only white space", " \n", InvalidClientMetadata, "empty"},
		{"not JSON", "redirect_uris=https%3A%2F%2Fa.example", InvalidClientMetadata, "not valid JSON"},
		{"cut off", `{"client_name":"A"`, InvalidClientMetadata, "not valid JSON"},
		{"trailing data", `{} {}`, InvalidClientMetadata, "not valid JSON"}, // a decoder that stops early would miss it
		{"trailing comma", `{"client_name":"A",}`, InvalidClientMetadata, "not valid JSON"},
		{"an array", `[{}]`, InvalidClientMetadata, "must be a JSON object, not an array"},
		{"null", `null`, InvalidClientMetadata, "must be a JSON object, not null"},
		{"a number", `1e999`, InvalidClientMetadata, "must be a JSON object, not a number"},
		{"a boolean", `true`, InvalidClientMetadata, "must be a JSON object, not a boolean"},
		{"byte order mark", "\xef\xbb\xbf{}", InvalidClientMetadata, "byte order mark"},
		{"UTF-16", "\xff\xfe{\x00}\x00", InvalidClientMetadata, "not UTF-8"},
		{"invalid UTF-8 in a value", "{\"client_name\":\"a\xff\"}", InvalidClientMetadata, "not UTF-8"},
		{"invalid UTF-8 in an unknown name", "{\"x\xc0\":1}", InvalidClientMetadata, "not UTF-8"},
		{"high surrogate alone", `{"client_name":"\ud800"}`, InvalidClientMetadata, "surrogate"},
		{"high surrogate before another character", `{"client_name":"\ud800\u0041"}`, InvalidClientMetadata, "surrogate"},
		{"low surrogate first", `{"client_name":"\udc00\ud800"}`, InvalidClientMetadata, "surrogate"},
		{"escape cut off", `{"client_name":"\u00`, InvalidClientMetadata, "not valid JSON"},
		{"backslash at the end", `{"client_name":"\`, InvalidClientMetadata, "not valid JSON"},
		{"control character in a string", "{\"client_name\":\"a\nb\"}", InvalidClientMetadata, "not valid JSON"},

		// encoding/json uses the last of two equal names; a filter in front of
		// the broker may use the first.
		{"duplicate name", `{"redirect_uris":["https://a.example/cb"],"redirect_uris":["https://b.example/cb"]}`, InvalidClientMetadata, "'redirect_uris' occurs more than once"},
		{"duplicate name, one escaped", `{"client_name":"A","client\u005fname":"B"}`, InvalidClientMetadata, "'client_name' occurs more than once"},
		{"duplicate name, first null", `{"scope":null,"scope":"a"}`, InvalidClientMetadata, "'scope'"},
		{"duplicate unknown name", `{"x":1,"x":1}`, InvalidClientMetadata, "'x'"},
		{"duplicate name deep in an unknown member", `{"x":[[{"y":{"z":1,"z":2}}]]}`, InvalidClientMetadata, "'z'"},
		{"duplicate name in jwks", `{"jwks":{"keys":[],"keys":[]}}`, InvalidClientMetadata, "'keys'"},
		{"duplicate empty name", `{"":1,"":2}`, InvalidClientMetadata, "''"},
		{"duplicate name in any script", `{"名":1,"名":2}`, InvalidClientMetadata, "'?'"},

		{"nesting beyond the limit", deep(maxDepth + 1), InvalidClientMetadata, "nested deeper than 16"},
		{"nesting that would exhaust a stack", strings.Repeat("[", MaxBody), InvalidClientMetadata, "nested deeper"},
		{"too long", `{"x":"` + strings.Repeat("a", MaxBody-7) + `"}`, PayloadTooLarge, "65536 bytes"},

		{"redirect_uris as a string", `{"redirect_uris":"https://a.example/cb"}`, InvalidRedirectURI, "redirect_uris: must be an array of strings, not a string"},
		{"redirect_uris as an object", `{"redirect_uris":{}}`, InvalidRedirectURI, "redirect_uris: must be an array of strings, not an object"},
		{"redirect_uris with a number", `{"redirect_uris":["https://a.example/cb",1]}`, InvalidRedirectURI, "redirect_uris[1]: must be a string, not a number"},
		{"redirect_uris with null", `{"redirect_uris":[null]}`, InvalidRedirectURI, "redirect_uris[0]: must be a string, not null"},
		{"redirect_uris with an empty string", `{"redirect_uris":[""]}`, InvalidRedirectURI, "redirect_uris[0]: must not be empty"},
		{"grant_types as a string", `{"grant_types":"authorization_code"}`, InvalidClientMetadata, "grant_types: must be an array"},
		{"response_types with an array", `{"response_types":[["code"]]}`, InvalidClientMetadata, "response_types[0]: must be a string, not an array"},
		{"contacts with null", `{"contacts":[null]}`, InvalidClientMetadata, "contacts[0]: must be a string, not null"},
		{"scope as an array", `{"scope":["a"]}`, InvalidClientMetadata, "scope: must be one string of values separated by spaces"},
		{"client_name as a number", `{"client_name":1}`, InvalidClientMetadata, "client_name: must be a string, not a number"},
		{"token_endpoint_auth_method as a boolean", `{"token_endpoint_auth_method":false}`, InvalidClientMetadata, "token_endpoint_auth_method: must be a string, not a boolean"},
		{"jwks as a string", `{"jwks":"{}"}`, InvalidClientMetadata, "jwks: must be an object"}, // as the MCP go-sdk types it
		{"localised name as an object", `{"client_name#de":{}}`, InvalidClientMetadata, "client_name#de: must be a string, not an object"},
		{"client_id as a number", `{"client_id":1}`, InvalidClientMetadata, "client_id: must be a string"},
		{"client_secret as an array", `{"client_secret":[]}`, InvalidClientMetadata, "client_secret: must be a string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode([]byte(tt.body))
			e := refusal(t, err)
			if e.Code != tt.code || !strings.Contains(e.Description, tt.text) {
				t.Errorf("Decode(%.100q) = %v, want %s with %q", tt.body, e, tt.code, tt.text)
			}
			checkDescription(t, e)
		})
	}
}

func TestDecodeChecksTheShapeOfASoftwareStatement(t *testing.T) {
	for _, good := range []string{`"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"`, `"a-_w.e30.AA"`} {
		if _, err := Decode([]byte(`{"software_statement":` + good + `}`)); err != nil {
			t.Errorf("software_statement %s: %v, want accepted", good, err)
		}
	}
	for _, bad := range []string{
		`1`, `{"payload":"","signatures":[]}`, // the JSON serialisation of RFC 7515 §7.2
		`"x"`, `"a.b"`, `"e30.e30.e30.e30.e30"`, // five parts: encrypted
		`"e30.e30."`,           // alg none: a statement has to be signed
		`"e30=.e30.c2ln"`,      // padded
		`"e30.e+0.c2ln"`,       // base64, not base64url
		`"e30.e30.c2ln\n"`,     // base64 decoders skip line ends
		`"e30.e30.c2\u006cn "`, // white space
	} {
		_, err := Decode([]byte(`{"software_statement":` + bad + `}`))
		if e := refusal(t, err); e.Code != InvalidSoftwareStatement || !strings.HasPrefix(e.Description, "software_statement: ") {
			t.Errorf("software_statement %s: %v, want %s", bad, e, InvalidSoftwareStatement)
		}
	}
}

func TestDecodeNamesForbiddenMembersOfAnUpdate(t *testing.T) {
	// A client that sends its client information back as an update sends all of
	// them.
	body := `{"client_id":"c","client_secret_expires_at":0,"registration_access_token":"t",
		"registration_client_uri":"https://as.example/register/c","client_id_issued_at":1}`
	r, err := Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}
	if !slices.Equal(r.Forbidden, want) {
		t.Errorf("Forbidden = %q, want %q", r.Forbidden, want)
	}
	if r, err = Decode([]byte(`{"registration_access_token":null,"registration_client_uri":"","client_id":"c"}`)); err != nil || len(r.Forbidden) > 0 {
		t.Errorf("absent members: Forbidden = %q, %v, want none", r.Forbidden, err)
	}
}

func TestRequestKeepsItsSecretOutOfLogs(t *testing.T) {
	r := &Request{ClientSecret: "hunter2"}
	checkRedacted(t, r, "hunter2")
	checkRedacted(t, *r, "hunter2")
	checkRedacted(t, map[string]any{"r": []Request{*r}}, "hunter2")
}

// checkRedacted prints v in all the ways in which a program may print it
// accidentally.
func checkRedacted(t *testing.T, v any, secret string) {
	t.Helper()
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	if _, ok := v.(slog.LogValuer); ok { // inside other values slog's JSON handler uses MarshalJSON
		slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	}
	if strings.Contains(b.String(), secret) {
		t.Errorf("%T shows its secret:\n%s", v, b.String())
	}
}

// FuzzDecode: any bytes give an *Error or a Request whose metadata has one
// stable JSON form, before and after validation.
func FuzzDecode(f *testing.F) {
	for _, b := range bodies(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := Decode(body)
		if err != nil {
			checkDescription(t, refusal(t, err))
			return
		}
		checkStable(t, r.Metadata)
		m, err := validate(r.Metadata)
		if err != nil {
			checkDescription(t, refusal(t, err))
			return
		}
		checkStable(t, m)
		again, err := validate(m)
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("Validate of its own result:\n got %#v, %v\nwant %#v", again, err, m)
		}
	})
}

// checkStable checks that m survives its JSON form, and that this form has
// neither nulls nor empty strings.
func checkStable(t *testing.T, m ClientMetadata) {
	t.Helper()
	first := must.Marshal(t, m)
	var decoded ClientMetadata
	if err := json.Unmarshal(first, &decoded); err != nil {
		t.Fatalf("UnmarshalJSON(%s): %v", first, err)
	}
	second := must.Marshal(t, decoded)
	if string(first) != string(second) {
		t.Errorf("encoded again:\n got %s\nwant %s", second, first)
	}
	var o map[string]json.RawMessage
	if err := json.Unmarshal(first, &o); err != nil {
		t.Fatal(err)
	}
	for name, v := range o {
		if s := string(v); s == "null" || s == `""` {
			t.Errorf("member %q is %s, want it absent", name, s)
		}
	}
	if s := string(o["redirect_uris"]); !strings.HasPrefix(s, "[") {
		t.Errorf("redirect_uris is %s, want an array", s)
	}
}
