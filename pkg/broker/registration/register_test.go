package registration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestRegister(t *testing.T) {
	t.Run("an open registration is a public client with the profile's scopes", func(t *testing.T) {
		w := world.New(t)
		info, _ := w.MustRegister(strings.Replace(world.PublicBody, `"none"`, `"client_secret_post"`, 1), credential.Token{})
		if info.ClientSecret != "" || info.Metadata.TokenEndpointAuthMethod != "none" {
			t.Errorf("secret %q, method %q, want a public client", info.ClientSecret, info.Metadata.TokenEndpointAuthMethod)
		}
		if want := "openid mcp/read mcp/write"; info.Metadata.Scope != want {
			t.Errorf("scope = %q, want %q", info.Metadata.Scope, want)
		}
		if want := "https://auth.example.com/register/" + info.ClientID; info.RegistrationClientURI != want {
			t.Errorf("registration_client_uri = %q, want %q", info.RegistrationClientURI, want)
		}
		if !strings.HasPrefix(info.RegistrationAccessToken, "dcr_rat_") {
			t.Errorf("registration_access_token = %q, want the prefix dcr_rat_", info.RegistrationAccessToken)
		}
		if !info.IssuedAt.Equal(world.Start) {
			t.Errorf("issued at %s, want %s", info.IssuedAt, world.Start)
		}
		w.CheckConsistent()
	})
	t.Run("with a token a client can have a secret", func(t *testing.T) {
		w := world.New(t)
		tok, id := w.Token("trusted", 2)
		info, _ := w.MustRegister(world.ConfidentialBody, tok)
		if info.ClientSecret == "" {
			t.Error("no client secret")
		}
		if n := w.Uses(id); n != 1 {
			t.Errorf("%d uses taken, want 1", n)
		}
		w.CheckConsistent()
	})
	t.Run("without open registration a token is required", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(strings.Replace(world.DirectPolicy, `"open_registration": "open"`, `"open_registration": null`, 1))
		_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), credential.Token{})
		world.WantCode(t, "Register", err, dcr.TokenRequired)
		w.CheckConsistent()
	})
	t.Run("tokens that do not vouch", func(t *testing.T) {
		w := world.New(t)
		spent, spentID := w.Token("trusted", 1)
		w.MustRegister(world.ConfidentialBody, spent)
		revoked, revokedID := w.Token("trusted", 0)
		if err := w.Inner.RevokeInitialAccessToken(t.Context(), revokedID, world.Start); err != nil {
			t.Fatal(err)
		}
		valid, _ := w.Token("trusted", 0)
		other, _ := w.Token("trusted", 0)
		mixed := valid.Reveal()[:len("dcr_iat_")+26] + other.Reveal()[len("dcr_iat_")+26:]
		gone, _ := w.Token("no-such-profile", 0)
		for _, tt := range []struct {
			name string
			tok  credential.Token
			want dcr.Code
			says string
		}{
			{"spent", spent, dcr.InvalidToken, "spent"},
			{"revoked", revoked, dcr.InvalidToken, "revoked"},
			{"not a token of the broker", credential.Presented("abc"), dcr.InvalidToken, "not valid"},
			{"a registration access token", credential.NewRegistrationAccessToken(), dcr.InvalidToken, "not valid"},
			{"the id of one and the secret of another", credential.Presented(mixed), dcr.InvalidToken, "not valid"},
			{"unknown id", credential.Presented("dcr_iat_" + strings.Repeat("a", 78)), dcr.InvalidToken, "not valid"},
			{"unknown profile", gone, dcr.InsufficientScope, "profile"},
		} {
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tt.tok)
			if e := world.WantCode(t, tt.name, err, tt.want); !strings.Contains(e.Description, tt.says) {
				t.Errorf("%s: description %q does not contain %q", tt.name, e.Description, tt.says)
			}
		}
		w.Wait(25 * time.Hour)
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), valid)
		if e := world.WantCode(t, "expired", err, dcr.InvalidToken); !strings.Contains(e.Description, "expired") {
			t.Errorf("description %q does not contain expired", e.Description)
		}
		if n := w.Uses(spentID); n != 1 {
			t.Errorf("%d uses of the spent token, want 1", n)
		}
		w.CheckConsistent()
	})
	t.Run("metadata that the token's profile does not allow is 403", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(`{"version":1,"profiles":{"web":{"redirect_uris":{"https":["https://app.example.com/cb"]},"token_endpoint_auth_methods":["none"]}}}`)
		tok, id := w.Token("web", 1)
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		world.WantCode(t, "Register", err, dcr.InsufficientScope)
		if n := w.Uses(id); n != 0 {
			t.Errorf("%d uses taken by a refusal, want 0", n)
		}
	})
}

func TestConcurrentRegistrationsOnALastUse(t *testing.T) {
	w := world.New(t)
	tok, id := w.Token("trusted", 1)
	made := world.AtOnce(t, 20, dcr.InvalidToken, func() error {
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		return err
	})
	if made != 1 || w.Uses(id) != 1 || len(w.Pool.All()) != 1 {
		t.Errorf("%d registered, %d uses, %d app clients, want 1 of each", made, w.Uses(id), len(w.Pool.All()))
	}
	w.CheckConsistent()
}

func TestLimits(t *testing.T) {
	limited := `{"version":1,"open_registration":"open","profiles":{"open":{
		"redirect_uris":{"presets":["claude"],"loopback":true},"limits":{%s}}}}`
	loopback := `{"redirect_uris":["http://localhost:1/cb"]}`

	t.Run("all app clients", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(strings.Replace(limited, "%s", `"app_clients":2`, 1))
		_, first := w.MustRegister(world.PublicBody, credential.Token{})
		w.MustRegister(world.PublicBody, credential.Token{})
		_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), credential.Token{})
		if e := world.WantCode(t, "third", err, dcr.TooManyRequests); e.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
		id := ""
		for clientID := range w.Pool.All() {
			if r, err := w.Read(t.Context(), clientID, first); err == nil {
				id = r.ClientID
			}
		}
		if err := w.Delete(t.Context(), id, first); err != nil {
			t.Fatal(err)
		}
		w.MustRegister(world.PublicBody, credential.Token{}) // the place is free again
		w.CheckConsistent()
	})
	t.Run("creations an hour, for each redirect rule", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(strings.Replace(limited, "%s", `"creations_per_hour":2`, 1))
		w.MustRegister(world.PublicBody, credential.Token{})
		w.MustRegister(world.PublicBody, credential.Token{})
		_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), credential.Token{})
		if e := world.WantCode(t, "third", err, dcr.TooManyRequests); e.RetryAfter != 30*time.Minute {
			t.Errorf("Retry-After = %s, want 30 minutes, the rest of the hour", e.RetryAfter)
		}
		w.MustRegister(loopback, credential.Token{}) // another rule has its own
		w.Wait(30 * time.Minute)
		w.MustRegister(world.PublicBody, credential.Token{})
		w.CheckConsistent()
	})
	t.Run("invented hosts share the budget of their pattern", func(t *testing.T) {
		w := world.New(t)
		w.UsePolicy(`{"version":1,"open_registration":"open","profiles":{"open":{
			"redirect_uris":{"https":["https://*.example.com/cb"],"loopback":true},"limits":{"creations_per_hour":10}}}}`)
		made := 0
		for i := range 40 {
			body := fmt.Sprintf(`{"redirect_uris":["https://h%d.example.com/cb"]}`, i)
			if _, err := w.Register(t.Context(), world.Request(t, body), credential.Token{}); err == nil {
				made++
			} else {
				world.WantCode(t, body, err, dcr.TooManyRequests)
			}
		}
		if made != 10 {
			t.Errorf("%d of 40 registrations passed, want 10", made)
		}
		w.MustRegister(loopback, credential.Token{}) // another rule has its own
		w.CheckConsistent()
	})
}
