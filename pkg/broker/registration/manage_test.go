package registration_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestManagementLifeCycle(t *testing.T) {
	w := world.New(t)
	ctx := t.Context()
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	id := info.ClientID

	read, err := w.Read(ctx, id, tok)
	if err != nil {
		t.Fatal(err)
	}
	if read.RegistrationAccessToken != tok.Reveal() || world.MustJSON(t, read.Metadata) != world.MustJSON(t, info.Metadata) {
		t.Errorf("Read = %s, want the registered metadata: %s", world.MustJSON(t, read), world.MustJSON(t, info))
	}

	changed, err := w.Update(ctx, id, tok, world.Update(t, world.PublicBody, id, "client_name", "Renamed"))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	if changed.Metadata.ClientName != "Renamed" || second == tok || second.IsZero() {
		t.Errorf("Update = %q with the same token: %t, want Renamed and a new token", changed.Metadata.ClientName, second == tok)
	}
	if got := w.Pool.All()[id].Metadata.ClientName; got != "Renamed" {
		t.Errorf("the app client is of %q, want Renamed", got)
	}

	// The answer to the update may have been lost: the old token still works.
	if _, err := w.Read(ctx, id, tok); err != nil {
		t.Errorf("old token before the new one is used: %v", err)
	}
	retried, err := w.Update(ctx, id, tok, world.Update(t, world.PublicBody, id, "client_name", "Renamed again"))
	if err != nil {
		t.Fatalf("update repeated with the old token: %v", err)
	}
	third := credential.Presented(retried.RegistrationAccessToken)
	_, err = w.Read(ctx, id, second)
	world.WantCode(t, "the token of the superseded answer", err, dcr.InvalidToken)

	if _, err := w.Read(ctx, id, third); err != nil {
		t.Errorf("new token: %v", err)
	}
	_, err = w.Read(ctx, id, tok)
	world.WantCode(t, "old token after the new one was used", err, dcr.InvalidToken)
	w.CheckConsistent()

	// A PUT that is refused is also a use of the token.
	changed, err = w.Update(ctx, id, third, world.Update(t, world.PublicBody, id))
	if err != nil {
		t.Fatal(err)
	}
	fourth := credential.Presented(changed.RegistrationAccessToken)
	_, err = w.Update(ctx, id, fourth, world.Update(t, world.PublicBody, id, "redirect_uris", []string{"https://evil.example/cb"}))
	world.WantCode(t, "refused update", err, dcr.InvalidRedirectURI)
	_, err = w.Read(ctx, id, third)
	world.WantCode(t, "old token after the new one was used for a refused update", err, dcr.InvalidToken)
	w.Store.Reset()
	_, err = w.Update(ctx, id, fourth, world.Update(t, world.PublicBody, id, "redirect_uris", []string{"https://evil.example/cb"}))
	world.WantCode(t, "refused update with the current token", err, dcr.InvalidRedirectURI)
	if n := w.Store.Calls("ReplaceRegistration"); n != 0 {
		t.Errorf("%d writes by a refused update with the current token, want none", n)
	}

	if err := w.Delete(ctx, id, fourth); err != nil {
		t.Fatal(err)
	}
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients after the deletion, want 0", n)
	}
	w.CheckConsistent()
}

// A token for another client, an unknown client and a deleted client get the
// same answer.
func TestManagementRevealsNothing(t *testing.T) {
	w := world.New(t)
	ctx := t.Context()
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	_, other := w.MustRegister(world.PublicBody, credential.Token{})
	deleted, deletedTok := w.MustRegister(world.PublicBody, credential.Token{})
	if err := w.Delete(ctx, deleted.ClientID, deletedTok); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, id string
		tok      credential.Token
		want     dcr.Code
	}{
		{"token of another client", info.ClientID, other, dcr.InvalidToken},
		{"unknown client", "nosuchclient", tok, dcr.InvalidToken},
		{"deleted client", deleted.ClientID, deletedTok, dcr.InvalidToken},
		{"an impossible client id", "no/such client", tok, dcr.InvalidToken},
		{"no client id", "", tok, dcr.InvalidToken},
		{"no token", info.ClientID, credential.Token{}, dcr.TokenRequired},
		{"no token, unknown client", "nosuchclient", credential.Token{}, dcr.TokenRequired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, readErr := w.Read(ctx, tt.id, tt.tok)
			read := world.WantCode(t, "Read", readErr, tt.want)
			_, updateErr := w.Update(ctx, tt.id, tt.tok, world.Update(t, world.PublicBody, tt.id))
			updated := world.WantCode(t, "Update", updateErr, tt.want)
			removed := world.WantCode(t, "Delete", w.Delete(ctx, tt.id, tt.tok), tt.want)
			if *read != *updated || *read != *removed {
				t.Errorf("answers differ: %v, %v, %v", read, updated, removed)
			}
			_, err := w.Read(ctx, info.ClientID, other)
			if tt.want == dcr.InvalidToken && *read != *world.WantCode(t, "Read", err, dcr.InvalidToken) {
				t.Errorf("answer %v differs from the answer to the token of another client", read)
			}
		})
	}
	if _, err := w.Read(ctx, info.ClientID, tok); err != nil {
		t.Errorf("Read with a token that was used at a client that does not exist = %v, want it valid for its own client", err)
	}
	w.CheckConsistent()
}

func TestUpdateRefuses(t *testing.T) {
	w := world.New(t)
	ctx := t.Context()
	pub, pubTok := w.MustRegister(world.PublicBody, credential.Token{})
	iat, _ := w.Token("trusted", 0)
	conf, confTok := w.MustRegister(world.ConfidentialBody, iat)

	for _, tt := range []struct {
		name string
		info *dcr.ClientInformation
		tok  credential.Token
		req  *dcr.Request
		want dcr.Code
	}{
		{"another client_id", pub, pubTok, world.Update(t, world.PublicBody, conf.ClientID), dcr.InvalidClientMetadata},
		{"no client_id", pub, pubTok, world.Request(t, world.PublicBody), dcr.InvalidClientMetadata},
		{"a registration access token (RFC 7592 section 2.2)", pub, pubTok, world.Update(t, world.PublicBody, pub.ClientID, "registration_access_token", "x"), dcr.InvalidClientMetadata},
		{"a date (RFC 7592 section 2.2)", pub, pubTok, world.Update(t, world.PublicBody, pub.ClientID, "client_id_issued_at", 0), dcr.InvalidClientMetadata},
		{"a redirect URI that the policy refuses", pub, pubTok, world.Update(t, world.PublicBody, pub.ClientID, "redirect_uris", []string{"https://evil.example/cb"}), dcr.InvalidRedirectURI},
		{"a confidential client that turns public", conf, confTok, world.Update(t, world.ConfidentialBody, conf.ClientID, "token_endpoint_auth_method", "none"), dcr.InvalidClientMetadata},
		{"a secret that is not the current one", conf, confTok, world.Update(t, world.ConfidentialBody, conf.ClientID, "client_secret", "chosen"), dcr.InvalidClientMetadata},
		{"a secret for a public client", pub, pubTok, world.Update(t, world.PublicBody, pub.ClientID, "client_secret", "chosen"), dcr.InvalidClientMetadata},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.Update(ctx, tt.info.ClientID, tt.tok, tt.req)
			world.WantCode(t, "Update", err, tt.want)
			if _, err := w.Read(ctx, tt.info.ClientID, tt.tok); err != nil {
				t.Errorf("the token is lost: %v", err)
			}
			w.CheckConsistent()
		})
	}
	t.Run("the current secret is accepted", func(t *testing.T) {
		if _, err := w.Update(ctx, conf.ClientID, confTok, world.Update(t, world.ConfidentialBody, conf.ClientID, "client_secret", conf.ClientSecret)); err != nil {
			t.Error(err)
		}
		w.CheckConsistent()
	})
	t.Run("an open client that requests a secret gets none", func(t *testing.T) {
		got, err := w.Update(ctx, pub.ClientID, pubTok, world.Update(t, world.PublicBody, pub.ClientID, "token_endpoint_auth_method", "client_secret_basic"))
		if err != nil || got.Metadata.TokenEndpointAuthMethod != "none" {
			t.Errorf("Update = %v, %v, want method none", got, err)
		}
		w.CheckConsistent()
	})
}

func TestUpdateAppliesTodaysPolicy(t *testing.T) {
	w := world.New(t)
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	w.UsePolicy(`{"version":1,"profiles":{"open":{"redirect_uris":{"presets":["chatgpt"]}}}}`)
	_, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID))
	world.WantCode(t, "redirect URI that is no longer allowed", err, dcr.InvalidRedirectURI)
	w.UsePolicy(`{"version":1,"profiles":{"other":{"redirect_uris":{"presets":["claude"]}}}}`)
	_, err = w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID))
	world.WantCode(t, "profile that was removed", err, dcr.InsufficientScope)
	w.UsePolicy(world.DirectPolicy)
	w.CheckConsistent()
}

// Settings of two updates must not mix, so only one update at a time calls
// Cognito.
func TestUpdatesDoNotOverlap(t *testing.T) {
	w := world.New(t)
	ctx := t.Context()
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	r, err := w.Inner.Registration(ctx, info.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.Inner.AppClient(ctx, r.AppClient)
	if err != nil {
		t.Fatal(err)
	}
	a.State, a.Due = broker.AppClientUpdating, w.Now().Add(30*time.Second)
	if err := w.Inner.ReplaceAppClient(ctx, a); err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(ctx, info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID))
	if e := world.WantCode(t, "update during another", err, dcr.TooManyRequests); e.RetryAfter != 30*time.Second {
		t.Errorf("Retry-After = %s, want 30s", e.RetryAfter)
	}
	if n := w.Pool.Calls("Update"); n != 0 {
		t.Errorf("%d calls to Cognito, want 0", n)
	}
	w.Wait(31 * time.Second) // the process of the other update died
	if _, err := w.Update(ctx, info.ClientID, tok, world.Update(t, world.PublicBody, info.ClientID)); err != nil {
		t.Error(err)
	}
	w.CheckConsistent()
}

func TestClientAndTouch(t *testing.T) {
	w := world.New(t)
	ctx := t.Context()
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	for _, step := range []struct {
		wait time.Duration
		want int // writes in total
	}{
		{0, 1},                // never used before
		{59 * time.Minute, 1}, // recorded within the hour
		{2 * time.Minute, 2},
	} {
		w.Wait(step.wait)
		r, err := w.Client(ctx, info.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Touch(ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := w.Store.Calls("TouchRegistration"); got != step.want {
			t.Errorf("%d writes after %s more, want %d", got, step.wait, step.want)
		}
	}

	r, err := w.Inner.Registration(ctx, info.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	if want := world.Start.Add(61 * time.Minute); !r.LastUsedAt.Equal(want) {
		t.Errorf("LastUsedAt = %s, want %s", r.LastUsedAt, want)
	}
	r.State = broker.RegistrationDisabled
	if err := w.Inner.ReplaceRegistration(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client(ctx, info.ClientID); !errors.Is(err, broker.ErrDisabled) {
		t.Errorf("disabled client: %v, want ErrDisabled", err)
	}
	if _, err := w.Read(ctx, info.ClientID, tok); err != nil {
		t.Errorf("a disabled client can still be read, got %v", err)
	}
}
