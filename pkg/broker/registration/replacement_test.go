package registration_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// members are the members of a response, as the client reads them.
func members(t *testing.T, info *dcr.ClientInformation) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(world.MustJSON(t, info)), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// notInAnUpdate are the members that a PUT must not have (RFC 7592 §2.2).
func notInAnUpdate(name string, _ any) bool {
	return slices.Contains([]string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"}, name)
}

// A PUT has all metadata as the server last returned them (RFC 7592 §2.2).
func TestUpdateWithTheReadMetadataChangesNothing(t *testing.T) {
	for name, body := range map[string]string{
		"public": world.PublicBody, "confidential": world.ConfidentialBody, "machine": world.MachineBody,
		"with every member": `{"client_name":"A","client_name#de":"Ein <A> & Co","redirect_uris":["http://localhost:1/a?b=c","https://app.example.com/cb"],
			"client_uri":"https://app.example.com","logo_uri":"https://app.example.com/l","tos_uri":"https://app.example.com/t","policy_uri":"https://app.example.com/p",
			"contacts":["ops@example.com"],"jwks":{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]},"software_id":"s","software_version":"1","application_type":"web",
			"scope":"mcp/read","token_endpoint_auth_method":"client_secret_post"}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := world.New(t)
			iat, _ := w.Token("trusted", 1)
			info, tok := w.MustRegister(body, iat)
			read, err := w.Read(t.Context(), info.ClientID, tok)
			if err != nil {
				t.Fatal(err)
			}
			before := members(t, read)
			sent := maps.Clone(before)
			maps.DeleteFunc(sent, notInAnUpdate)
			changed, err := w.Update(t.Context(), info.ClientID, tok, world.Request(t, world.MustJSON(t, sent)))
			if err != nil {
				t.Fatalf("PUT of %s: %v", world.MustJSON(t, sent), err)
			}
			after := members(t, changed)
			delete(before, "registration_access_token")
			delete(after, "registration_access_token")
			if got, want := world.MustJSON(t, after), world.MustJSON(t, before); got != want {
				t.Errorf("after the PUT\n got %s\nwant %s", got, want)
			}
			w.CheckConsistent()
		})
	}
}

// A PUT replaces the members that it has and deletes the others (RFC 7592
// §2.2).
func TestUpdateDeletesAbsentMembers(t *testing.T) {
	w := world.New(t)
	body := `{"client_name":"A","client_name#de":"Ein A","client_uri":"https://a.example","contacts":["a@example.com"],
		"redirect_uris":["http://localhost:1/cb","http://localhost:2/cb"],"software_id":"s"}`
	info, tok := w.MustRegister(body, credential.Token{})
	changed, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, `{"redirect_uris":["http://localhost:2/cb"],"client_uri":null,"contacts":[]}`, info.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"grant_types":["authorization_code","refresh_token"],"redirect_uris":["http://localhost:2/cb"],"response_types":["code"],` +
		`"scope":"openid mcp/read mcp/write","token_endpoint_auth_method":"none"}`
	if got := world.MustJSON(t, changed.Metadata); got != want {
		t.Errorf("registered\n got %s\nwant %s", got, want)
	}
	w.CheckConsistent()
}

// Only one response has the secret (docs/adr/0005-client-secrets.md), so that a
// leaked registration access token does not give it away.
func TestTheSecretIsInOneResponse(t *testing.T) {
	w := world.New(t)
	iat, _ := w.Token("trusted", 1)
	info, tok := w.MustRegister(world.ConfidentialBody, iat)
	read, err := w.Read(t.Context(), info.ClientID, tok)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.ConfidentialBody, info.ClientID))
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]*dcr.ClientInformation{"read": read, "update": changed} {
		if s := world.MustJSON(t, got); strings.Contains(s, info.ClientSecret) || !strings.Contains(s, `"client_secret_expires_at":0`) {
			t.Errorf("%s has the secret, or not its expiry (RFC 7592 section 3): %s", what, s)
		}
	}
	for r, err := range w.Inner.ListAllRegistrations(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if s := world.MustJSON(t, r); strings.Contains(s, info.ClientSecret) || strings.Contains(s, info.RegistrationAccessToken) {
			t.Errorf("stored with a secret: %s", s)
		}
	}
}

// Each kind of token works only at its own endpoint.
func TestInitialAccessTokensManageNothing(t *testing.T) {
	w := world.New(t)
	iat, _ := w.Token("trusted", 0)
	info, _ := w.MustRegister(world.ConfidentialBody, iat)
	_, err := w.Read(t.Context(), info.ClientID, iat)
	world.WantCode(t, "Read", err, dcr.InvalidToken)
	_, err = w.Update(t.Context(), info.ClientID, iat, world.Update(t, world.ConfidentialBody, info.ClientID))
	world.WantCode(t, "Update", err, dcr.InvalidToken)
	world.WantCode(t, "Delete", w.Delete(t.Context(), info.ClientID, iat), dcr.InvalidToken)
	w.CheckConsistent()
}

// RFC 7592 §5: a client whose token expired could not even delete itself.
func TestRegistrationAccessTokensDoNotExpire(t *testing.T) {
	w := world.New(t)
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	w.Wait(10 * 365 * 24 * time.Hour)
	if _, err := w.Read(t.Context(), info.ClientID, tok); err != nil {
		t.Errorf("Read after ten years: %v", err)
	}
}

// A server may ignore software statements (RFC 7591 §3.1.1). Their claims must
// then change nothing, and the answer must not contain the statement.
func TestSoftwareStatementsAreIgnored(t *testing.T) {
	// {"alg":"RS256"} . {"iss":"x","client_name":"Claude","redirect_uris":["https://evil.example/cb"],"scope":"all"}
	const statement = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4IiwiY2xpZW50X25hbWUiOiJDbGF1ZGUiLCJyZWRpcmVjdF91cmlzIjpbImh0dHBzOi8vZXZpbC5leGFtcGxlL2NiIl0sInNjb3BlIjoiYWxsIn0.c2ln"
	w := world.New(t)
	without, _ := w.MustRegister(`{"client_name":"A","redirect_uris":["http://localhost:1/cb"]}`, credential.Token{})
	with, _ := w.MustRegister(`{"client_name":"A","redirect_uris":["http://localhost:1/cb"],"software_statement":"`+statement+`"}`, credential.Token{})
	if got, want := world.MustJSON(t, with.Metadata), world.MustJSON(t, without.Metadata); got != want {
		t.Errorf("with a statement\n got %s\nwant %s", got, want)
	}
	if m := members(t, with); m["software_statement"] != nil {
		t.Errorf("software_statement = %v, want none", m["software_statement"])
	}
}
