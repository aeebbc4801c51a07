package dcr

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/must"
)

func full() ClientMetadata {
	return ClientMetadata{
		RedirectURIs:            []string{"https://a.example/cb?a=1&b=2"},
		TokenEndpointAuthMethod: AuthNone,
		GrantTypes:              []string{GrantAuthorizationCode, GrantRefreshToken},
		ResponseTypes:           []string{ResponseTypeCode},
		ClientName:              "A <B>",
		ClientURI:               "https://a.example",
		LogoURI:                 "https://a.example/logo",
		Scope:                   "read write",
		Contacts:                []string{"a@b.example"},
		TOSURI:                  "https://a.example/tos",
		PolicyURI:               "https://a.example/policy",
		JWKSURI:                 "https://a.example/jwks",
		JWKS:                    json.RawMessage(`{"keys":[]}`),
		SoftwareID:              "id",
		SoftwareVersion:         "1",
		ApplicationType:         ApplicationNative,
		Localized:               map[string]string{"client_name#fr": "Un", "client_name#de": "Ein"},
	}
}

func TestCloneSharesNothing(t *testing.T) {
	m := full()
	c := m.Clone()
	if !reflect.DeepEqual(c, m) {
		t.Fatalf("Clone() = %#v, want %#v", c, m)
	}
	c.RedirectURIs[0], c.GrantTypes[0], c.ResponseTypes[0], c.Contacts[0], c.JWKS[0] = "x", "x", "x", "x", 'x'
	c.Localized["client_name#fr"] = "x"
	if want := full(); !reflect.DeepEqual(m, want) {
		t.Errorf("the original became %#v, want %#v", m, want)
	}
}

func TestMetadataJSONIsCanonical(t *testing.T) {
	tests := []struct {
		name string
		m    ClientMetadata
		want string
	}{
		{"redirect_uris is always present", // clients need the array
			ClientMetadata{}, `{"redirect_uris":[]}`},
		{"client_credentials has no response types", // an absent member would mean code
			ClientMetadata{GrantTypes: []string{GrantClientCredentials}, TokenEndpointAuthMethod: AuthSecretPost},
			`{"grant_types":["client_credentials"],"redirect_uris":[],"response_types":[],"token_endpoint_auth_method":"client_secret_post"}`},
		{"alphabetical, languages included", full(),
			`{"application_type":"native","client_name":"A \u003cB\u003e","client_name#de":"Ein","client_name#fr":"Un",` +
				`"client_uri":"https://a.example","contacts":["a@b.example"],"grant_types":["authorization_code","refresh_token"],` +
				`"jwks":{"keys":[]},"jwks_uri":"https://a.example/jwks","logo_uri":"https://a.example/logo",` +
				`"policy_uri":"https://a.example/policy","redirect_uris":["https://a.example/cb?a=1\u0026b=2"],` +
				`"response_types":["code"],"scope":"read write","software_id":"id","software_version":"1",` +
				`"token_endpoint_auth_method":"none","tos_uri":"https://a.example/tos"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.m)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
			checkStable(t, tt.m)
			var back ClientMetadata
			if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, tt.m) {
				t.Errorf("read back: got %#v, %v\nwant %#v", back, err, tt.m)
			}
		})
	}
}

func TestMetadataUnmarshalHasNoSizeLimit(t *testing.T) {
	// '<' is six bytes in the canonical form, so the metadata of a request may
	// be longer than a request is allowed to be.
	m := ClientMetadata{ClientName: strings.Repeat("<", MaxBody/2)}
	b := must.Marshal(t, m)
	var back ClientMetadata
	if err := json.Unmarshal(b, &back); err != nil || back.ClientName != m.ClientName {
		t.Errorf("reading back %d bytes: %v, want the same metadata", len(b), err)
	}
}

func TestMetadataUnmarshalIsStrictAndAtomic(t *testing.T) {
	for _, body := range []string{
		`{"redirect_uris":["https://a.example/"],"redirect_uris":[]}`,
		`{"redirect_uris":"https://a.example/"}`,
		`null`,
	} {
		m := full()
		refusal(t, json.Unmarshal([]byte(body), &m))
		if want := full(); !reflect.DeepEqual(m, want) {
			t.Errorf("after %s the receiver is %#v, want %#v", body, m, want)
		}
	}
	m := ClientMetadata{ClientName: "old", Scope: "old"}
	if err := json.Unmarshal([]byte(`{"client_name":"new","SCOPE":"x"}`), &m); err != nil || !reflect.DeepEqual(m, ClientMetadata{ClientName: "new"}) {
		t.Errorf("got %#v, %v, want only the new members", m, err)
	}
}

func TestClientInformationJSON(t *testing.T) {
	issued := time.Unix(1760000000, 999)
	tests := []struct {
		name string
		c    ClientInformation
		want string
	}{
		{"public client: no secret and no expiry",
			ClientInformation{ClientID: "c", IssuedAt: issued, RegistrationAccessToken: "t", RegistrationClientURI: "https://as.example/register/c",
				Metadata: ClientMetadata{RedirectURIs: []string{"https://a.example/"}, TokenEndpointAuthMethod: AuthNone}},
			`{"client_id":"c","client_id_issued_at":1760000000,"redirect_uris":["https://a.example/"],"registration_access_token":"t",` +
				`"registration_client_uri":"https://as.example/register/c","token_endpoint_auth_method":"none"}`},
		{"confidential client: client_secret_expires_at is 0", // RFC 7591 §3.2.1; omitempty would drop the 0
			ClientInformation{ClientID: "c", ClientSecret: "s", Metadata: ClientMetadata{GrantTypes: []string{GrantClientCredentials}, TokenEndpointAuthMethod: AuthSecretBasic}},
			`{"client_id":"c","client_secret":"s","client_secret_expires_at":0,"grant_types":["client_credentials"],"redirect_uris":[],` +
				`"response_types":[],"token_endpoint_auth_method":"client_secret_basic"}`},
		{"confidential client that is read: without the secret, with its expiry", // RFC 7592 §3
			ClientInformation{ClientID: "c", Metadata: ClientMetadata{RedirectURIs: []string{"https://a.example/"}, TokenEndpointAuthMethod: AuthSecretPost}},
			`{"client_id":"c","client_secret_expires_at":0,"redirect_uris":["https://a.example/"],"token_endpoint_auth_method":"client_secret_post"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(tt.c)
			if err != nil || string(got) != tt.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tt.want)
			}
		})
	}
}

func TestClientInformationReturnsAllThatWasRegistered(t *testing.T) {
	// RFC 7591 §3.2.1: all registered metadata.
	b := must.Marshal(t, ClientInformation{ClientID: "c", Metadata: full()})
	r, err := Decode(b)
	if err != nil || !reflect.DeepEqual(r.Metadata, full()) {
		t.Errorf("got %#v, %v\nwant %#v", r.Metadata, err, full())
	}
}

func TestClientInformationKeepsItsSecretsOutOfLogs(t *testing.T) {
	c := &ClientInformation{ClientID: "c", ClientSecret: "hunter2", RegistrationAccessToken: "hunter2"}
	checkRedacted(t, c, "hunter2")
	checkRedacted(t, *c, "hunter2")
}
