package usecase_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestManagementLifeCycle(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	info, tok := w.mustRegister(publicBody, credential.Token{})
	id := info.ClientID

	read, err := w.Read(ctx, id, tok)
	if err != nil {
		t.Fatal(err)
	}
	if read.RegistrationAccessToken != tok.Reveal() || mustJSON(t, read.Metadata) != mustJSON(t, info.Metadata) {
		t.Errorf("Read = %s, want what was registered: %s", mustJSON(t, read), mustJSON(t, info))
	}

	changed, err := w.Update(ctx, id, tok, update(t, publicBody, id, "client_name", "Renamed"))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	if changed.Metadata.ClientName != "Renamed" || second == tok || second.IsZero() {
		t.Errorf("Update = %q with the same token: %t, want Renamed and a new token", changed.Metadata.ClientName, second == tok)
	}
	if got := w.pool.All()[id].Metadata.ClientName; got != "Renamed" {
		t.Errorf("the app client is of %q, want Renamed", got)
	}

	// The answer to the update may have been lost: the old token still works.
	if _, err := w.Read(ctx, id, tok); err != nil {
		t.Errorf("old token before the new one is used: %v", err)
	}
	retried, err := w.Update(ctx, id, tok, update(t, publicBody, id, "client_name", "Renamed again"))
	if err != nil {
		t.Fatalf("update repeated with the old token: %v", err)
	}
	third := credential.Presented(retried.RegistrationAccessToken)
	_, err = w.Read(ctx, id, second)
	wantCode(t, "the token of the answer that was superseded", err, dcr.InvalidToken)

	if _, err := w.Read(ctx, id, third); err != nil {
		t.Errorf("new token: %v", err)
	}
	_, err = w.Read(ctx, id, tok)
	wantCode(t, "old token after the new one was used", err, dcr.InvalidToken)
	w.checkConsistent()

	// A PUT that is refused is a use as well.
	changed, err = w.Update(ctx, id, third, update(t, publicBody, id))
	if err != nil {
		t.Fatal(err)
	}
	fourth := credential.Presented(changed.RegistrationAccessToken)
	_, err = w.Update(ctx, id, fourth, update(t, publicBody, id, "redirect_uris", []string{"https://evil.example/cb"}))
	wantCode(t, "refused update", err, dcr.InvalidRedirectURI)
	_, err = w.Read(ctx, id, third)
	wantCode(t, "old token after the new one was used for a refused update", err, dcr.InvalidToken)
	w.store.Reset()
	_, err = w.Update(ctx, id, fourth, update(t, publicBody, id, "redirect_uris", []string{"https://evil.example/cb"}))
	wantCode(t, "refused update with the current token", err, dcr.InvalidRedirectURI)
	if n := w.store.Calls("ReplaceRegistration"); n != 0 {
		t.Errorf("%d writes by a refused update with the current token, want none", n)
	}

	if err := w.Delete(ctx, id, fourth); err != nil {
		t.Fatal(err)
	}
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients after the deletion, want 0", n)
	}
	w.checkConsistent()
}

// A token for another client, an unknown client and a deleted client are told
// apart by nobody.
func TestManagementTellsNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	info, tok := w.mustRegister(publicBody, credential.Token{})
	_, other := w.mustRegister(publicBody, credential.Token{})
	deleted, deletedTok := w.mustRegister(publicBody, credential.Token{})
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
		{"what can be no client id", "no/such client", tok, dcr.InvalidToken},
		{"no client id", "", tok, dcr.InvalidToken},
		{"no token", info.ClientID, credential.Token{}, dcr.TokenRequired},
		{"no token, unknown client", "nosuchclient", credential.Token{}, dcr.TokenRequired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, readErr := w.Read(ctx, tt.id, tt.tok)
			read := wantCode(t, "Read", readErr, tt.want)
			_, updateErr := w.Update(ctx, tt.id, tt.tok, update(t, publicBody, tt.id))
			updated := wantCode(t, "Update", updateErr, tt.want)
			removed := wantCode(t, "Delete", w.Delete(ctx, tt.id, tt.tok), tt.want)
			if *read != *updated || *read != *removed {
				t.Errorf("answers differ: %v, %v, %v", read, updated, removed)
			}
			_, err := w.Read(ctx, info.ClientID, other)
			if tt.want == dcr.InvalidToken && *read != *wantCode(t, "Read", err, dcr.InvalidToken) {
				t.Errorf("answer %v differs from that to the token of another client", read)
			}
		})
	}
	w.checkConsistent()
}

func TestUpdateRefuses(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	pub, pubTok := w.mustRegister(publicBody, credential.Token{})
	iat, _ := w.token("trusted", 0)
	conf, confTok := w.mustRegister(confidentialBody, iat)

	for _, tt := range []struct {
		name string
		info *dcr.ClientInformation
		tok  credential.Token
		req  *dcr.Request
		want dcr.Code
	}{
		{"another client_id", pub, pubTok, update(t, publicBody, conf.ClientID), dcr.InvalidClientMetadata},
		{"no client_id", pub, pubTok, request(t, publicBody), dcr.InvalidClientMetadata},
		{"a registration access token (RFC 7592 section 2.2)", pub, pubTok, update(t, publicBody, pub.ClientID, "registration_access_token", "x"), dcr.InvalidClientMetadata},
		{"a date (RFC 7592 section 2.2)", pub, pubTok, update(t, publicBody, pub.ClientID, "client_id_issued_at", 0), dcr.InvalidClientMetadata},
		{"a redirect URI that the policy refuses", pub, pubTok, update(t, publicBody, pub.ClientID, "redirect_uris", []string{"https://evil.example/cb"}), dcr.InvalidRedirectURI},
		{"a confidential client that turns public", conf, confTok, update(t, confidentialBody, conf.ClientID, "token_endpoint_auth_method", "none"), dcr.InvalidClientMetadata},
		{"a secret that is not the present one", conf, confTok, update(t, confidentialBody, conf.ClientID, "client_secret", "chosen"), dcr.InvalidClientMetadata},
		{"a secret for a public client", pub, pubTok, update(t, publicBody, pub.ClientID, "client_secret", "chosen"), dcr.InvalidClientMetadata},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.Update(ctx, tt.info.ClientID, tt.tok, tt.req)
			wantCode(t, "Update", err, tt.want)
			if _, err := w.Read(ctx, tt.info.ClientID, tt.tok); err != nil {
				t.Errorf("the token is lost: %v", err)
			}
			w.checkConsistent()
		})
	}
	t.Run("but not the present secret", func(t *testing.T) {
		if _, err := w.Update(ctx, conf.ClientID, confTok, update(t, confidentialBody, conf.ClientID, "client_secret", conf.ClientSecret)); err != nil {
			t.Error(err)
		}
		w.checkConsistent()
	})
	t.Run("an open client that asks for a secret gets none", func(t *testing.T) {
		got, err := w.Update(ctx, pub.ClientID, pubTok, update(t, publicBody, pub.ClientID, "token_endpoint_auth_method", "client_secret_basic"))
		if err != nil || got.Metadata.TokenEndpointAuthMethod != "none" {
			t.Errorf("Update = %v, %v, want method none", got, err)
		}
		w.checkConsistent()
	})
}

func TestUpdateAppliesTodaysPolicy(t *testing.T) {
	w := newWorld(t)
	info, tok := w.mustRegister(publicBody, credential.Token{})
	w.usePolicy(`{"version":1,"profiles":{"open":{"redirect_uris":{"presets":["chatgpt"]}}}}`)
	_, err := w.Update(t.Context(), info.ClientID, tok, update(t, publicBody, info.ClientID))
	wantCode(t, "redirect URI that is no longer allowed", err, dcr.InvalidRedirectURI)
	w.usePolicy(`{"version":1,"profiles":{"other":{"redirect_uris":{"presets":["claude"]}}}}`)
	_, err = w.Update(t.Context(), info.ClientID, tok, update(t, publicBody, info.ClientID))
	wantCode(t, "profile that is gone", err, dcr.InsufficientScope)
	w.usePolicy(string(policy.Default()))
	w.checkConsistent()
}

// Settings of two updates must not mix, so only one at a time goes to Cognito.
func TestUpdatesDoNotOverlap(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	info, tok := w.mustRegister(publicBody, credential.Token{})
	r, err := w.inner.Registration(ctx, info.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.inner.AppClient(ctx, r.AppClient)
	if err != nil {
		t.Fatal(err)
	}
	a.State, a.Due = broker.AppClientUpdating, w.now().Add(30*time.Second)
	if err := w.inner.ReplaceAppClient(ctx, a); err != nil {
		t.Fatal(err)
	}
	_, err = w.Update(ctx, info.ClientID, tok, update(t, publicBody, info.ClientID))
	if e := wantCode(t, "update during another", err, dcr.Unavailable); e.RetryAfter != 30*time.Second {
		t.Errorf("Retry-After = %s, want 30s", e.RetryAfter)
	}
	if n := w.pool.Calls("Update"); n != 0 {
		t.Errorf("%d calls to Cognito, want 0", n)
	}
	w.wait(31 * time.Second) // the other died
	if _, err := w.Update(ctx, info.ClientID, tok, update(t, publicBody, info.ClientID)); err != nil {
		t.Error(err)
	}
	w.checkConsistent()
}

func TestClientAndTouch(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	info, tok := w.mustRegister(publicBody, credential.Token{})
	for _, step := range []struct {
		wait time.Duration
		want int // writes in all
	}{
		{0, 1},                // never used before
		{59 * time.Minute, 1}, // recorded within the hour
		{2 * time.Minute, 2},
	} {
		w.wait(step.wait)
		r, err := w.Client(ctx, info.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Touch(ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := w.store.Calls("TouchRegistration"); got != step.want {
			t.Errorf("%d writes after %s more, want %d", got, step.wait, step.want)
		}
	}

	r, err := w.inner.Registration(ctx, info.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	if want := start.Add(61 * time.Minute); !r.LastUsedAt.Equal(want) {
		t.Errorf("LastUsedAt = %s, want %s", r.LastUsedAt, want)
	}
	r.State = broker.RegistrationDisabled
	if err := w.inner.ReplaceRegistration(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Client(ctx, info.ClientID); err != broker.ErrNotFound {
		t.Errorf("disabled client: %v, want ErrNotFound", err)
	}
	if _, err := w.Read(ctx, info.ClientID, tok); err != nil {
		t.Errorf("a disabled client can still be managed, got %v", err)
	}
}
