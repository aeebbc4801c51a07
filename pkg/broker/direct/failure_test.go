package direct_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestRegisterWhateverFails(t *testing.T) {
	world.ForEachTwoFaults(t, func(t *testing.T, w *world.World, c *world.Trouble) {
		w.UsePolicy(world.LimitedPolicy)
		tok, id := w.Token("limited", 1)
		var info *dcr.ClientInformation
		var err error
		c.During(w, func() { info, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok) })
		if err != nil {
			if e := world.WantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
				t.Error("no Retry-After")
			}
		}
		if err != nil && c.Single() {
			// The use is given back immediately, so that the client can try again
			// with the same token. Only the place of an app client that may exist
			// waits for the janitor.
			want := world.Taken{}
			if c.Hits("Create") {
				want.Places = 1
			}
			w.WantTaken("after the failure", id, want)
		}
		w.Recover()

		if err == nil {
			if _, err := w.Read(t.Context(), info.ClientID, credential.Presented(info.RegistrationAccessToken)); err != nil {
				t.Errorf("the response says that the client is registered, but it is not: %v", err)
			}
			if got := w.Pool.All()[info.ClientID].Secret; got != info.ClientSecret {
				t.Errorf("secret = %q, the response had %q", got, info.ClientSecret)
			}
		}
		// An app client exists although the client got an error, so the response
		// was lost permanently, and the use too.
		n := len(w.Pool.All())
		w.WantTaken("in the end", id, world.Taken{Uses: n, Places: n})
	})
}

func TestUpdateWhateverFails(t *testing.T) {
	for _, with := range []string{"the current token", "the next token"} {
		t.Run(with, func(t *testing.T) {
			world.ForEachTwoFaults(t, func(t *testing.T, w *world.World, c *world.Trouble) {
				w.UsePolicy(world.LimitedPolicy)
				iat, iatID := w.Token("limited", 1)
				info, tok := w.MustRegister(world.ConfidentialBody, iat)
				if with == "the next token" {
					changed, err := w.Update(t.Context(), info.ClientID, tok, world.Update(t, world.ConfidentialBody, info.ClientID))
					if err != nil {
						t.Fatal(err)
					}
					tok = credential.Presented(changed.RegistrationAccessToken)
				}
				change := func(name string) *dcr.Request {
					return world.Update(t, world.ConfidentialBody, info.ClientID, "client_name", name, "client_secret", info.ClientSecret)
				}
				var changed *dcr.ClientInformation
				var err error
				c.During(w, func() { changed, err = w.Update(t.Context(), info.ClientID, tok, change("Renamed")) })
				if err != nil {
					world.WantCode(t, "Update", err, dcr.Unavailable)
				}
				w.Recover()

				if err == nil {
					tok = credential.Presented(changed.RegistrationAccessToken)
				}
				got, readErr := w.Read(t.Context(), info.ClientID, tok)
				if readErr != nil {
					t.Fatalf("the client is locked out: %v", readErr)
				}
				if err == nil && got.Metadata.ClientName != "Renamed" {
					t.Errorf("name = %q, the response had Renamed", got.Metadata.ClientName)
				}
				if _, err := w.Update(t.Context(), info.ClientID, tok, change("Again")); err != nil {
					t.Errorf("the next update: %v", err)
				}
				w.CheckConsistent()
				w.WantTaken("in the end", iatID, world.Taken{Uses: 1, Places: 1})
			})
		})
	}
}

func TestDeleteWhateverFails(t *testing.T) {
	for _, tt := range []struct {
		name          string
		repeats, half bool
	}{
		{name: "the client repeats it", repeats: true},
		{name: "the client does not repeat it"},
		{name: "the making was never marked as complete", half: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			world.ForEachTwoFaults(t, func(t *testing.T, w *world.World, c *world.Trouble) {
				w.UsePolicy(world.LimitedPolicy)
				iat, iatID := w.Token("limited", 1)
				if tt.half {
					w.Store.FailNext("ReplaceAppClient", 1, fake.NotApplied)
				}
				info, tok := w.MustRegister(world.ConfidentialBody, iat)
				var err error
				c.During(w, func() { err = w.Delete(t.Context(), info.ClientID, tok) })
				if err != nil {
					world.WantCode(t, "Delete", err, dcr.Unavailable)
				} else if _, err := w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("after DELETE: Client = %v, want ErrNotFound", err)
				}
				if err != nil && tt.repeats {
					if err = w.Delete(t.Context(), info.ClientID, tok); err != nil {
						world.WantCode(t, "Delete again", err, dcr.InvalidToken) // already deleted
						err = nil
					}
				}
				w.Recover()
				if n := len(w.Pool.All()); n != 0 && err != nil {
					// The deletion never began. The client is unchanged.
					if err := w.Delete(t.Context(), info.ClientID, tok); err != nil {
						t.Errorf("Delete, later: %v", err)
					}
				}
				if n := len(w.Pool.All()); n != 0 {
					t.Errorf("%d app clients left", n)
				}
				if _, err = w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
					t.Errorf("Client: %v, want ErrNotFound", err)
				}
				w.CheckConsistent()
				w.WantTaken("in the end", iatID, world.Taken{Uses: 1, Places: 0})
			})
		})
	}
}

// The janitor finishes a deletion that was begun and never repeated. Until then
// the client gets no tokens.
func TestDeleteThatDiesIsFinished(t *testing.T) {
	w := world.New(t)
	info, tok := w.MustRegister(world.PublicBody, credential.Token{})
	w.Pool.FailNext("Delete", 1, fake.NotApplied)
	world.WantCode(t, "Delete", w.Delete(t.Context(), info.ClientID, tok), dcr.Unavailable)
	if _, err := w.Client(t.Context(), info.ClientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Client: %v, want ErrNotFound", err)
	}
	_, err := w.Read(t.Context(), info.ClientID, tok)
	world.WantCode(t, "Read", err, dcr.InvalidToken)
	w.Recover()
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}

// The janitor may consider a slow registration dead. The slower of the two
// detects this and leaves nothing behind.
func TestSweepOvertakesARegistration(t *testing.T) {
	w := world.New(t)
	w.Pool.After("Create", func() error {
		w.Wait(3 * time.Minute)
		if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Removed != 1 {
			t.Errorf("Sweep = %+v, %v, want one removed", done, err)
		}
		return nil
	})
	_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), credential.Token{})
	world.WantCode(t, "Register", err, dcr.Unavailable)
	w.Recover()
	if n := len(w.Pool.All()); n != 0 {
		t.Errorf("%d app clients left", n)
	}
}
