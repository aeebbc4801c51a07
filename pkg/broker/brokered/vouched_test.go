package brokered_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestVouchedRegistrationOfBrokeredMode(t *testing.T) {
	w := world.NewBrokered(t)
	tok, id := w.Token("trusted", 2)
	info, rat := w.MustRegister(world.ConfidentialBody, tok)
	if !strings.HasPrefix(info.ClientID, "dcr_") || len(info.ClientID) != 30 {
		t.Errorf("client_id = %q", info.ClientID)
	}
	if !strings.HasPrefix(info.ClientSecret, "dcr_cs_") {
		t.Errorf("client_secret = %.8q, want the prefix dcr_cs_", info.ClientSecret)
	}
	r := w.Registration(info.ClientID)
	if !r.SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Error("the stored hash does not match the client secret")
	}
	if !r.ExpiresAt.IsZero() || r.Mode != broker.ModeBrokered || r.AppClient != "" {
		t.Errorf("stored = %+v", r)
	}
	again, _ := w.MustRegister(world.ConfidentialBody, tok)
	if again.ClientID == info.ClientID {
		t.Error("two registrations with a token are one client")
	}
	if n := w.Uses(id); n != 2 {
		t.Errorf("%d uses, want 2", n)
	}
	got, err := w.Read(t.Context(), info.ClientID, rat)
	if err != nil || got.RegistrationClientURI != "https://auth.example.com/register/"+info.ClientID || got.ClientSecret != "" {
		t.Errorf("Read = %+v, %v", got, err)
	}
	public, _ := w.Vouched("open", world.PublicBody)
	if open, _ := w.MustRegister(world.PublicBody, world.None); open.ClientID == public {
		t.Error("a registration with a token is the open one")
	}
	if r := w.Registration(public); !r.SecretHash.IsZero() || r.ExpiresAt.IsZero() {
		t.Errorf("a public client under the open profile = %+v", r)
	}
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients, want none", n)
	}
	w.CheckConsistent()
}

func TestConcurrentVouchedRegistrationsOnALastUse(t *testing.T) {
	w := world.NewBrokered(t)
	tok, id := w.Token("trusted", 1)
	made := world.AtOnce(t, 50, dcr.InvalidToken, func() error {
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		return err
	})
	if made != 1 || w.Uses(id) != 1 || w.Rows() != 1 {
		t.Errorf("%d registered, %d uses, %d rows, want 1 of each", made, w.Uses(id), w.Rows())
	}
	w.CheckConsistent()
}

func TestVouchedRegistrationWhateverFails(t *testing.T) {
	world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
		tok, id := w.Token("trusted", 1)
		fault()
		info, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		if err != nil {
			if e := world.WantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
				t.Error("no Retry-After")
			}
		}
		w.Recover()
		w.CheckConsistent()
		if err == nil {
			rat := credential.Presented(info.RegistrationAccessToken)
			if _, err := w.Read(t.Context(), info.ClientID, rat); err != nil {
				t.Errorf("the response says that the client is registered, but it is not: %v", err)
			}
		}
		// The client was registered although it got an error: the response and
		// the use were lost.
		if got, want := w.Uses(id), w.Rows(); got != want || err == nil && got != 1 {
			t.Errorf("%d uses taken and %d registrations", got, want)
		}
	})
}

// A use stays taken when a registration is deleted while its intent still
// exists.
func TestADeletionDoesNotGiveBackAUse(t *testing.T) {
	w := world.NewBrokered(t)
	tok, id := w.Token("trusted", 1)
	w.Store.FailNext("DeleteAppClient", 1, fake.NotApplied)
	info, rat := w.MustRegister(world.ConfidentialBody, tok)
	if err := w.Delete(t.Context(), info.ClientID, rat); err != nil {
		t.Fatal(err)
	}
	w.Recover()
	if n := w.Uses(id); n != 1 {
		t.Errorf("%d uses taken, want 1", n)
	}
	w.CheckConsistent()
}

// A registration is held at each of its calls, while the janitor considers it
// dead, and then another client registers with the same token. The token has as
// many registrations as uses. The janitor's clock may be ahead, so the request
// itself need not be slow. A clock that is ahead and a process that dies just then
// are not tested together: the use, or a registration without an answer, is lost.
func TestAVouchedRegistrationThatIsOvertaken(t *testing.T) {
	for _, tt := range []struct {
		name string
		// slow is how long the request is held.
		slow time.Duration
	}{{"a slow request", 3 * time.Minute}, {"a janitor whose clock is ahead", 0}} {
		for _, another := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another client %t", tt.name, another), func(t *testing.T) {
				world.ForEachHold(t, func(t *testing.T) world.Scene {
					w := world.NewBrokered(t)
					tok, iat := w.Token("trusted", 1)
					answered := map[string]credential.Token{}
					register := func() {
						info, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
						if err == nil {
							answered[info.ClientID] = credential.Presented(info.RegistrationAccessToken)
						}
					}
					ahead, err := world.Assemble(world.Parts{
						Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Grants: w.Grants, Policy: w.PolicySource,
						Now: func() time.Time { return w.Now().Add(150 * time.Second) },
					})
					if err != nil {
						t.Fatal(err)
					}
					return world.Scene{
						World: w.World, UseCase: register, Ends: true,
						Meantime: []func(){func() {
							w.Wait(tt.slow)
							_, _ = ahead.Sweep(t.Context(), janitor.Options{})
							if another {
								register()
							}
						}},
						Check: func() {
							w.Recover()
							w.CheckConsistent()
							if rows, uses := w.Rows(), w.Uses(iat); rows != uses || len(answered) > 1 {
								t.Errorf("%d registrations, %d uses, %d clients with an answer", rows, uses, len(answered))
							}
							for id, rat := range answered {
								if _, err := w.Read(t.Context(), id, rat); err != nil {
									t.Errorf("the answer says that %s is registered, but it is not: %v", id, err)
								}
							}
						},
					}
				})
			})
		}
	}
}

// The same, where another sweep does the same work while the first one is held at
// each of its calls, and then the request goes on. The first sweep knows nothing of
// it, and must not end a registration whose client has an answer.
func TestAVouchedRegistrationThatTwoSweepsOvertake(t *testing.T) {
	for _, at := range []string{"UseInitialAccessToken", "CreateRegistration", "ReplaceAppClient"} {
		t.Run("the request waits at "+at, func(t *testing.T) {
			world.ForEachHold(t, func(t *testing.T) world.Scene {
				w := world.NewBrokered(t)
				tok, iat := w.Token("trusted", 1)
				answered := map[string]credential.Token{}
				register := func() {
					info, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
					if err == nil {
						answered[info.ClientID] = credential.Presented(info.RegistrationAccessToken)
					}
				}
				waits, goOn := w.Store.Pause(at)
				goOn = sync.OnceFunc(goOn)
				done := make(chan struct{})
				go func() { register(); close(done) }()
				<-waits
				end := func() { goOn(); <-done }
				t.Cleanup(end)
				sweep := func() {
					w.Wait(3 * time.Minute)
					_, _ = w.Sweep(t.Context(), janitor.Options{})
				}
				return world.Scene{
					World: w.World, UseCase: sweep, Meantime: []func(){func() { sweep(); end() }},
					Check: func() {
						register()
						w.Recover()
						w.CheckConsistent()
						if rows, uses := w.Rows(), w.Uses(iat); rows != uses || len(answered) > 1 {
							t.Errorf("%d registrations, %d uses, %d clients with an answer", rows, uses, len(answered))
						}
						for id, rat := range answered {
							if _, err := w.Read(t.Context(), id, rat); err != nil {
								t.Errorf("the answer says that %s is registered, but it is not: %v", id, err)
							}
						}
					},
				}
			})
		})
	}
}

func TestUpdateInBrokeredMode(t *testing.T) {
	w := world.NewBrokered(t)
	tok, _ := w.Token("trusted", 1)
	info, rat := w.MustRegister(strings.Replace(world.ConfidentialBody, `{`, `{"scope":"mcp/read",`, 1), tok)
	a := w.MustProvision(w.AppClientKey(info.ClientID))
	before := w.Pool.All()[a.CognitoID]

	for _, tt := range []struct {
		name string
		more []any
		want dcr.Code
	}{
		{"a confidential client cannot become public", []any{"token_endpoint_auth_method", "none"}, dcr.InvalidClientMetadata},
		{"grant_types cannot change to client_credentials", []any{"grant_types", []string{"client_credentials"}}, dcr.InvalidClientMetadata},
		{"another secret", []any{"client_secret", "dcr_cs_x"}, dcr.InvalidClientMetadata},
		{"metadata that policy refuses", []any{"redirect_uris", []string{"com.example.app:/cb"}}, dcr.InvalidRedirectURI},
	} {
		_, err := w.Update(t.Context(), info.ClientID, rat, world.Update(t, world.ConfidentialBody, info.ClientID, tt.more...))
		world.WantCode(t, tt.name, err, tt.want)
	}
	pub, pubRAT := w.Vouched("trusted", strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
	_, err := w.Update(t.Context(), pub, pubRAT, world.Update(t, world.ConfidentialBody, pub))
	world.WantCode(t, "a public client cannot become confidential", err, dcr.InvalidClientMetadata)

	changed, err := w.Update(t.Context(), info.ClientID, rat, world.Update(t, world.ConfidentialBody, info.ClientID,
		"client_name", "Renamed", "client_secret", info.ClientSecret, "scope", "mcp/read mcp/write"))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Metadata.ClientName != "Renamed" || changed.ClientSecret != "" {
		t.Errorf("Update = %+v", changed.Metadata)
	}
	if !w.Registration(info.ClientID).SecretHash.Matches(credential.Presented(info.ClientSecret)) {
		t.Error("the secret has changed")
	}
	if got := w.Pool.All()[a.CognitoID]; got.Brokered.Name != before.Brokered.Name || len(got.Brokered.Scopes) != 2 {
		t.Errorf("the app client was changed by PUT: %+v", got.Brokered)
	}
	w.Recover(w.AppClientKey(info.ClientID))
	if got := strings.Join(w.AppClient(a.Key).Scopes, " "); got != "openid mcp/read mcp/write" {
		t.Errorf("scopes of the app client after the sweep = %q", got)
	}
}

// As in direct mode (TestManagementLifeCycle), a refused PUT is a use of the
// token in the request.
func TestARefusedUpdateInBrokeredModeEndsTheOldToken(t *testing.T) {
	w := world.NewBrokered(t)
	id, first := w.Vouched("trusted", world.ConfidentialBody)
	changed, err := w.Update(t.Context(), id, first, world.Update(t, world.ConfidentialBody, id))
	if err != nil {
		t.Fatal(err)
	}
	second := credential.Presented(changed.RegistrationAccessToken)
	_, err = w.Update(t.Context(), id, second, world.Update(t, world.ConfidentialBody, id, "redirect_uris", []string{"com.example.app:/cb"}))
	world.WantCode(t, "refused update", err, dcr.InvalidRedirectURI)
	_, err = w.Read(t.Context(), id, first)
	world.WantCode(t, "old token after the new one was used for a refused update", err, dcr.InvalidToken)
	if _, err := w.Read(t.Context(), id, second); err != nil {
		t.Errorf("new token: %v", err)
	}
}

func TestUpdateInBrokeredModeWhateverFails(t *testing.T) {
	world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
		clientID, rat := w.Vouched("trusted", strings.Replace(world.ConfidentialBody, `{`, `{"scope":"mcp/read",`, 1))
		key := w.AppClientKey(clientID)
		w.MustProvision(key)
		fault()
		change := world.Update(t, world.ConfidentialBody, clientID, "client_name", "Renamed", "scope", "mcp/read mcp/write")
		info, err := w.Update(t.Context(), clientID, rat, change)
		if err != nil {
			world.WantCode(t, "Update", err, dcr.Unavailable)
			w.Store.Reset()
			w.Pool.Reset()
			if info, err = w.Update(t.Context(), clientID, rat, change); err != nil {
				t.Fatalf("Update again, with the same token: %v", err)
			}
		}
		w.Recover(key)
		got, err := w.Read(t.Context(), clientID, credential.Presented(info.RegistrationAccessToken))
		if err != nil || got.Metadata.ClientName != "Renamed" {
			t.Errorf("Read = %+v, %v", got, err)
		}
		if got := strings.Join(w.AppClient(key).Scopes, " "); got != "openid mcp/read mcp/write" {
			t.Errorf("scopes of the app client = %q", got)
		}
	})
}

func TestDeleteInBrokeredMode(t *testing.T) {
	w := world.NewBrokered(t)
	clientID, rat := w.Vouched("trusted", world.ConfidentialBody)
	key := w.AppClientKey(clientID)
	w.MustProvision(key)
	shared := w.MustProvision(broker.SharedAppClientKey("together"))
	member, memberRAT := w.Vouched("together", strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
	unused, unusedRAT := w.Vouched("trusted", world.ConfidentialBody)

	for id, tok := range map[string]credential.Token{clientID: rat, member: memberRAT, unused: unusedRAT} {
		if err := w.Delete(t.Context(), id, tok); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Client(t.Context(), id); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Client after DELETE: %v, want ErrNotFound", err)
		}
		world.WantCode(t, "DELETE again", w.Delete(t.Context(), id, tok), dcr.InvalidToken)
	}
	if err := w.Provision(t.Context(), key); err == nil {
		t.Error("an app client was made for a deleted client")
	}
	if n := w.Pool.Calls("Delete"); n != 0 {
		t.Errorf("%d deletions at Cognito by DELETE, want none", n)
	}
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Removed != 1 {
		t.Errorf("Sweep = %+v, %v, want one removed at once", done, err)
	}
	w.Recover(shared.Key)
}

func TestDeleteInBrokeredModeWhateverFails(t *testing.T) {
	world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
		clientID, rat := w.Vouched("trusted", world.ConfidentialBody)
		key := w.AppClientKey(clientID)
		w.MustProvision(key)
		fault()
		err := w.Delete(t.Context(), clientID, rat)
		if err != nil {
			world.WantCode(t, "Delete", err, dcr.Unavailable)
		}
		w.Recover()
		_, gone := w.Client(t.Context(), clientID)
		if err == nil && gone == nil {
			t.Error("the response says that the client is deleted, but it is not")
		}
		if gone == nil {
			w.MustProvision(key) // the client works as before
			if err := w.Delete(t.Context(), clientID, rat); err != nil {
				t.Errorf("Delete again: %v", err)
			}
			w.Recover()
		}
		w.CheckConsistent()
		if left := w.Existing(key); len(left) != 0 || len(w.Pool.All()) != 0 {
			t.Errorf("left: %q, %v", left, w.Pool.All())
		}
	})
}
