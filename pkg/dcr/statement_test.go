package dcr

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

func TestWithStatementTakesPrecedence(t *testing.T) {
	plain := ClientMetadata{
		RedirectURIs: []string{"https://evil.example/cb"}, ClientName: "Evil", ClientURI: "https://evil.example", Scope: "a", JWKS: json.RawMessage(`{"keys":[]}`),
		SoftwareID: "plain", Contacts: []string{"a@evil.example"}, SoftwareStatement: "x.y.z",
		Localized: map[string]string{"client_name#de": "Boese", "client_uri#de": "https://evil.example/de", "tos_uri#de": "https://evil.example/tos"},
	}
	before := plain.Clone()
	claims := map[string]any{
		"iss": "https://apps.example.com", "iat": json.Number("1"), "redirect_uris": []any{"https://app.example.com/cb"}, "client_name": "App",
		"client_name#fr": "Appli", "scope": "", "software_id": nil, "contacts": []any{}, "jwks_uri": "https://app.example.com/keys",
		"software_statement": "a.b.c", "client_id": json.Number("4"), "x": map[string]any{},
	}
	got, err := plain.WithStatement(claims)
	if err != nil {
		t.Fatal(err)
	}
	want := ClientMetadata{
		RedirectURIs: []string{"https://app.example.com/cb"}, ClientName: "App", ClientURI: "https://evil.example", Scope: "a", JWKSURI: "https://app.example.com/keys",
		SoftwareID: "plain", Contacts: []string{"a@evil.example"},
		// The German name of the request would replace the statement's name on
		// a German page.
		Localized: map[string]string{"client_name#fr": "Appli", "client_uri#de": "https://evil.example/de", "tos_uri#de": "https://evil.example/tos"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("WithStatement = %+v\nwant %+v", got, want)
	}
	if !reflect.DeepEqual(plain, before) {
		t.Errorf("the arguments have changed: %+v", plain)
	}
	keys, err := ClientMetadata{JWKSURI: "https://evil.example/keys"}.WithStatement(map[string]any{"jwks": map[string]any{"keys": []any{}}})
	if err != nil || keys.JWKSURI != "" || string(keys.JWKS) != `{"keys":[]}` {
		t.Errorf("stated jwks beside a plain jwks_uri = %+v, %v", keys, err)
	}
}

func TestWithStatementRefusesWrongTypes(t *testing.T) {
	for _, claims := range []map[string]any{
		{"redirect_uris": 1.0}, {"redirect_uris": []any{nil}}, {"client_name": true}, {"scope": []any{"a"}}, {"jwks": "x"}, {"client_name#de": []any{}},
	} {
		_, err := ClientMetadata{}.WithStatement(claims)
		if e := refusal(t, err); e.Code != InvalidSoftwareStatement || !strings.HasPrefix(e.Description, "software_statement: ") {
			t.Errorf("WithStatement(%v): %v, want invalid_software_statement", claims, err)
		}
	}
	_, err := ClientMetadata{}.WithStatement(map[string]any{"client_name": 1.0})
	if got, want := refusal(t, err).Description, "software_statement: client_name: must be a string, not a number"; got != want {
		t.Errorf("description %q, want %q", got, want)
	}
}

// A stored statement is read back. Decode does not put a client's statement
// into the metadata.
func TestSoftwareStatementIsStoredWithTheMetadata(t *testing.T) {
	m := ClientMetadata{RedirectURIs: []string{"https://a.example/cb"}, SoftwareStatement: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"}
	b := must.Marshal(t, m)
	var back ClientMetadata
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, m) {
		t.Errorf("%s comes back as %+v, %v", b, back, err)
	}
	answer, err := json.Marshal(ClientInformation{ClientID: "x", Metadata: m})
	if err != nil || !strings.Contains(string(answer), `"software_statement":"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"`) {
		t.Errorf("answer = %s, %v, want the statement in it", answer, err)
	}
	req, err := Decode(b)
	if err != nil || req.SoftwareStatement != m.SoftwareStatement || req.Metadata.SoftwareStatement != "" {
		t.Errorf("Decode = %#v, %v, want it only in the request", req, err)
	}
}
