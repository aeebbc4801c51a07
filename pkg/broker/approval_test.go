package broker_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestMetadataDigest(t *testing.T) {
	base := dcr.ClientMetadata{
		RedirectURIs: []string{"https://a.example/cb", "https://b.example/cb"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		TokenEndpointAuthMethod: "none", Scope: "mcp/read mcp/write", ClientName: "App", JWKSURI: "https://a.example/keys",
		Localized: map[string]string{"client_name#de": "Anwendung"},
	}
	for name, tt := range map[string]struct {
		change func(*dcr.ClientMetadata)
		same   bool
	}{
		"the same":                   {func(*dcr.ClientMetadata) {}, true},
		"redirect URIs reordered":    {func(m *dcr.ClientMetadata) { m.RedirectURIs = []string{"https://b.example/cb", "https://a.example/cb"} }, true},
		"scope reordered":            {func(m *dcr.ClientMetadata) { m.Scope = "mcp/write mcp/read" }, true},
		"another software version":   {func(m *dcr.ClientMetadata) { m.SoftwareVersion = "2" }, true},
		"another contact":            {func(m *dcr.ClientMetadata) { m.Contacts = []string{"ops@a.example"} }, true},
		"a redirect URI more":        {func(m *dcr.ClientMetadata) { m.RedirectURIs = append(m.RedirectURIs, "https://c.example/cb") }, false},
		"a redirect URI less":        {func(m *dcr.ClientMetadata) { m.RedirectURIs = m.RedirectURIs[:1] }, false},
		"two redirect URIs in one":   {func(m *dcr.ClientMetadata) { m.RedirectURIs = []string{`https://a.example/cb" "https://b.example/cb`} }, false},
		"another grant type":         {func(m *dcr.ClientMetadata) { m.GrantTypes = []string{"client_credentials"} }, false},
		"another method":             {func(m *dcr.ClientMetadata) { m.TokenEndpointAuthMethod = "client_secret_basic" }, false},
		"a scope less":               {func(m *dcr.ClientMetadata) { m.Scope = "mcp/read" }, false},
		"another name":               {func(m *dcr.ClientMetadata) { m.ClientName = "Bank" }, false},
		"another name in a language": {func(m *dcr.ClientMetadata) { m.Localized = map[string]string{"client_name#de": "Bank"} }, false},
		"another home page":          {func(m *dcr.ClientMetadata) { m.ClientURI = "https://bank.example" }, false},
		"another jwks_uri":           {func(m *dcr.ClientMetadata) { m.JWKSURI = "https://b.example/keys" }, false},
		"keys":                       {func(m *dcr.ClientMetadata) { m.JWKSURI, m.JWKS = "", json.RawMessage(`{"keys":[]}`) }, false},
		"name and method exchanged":  {func(m *dcr.ClientMetadata) { m.ClientName, m.TokenEndpointAuthMethod = "none", "App" }, false},
	} {
		m := base.Clone()
		tt.change(&m)
		if got := broker.MetadataDigest(m) == broker.MetadataDigest(base); got != tt.same {
			t.Errorf("%s: the same digest: %t, want %t", name, got, tt.same)
		}
	}
}

// A member of the metadata is either approved or known not to matter. A new one has
// to be one of the two.
func TestEachMemberIsApprovedOrLeftOut(t *testing.T) {
	leftOut := []string{"ResponseTypes", "LogoURI", "Contacts", "SoftwareID", "SoftwareVersion", "ApplicationType", "SoftwareStatement"}
	none := broker.MetadataDigest(dcr.ClientMetadata{})
	for i := range reflect.TypeFor[dcr.ClientMetadata]().NumField() {
		var m dcr.ClientMetadata
		name, value := reflect.TypeFor[dcr.ClientMetadata]().Field(i).Name, reflect.ValueOf(&m).Elem().Field(i)
		switch value.Interface().(type) {
		case string:
			value.SetString("x")
		case []string:
			value.Set(reflect.ValueOf([]string{"x"}))
		case json.RawMessage:
			value.Set(reflect.ValueOf(json.RawMessage(`{}`)))
		case map[string]string:
			value.Set(reflect.ValueOf(map[string]string{"client_name#de": "x"}))
		default:
			t.Fatalf("%s: a type that this test does not know", name)
		}
		if got, want := broker.MetadataDigest(m) == none, slices.Contains(leftOut, name); got != want {
			t.Errorf("%s: left out of the digest: %t, want %t", name, got, want)
		}
	}
}
