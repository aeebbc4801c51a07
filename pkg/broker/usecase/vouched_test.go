package usecase_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestVouchedRegistrationOfBrokeredMode(t *testing.T) {
	w := newBrokeredWorld(t)
	tok, id := w.token("trusted", 2)
	info, rat := w.mustRegister(confidentialBody, tok)
	if !strings.HasPrefix(info.ClientID, "dcr_") || len(info.ClientID) != 30 {
		t.Errorf("client_id = %q", info.ClientID)
	}
	if !strings.HasPrefix(info.ClientSecret, "dcr_cs_") {
		t.Errorf("client_secret = %.8q, want the prefix dcr_cs_", info.ClientSecret)
	}
	r := w.registration(info.ClientID)
	if !r.SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Error("the stored hash is not that of the client secret")
	}
	if !r.ExpiresAt.IsZero() || r.Mode != broker.ModeBrokered || r.AppClient != "" {
		t.Errorf("stored = %+v", r)
	}
	again, _ := w.mustRegister(confidentialBody, tok)
	if again.ClientID == info.ClientID {
		t.Error("two registrations with a token are one client")
	}
	if n := w.uses(id); n != 2 {
		t.Errorf("%d uses, want 2", n)
	}
	got, err := w.Read(t.Context(), info.ClientID, rat)
	if err != nil || got.RegistrationClientURI != "https://auth.example.com/register/"+info.ClientID || got.ClientSecret != "" {
		t.Errorf("Read = %+v, %v", got, err)
	}
	public, _ := w.vouched("open", publicBody)
	if open, _ := w.mustRegister(publicBody, none); open.ClientID == public {
		t.Error("a registration with a token is the one that everybody can have")
	}
	if r := w.registration(public); !r.SecretHash.IsZero() || r.ExpiresAt.IsZero() {
		t.Errorf("a public client under the open profile = %+v", r)
	}
	if n := len(w.pool.All()); n != 0 {
		t.Errorf("%d app clients, want none", n)
	}
	w.checkConsistent()
}

func TestConcurrentVouchedRegistrationsOnALastUse(t *testing.T) {
	w := newBrokeredWorld(t)
	tok, id := w.token("trusted", 1)
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() { _, errs[i] = w.Register(t.Context(), request(t, confidentialBody), tok) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			wantCode(t, "loser", err, dcr.InvalidToken)
		}
	}
	if made != 1 || w.uses(id) != 1 || w.rows() != 1 {
		t.Errorf("%d registered, %d uses, %d rows, want 1 of each", made, w.uses(id), w.rows())
	}
	w.checkConsistent()
}

func TestVouchedRegistrationWhateverFails(t *testing.T) {
	whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
		tok, id := w.token("trusted", 1)
		fault()
		info, err := w.Register(t.Context(), request(t, confidentialBody), tok)
		if err != nil {
			if e := wantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
				t.Error("no Retry-After")
			}
		}
		w.recover()
		w.checkConsistent()
		if err == nil {
			rat := credential.Presented(info.RegistrationAccessToken)
			if _, err := w.Read(t.Context(), info.ClientID, rat); err != nil {
				t.Errorf("the client was told that it is registered, and is not: %v", err)
			}
		}
		// Registered although the client was not told: the answer was lost for
		// good, and the use with it.
		if got, want := w.uses(id), w.rows(); got != want || err == nil && got != 1 {
			t.Errorf("%d uses taken and %d registrations", got, want)
		}
	})
}

// A use stays taken when its registration is deleted while its making is still
// on record.
func TestAUseIsNotGivenBackByADeletion(t *testing.T) {
	w := newBrokeredWorld(t)
	tok, id := w.token("trusted", 1)
	w.store.FailNext("DeleteAppClient", 1, fake.NotApplied)
	info, rat := w.mustRegister(confidentialBody, tok)
	if err := w.Delete(t.Context(), info.ClientID, rat); err != nil {
		t.Fatal(err)
	}
	w.recover()
	if n := w.uses(id); n != 1 {
		t.Errorf("%d uses taken, want 1", n)
	}
	w.checkConsistent()
}

// The janitor may have taken a slow registration for dead.
func TestASlowVouchedRegistrationGivesUp(t *testing.T) {
	w := newBrokeredWorld(t)
	tok, id := w.token("trusted", 1)
	slow := &slowStore{Store: w.store, before: func() {
		w.wait(3 * time.Minute)
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Removed != 1 {
			t.Errorf("Sweep = %+v, %v, want one removed", done, err)
		}
	}}
	s, err := usecase.New(usecase.Config{
		Mode: broker.ModeBrokered, Store: slow, Keys: w.ring, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Register(t.Context(), request(t, confidentialBody), tok)
	wantCode(t, "Register", err, dcr.Unavailable)
	w.recover()
	if w.rows() != 0 || w.uses(id) != 0 {
		t.Errorf("%d registrations, %d uses, want none", w.rows(), w.uses(id))
	}
	w.checkConsistent()
}

func TestUpdateInBrokeredMode(t *testing.T) {
	w := newBrokeredWorld(t)
	tok, _ := w.token("trusted", 1)
	info, rat := w.mustRegister(strings.Replace(confidentialBody, `{`, `{"scope":"mcp/read",`, 1), tok)
	a := w.mustProvision(w.appClientKey(info.ClientID))
	before := w.pool.All()[a.CognitoID]

	for _, tt := range []struct {
		name string
		more []any
		want dcr.Code
	}{
		{"a confidential client cannot become public", []any{"token_endpoint_auth_method", "none"}, dcr.InvalidClientMetadata},
		{"nor one that gets tokens in its own name", []any{"grant_types", []string{"client_credentials"}}, dcr.InvalidClientMetadata},
		{"another secret", []any{"client_secret", "dcr_cs_x"}, dcr.InvalidClientMetadata},
		{"what policy refuses", []any{"redirect_uris", []string{"com.example.app:/cb"}}, dcr.InvalidRedirectURI},
	} {
		_, err := w.Update(t.Context(), info.ClientID, rat, update(t, confidentialBody, info.ClientID, tt.more...))
		wantCode(t, tt.name, err, tt.want)
	}
	pub, pubRAT := w.vouched("trusted", strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
	_, err := w.Update(t.Context(), pub, pubRAT, update(t, confidentialBody, pub))
	wantCode(t, "a public client cannot become confidential", err, dcr.InvalidClientMetadata)

	changed, err := w.Update(t.Context(), info.ClientID, rat, update(t, confidentialBody, info.ClientID,
		"client_name", "Renamed", "client_secret", info.ClientSecret, "scope", "mcp/read mcp/write"))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Metadata.ClientName != "Renamed" || changed.ClientSecret != "" {
		t.Errorf("Update = %+v", changed.Metadata)
	}
	if !w.registration(info.ClientID).SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Error("the secret has changed")
	}
	if got := w.pool.All()[a.CognitoID]; got.Brokered.Name != before.Brokered.Name || len(got.Brokered.Scopes) != 2 {
		t.Errorf("the app client was changed by PUT: %+v", got.Brokered)
	}
	w.recover(w.appClientKey(info.ClientID))
	if got := strings.Join(w.appClient(a.Key).Scopes, " "); got != "openid mcp/read mcp/write" {
		t.Errorf("scopes of the app client after the janitor came = %q", got)
	}
}

// As in direct mode (TestManagementLifeCycle), a PUT that is refused is a use of
// the token that was sent with it.
func TestARefusedUpdateInBrokeredModeEndsTheOldToken(t *testing.T) {
	w := newBrokeredWorld(t)
	id, first := w.vouched("trusted", confidentialBody)
	changed, err := w.Update(t.Context(), id, first, update(t, confidentialBody, id))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	_, err = w.Update(t.Context(), id, second, update(t, confidentialBody, id, "redirect_uris", []string{"com.example.app:/cb"}))
	wantCode(t, "refused update", err, dcr.InvalidRedirectURI)
	_, err = w.Read(t.Context(), id, first)
	wantCode(t, "old token after the new one was used for a refused update", err, dcr.InvalidToken)
	if _, err := w.Read(t.Context(), id, second); err != nil {
		t.Errorf("new token: %v", err)
	}
}

func TestUpdateInBrokeredModeWhateverFails(t *testing.T) {
	whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
		clientID, rat := w.vouched("trusted", strings.Replace(confidentialBody, `{`, `{"scope":"mcp/read",`, 1))
		key := w.appClientKey(clientID)
		w.mustProvision(key)
		fault()
		change := update(t, confidentialBody, clientID, "client_name", "Renamed", "scope", "mcp/read mcp/write")
		info, err := w.Update(t.Context(), clientID, rat, change)
		if err != nil {
			wantCode(t, "Update", err, dcr.Unavailable)
			w.store.Reset()
			w.pool.Reset()
			if info, err = w.Update(t.Context(), clientID, rat, change); err != nil {
				t.Fatalf("Update again, with the same token: %v", err)
			}
		}
		w.recover(key)
		got, err := w.Read(t.Context(), clientID, credential.Presented(info.RegistrationAccessToken))
		if err != nil || got.Metadata.ClientName != "Renamed" {
			t.Errorf("Read = %+v, %v", got, err)
		}
		if got := strings.Join(w.appClient(key).Scopes, " "); got != "openid mcp/read mcp/write" {
			t.Errorf("scopes of the app client = %q", got)
		}
	})
}

func TestDeleteInBrokeredMode(t *testing.T) {
	w := newBrokeredWorld(t)
	clientID, rat := w.vouched("trusted", confidentialBody)
	key := w.appClientKey(clientID)
	w.mustProvision(key)
	shared := w.mustProvision(broker.SharedAppClientKey("together"))
	member, memberRAT := w.vouched("together", strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
	unused, unusedRAT := w.vouched("trusted", confidentialBody)

	for id, tok := range map[string]credential.Token{clientID: rat, member: memberRAT, unused: unusedRAT} {
		if err := w.Delete(t.Context(), id, tok); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client after DELETE: %v, want ErrNotFound", err)
		}
		wantCode(t, "DELETE again", w.Delete(t.Context(), id, tok), dcr.InvalidToken)
	}
	if err := w.Provision(t.Context(), key); err == nil {
		t.Error("an app client was made for a client that is gone")
	}
	if n := w.pool.Calls("Delete"); n != 0 {
		t.Errorf("%d deletions at Cognito by DELETE, want none", n)
	}
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Removed != 1 {
		t.Errorf("Sweep = %+v, %v, want one removed at once", done, err)
	}
	w.recover(shared.Key)
}

func TestDeleteInBrokeredModeWhateverFails(t *testing.T) {
	whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
		clientID, rat := w.vouched("trusted", confidentialBody)
		key := w.appClientKey(clientID)
		w.mustProvision(key)
		fault()
		err := w.Delete(t.Context(), clientID, rat)
		if err != nil {
			wantCode(t, "Delete", err, dcr.Unavailable)
		}
		w.recover()
		_, gone := w.Client(t.Context(), clientID)
		if err == nil && gone == nil {
			t.Error("the client was told that it is gone, and is not")
		}
		if gone == nil {
			w.mustProvision(key) // it goes on as before
			if err := w.Delete(t.Context(), clientID, rat); err != nil {
				t.Errorf("Delete again: %v", err)
			}
			w.recover()
		}
		w.checkConsistent()
		if left := w.existing(key); len(left) != 0 || len(w.pool.All()) != 0 {
			t.Errorf("left: %q, %v", left, w.pool.All())
		}
	})
}
