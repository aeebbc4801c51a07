package token_test

import (
	"net/url"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The broker uses the secrets of its own app clients only for itself. A request
// with the id of an app client, which every access token contains, is not from a
// registered client.
func TestSecretOfAnAppClientIsNotUsedForOthers(t *testing.T) {
	s := newStack(t)
	c := s.public()
	g, code := s.code(c)
	up := s.cognitoTokens()[0]
	app := s.app(shared)
	asked := s.cognito.Calls("token")
	for _, form := range []string{
		codeForm(code), refreshForm(up), "grant_type=client_credentials", "grant_type=client_credentials&scope=" + url.QueryEscape(notes+"/write"),
	} {
		s.post("/token", "", form+"&client_id="+app.ID).want(401, "invalid_client")
		s.post("/token", basic(app.ID, ""), form).want(401, "invalid_client")
		s.post("/token", basic(app.ID, app.Secret), form).want(401, "invalid_client")
	}
	s.post("/revoke", "", "token="+up+"&client_id="+app.ID).want(401, "invalid_client")
	s.post("/introspect", basic(app.ID, app.Secret), "token="+up).want(401, "invalid_client")
	if got := s.cognito.Calls("token"); got != asked {
		t.Errorf("Cognito got %d requests, want 0", got-asked)
	}
	s.wantStands(g.ID)
}

// Text that is sealed for one grant cannot be opened in another one. An
// attacker who can write the table can therefore not refresh the tokens of
// another user for the attacker's client.
func TestSealedTokensCannotBeMovedToAnotherGrant(t *testing.T) {
	s := newStack(t)
	victim, thief := s.public(), s.public()
	g, _ := s.authorized(victim)
	own, mine := s.authorized(thief)
	row := s.Grant(own.ID)
	stolen := s.Grant(g.ID)
	tokens := row.TokensID
	row.TokensID = stolen.TokensID
	if err := s.Inner.ReplaceGrant(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	asked := s.cognito.Calls("token")
	s.as(thief, "/token", refreshForm(mine.text("refresh_token"))).want(503, "temporarily_unavailable")
	if got := s.cognito.Calls("token"); got != asked {
		t.Errorf("Cognito got %d requests, want 0", got-asked)
	}
	// With its own tokens the grant works again.
	row = s.Grant(own.ID)
	row.TokensID = tokens
	if err := s.Inner.ReplaceGrant(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	s.as(thief, "/token", refreshForm(mine.text("refresh_token"))).want(200, "")
}

// Nothing that the table stores works as a token: no hash and no id.
func TestNothingInTheTableWorksAsAToken(t *testing.T) {
	s := newStack(t)
	c := s.register(dcr.AuthSecretBasic)
	g, first := s.authorized(c)
	row := s.Grant(g.ID)
	stored, err := s.Inner.Tokens(t.Context(), row.TokensID)
	if err != nil {
		t.Fatal(err)
	}
	for _, held := range []string{row.ID, stored.Code.Hash.String(), row.Live[0].String(), row.TokensID, "dcr_rt_" + row.ID + row.Live[0].String()} {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held}}
		s.as(c, "/token", form.Encode()).want(400, "invalid_grant")
		form = url.Values{"grant_type": {"authorization_code"}, "code": {held}, "code_verifier": {verifier}, "redirect_uri": {redirect}}
		s.as(c, "/token", form.Encode()).want(400, "invalid_grant")
	}
	s.post("/token", basic(c.ClientID, c.SecretHash.String()), refreshForm(first.text("refresh_token"))).want(401, "invalid_client")
	s.wantStands(g.ID)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(200, "")
}

// The token endpoint and introspection refuse the tokens of a client as soon as
// an operator disables it.
func TestTokensOfADisabledClientAreRefused(t *testing.T) {
	s := newStack(t)
	c := s.public()
	_, first := s.authorized(c)
	s.wantActive(first.text("access_token"), true)
	r := s.Registration(c.ClientID)
	r.State = broker.RegistrationDisabled
	if err := s.Inner.ReplaceRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.wantActive(first.text("access_token"), false)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "unauthorized_client")
	s.as(c, "/revoke", "token="+first.text("refresh_token")).want(400, "unauthorized_client")

	// An operator enables the client again. The registration then has another
	// generation, and the tokens of the former generation stay invalid.
	if err := s.Inner.DeleteRegistration(t.Context(), r.ClientID, r.Generation); err != nil {
		t.Fatal(err)
	}
	r.State, r.Generation = broker.RegistrationActive, credential.NewID()
	if err := s.Inner.CreateRegistration(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	s.wantActive(first.text("access_token"), false)
	s.as(c, "/token", refreshForm(first.text("refresh_token"))).want(400, "invalid_grant")
}
