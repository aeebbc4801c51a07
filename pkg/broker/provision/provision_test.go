package provision_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestProvision(t *testing.T) {
	w := world.NewBrokered(t)
	open, _ := w.MustRegister(world.PublicBody, world.None)
	dedicated, _ := w.Vouched("trusted", strings.Replace(world.ConfidentialBody, `{`, `{"scope":"mcp/read",`, 1))
	shared, _ := w.Vouched("together", strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1))
	ci, _ := w.Vouched("trusted", world.CIBody)
	var keys []string
	for _, tt := range []struct {
		clientID, key string
		spec          broker.BrokeredAppClient
	}{
		{open.ClientID, "profile/open", broker.BrokeredAppClient{Name: "open", Scopes: world.BrokeredScopes}},
		{shared, "profile/together", broker.BrokeredAppClient{Name: "together", Scopes: world.BrokeredScopes}},
		{dedicated, "client/" + dedicated + "/" + w.Registration(dedicated).Generation,
			broker.BrokeredAppClient{Name: "App", Scopes: []string{"openid", "mcp/read"}}},
		{ci, "client/" + ci + "/" + w.Registration(ci).Generation,
			broker.BrokeredAppClient{Name: "CI", Scopes: []string{"mcp/read", "mcp/write"}, ClientCredentials: true}},
	} {
		key := w.AppClientKey(tt.clientID)
		if key != tt.key {
			t.Errorf("key of %s = %q, want %q", tt.clientID, key, tt.key)
		}
		keys = append(keys, key)
		a := w.MustProvision(key)
		if got := w.Pool.All()[a.CognitoID].Brokered; got == nil || fmt.Sprint(*got) != fmt.Sprint(tt.spec) {
			t.Errorf("%s was made as %+v, want %+v", key, got, tt.spec)
		}
		w.MustProvision(key) // once is enough
	}
	if n := w.Pool.Calls("CreateBrokered"); n != len(keys) {
		t.Errorf("%d app clients made, want %d", n, len(keys))
	}
	w.Recover(keys...)
}

// The app clients of a profile for users of some identity providers offer exactly
// these, whatever the others offer.
func TestAppClientsHaveTheIdentityProvidersOfTheirProfile(t *testing.T) {
	const policyOf = `{"version":1,"open_registration":"open","profiles":{
		"open":{"redirect_uris":{"presets":["claude"]},"users":{"identity_providers":["Okta","Entra"]}},
		"trusted":{"redirect_uris":{"any_https":true},"app_client":"dedicated","token_endpoint_auth_methods":["client_secret_basic","none"],
			"users":{"identity_providers":["Okta"]}}}}`
	w := world.NewBrokeredWith(t, world.Options{Policy: policyOf})
	open, _ := w.MustRegister(world.PublicBody, world.None)
	own, _ := w.Vouched("trusted", world.ConfidentialBody)
	for id, want := range map[string][]string{open.ClientID: {"Okta", "Entra"}, own: {"Okta"}} {
		a := w.MustProvision(w.AppClientKey(id))
		if got := w.Pool.All()[a.CognitoID].Brokered.IdentityProviders; !slices.Equal(got, want) {
			t.Errorf("%s was made with %q, want %q", a.Key, got, want)
		}
	}
}

func TestProvisionRefuses(t *testing.T) {
	w := world.NewBrokered(t)
	open, _ := w.MustRegister(world.PublicBody, world.None)
	client, _ := w.Vouched("trusted", world.ConfidentialBody)
	generation := w.Registration(client).Generation
	off, _ := w.Vouched("trusted", world.ConfidentialBody)
	disabled := w.Registration(off)
	disabled.State = broker.RegistrationDisabled
	if err := w.Inner.ReplaceRegistration(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"", "profile/", "profile/nobody", "profile/trusted", "profile/open/x", "client/", "client//", "registering/" + client, client,
		"client/" + client + "/" + strings.Repeat("a", 26),                                    // another generation
		"client/" + client + "/" + generation + "/",                                           //
		broker.DedicatedAppClientKey(open.ClientID, w.Registration(open.ClientID).Generation), // it has no voucher
		broker.DedicatedAppClientKey(off, disabled.Generation),
		strings.Repeat("x", 5000), "client/\x00/\xff",
	} {
		if err := w.Provision(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Provision(%.60q) = %v, want ErrNotFound", key, err)
		}
	}
	if n := w.Pool.Calls("CreateBrokered"); n != 0 {
		t.Errorf("%d app clients made, want none", n)
	}
	// The profile no longer allows open registration, and has dedicated app clients.
	// Clients that registered openly still get no app client.
	w.UseBrokeredPolicy(strings.NewReplacer(`"open_registration":"open",`, "", `"open":{`, `"open":{"app_client":"dedicated",`).Replace(world.BrokeredPolicy))
	if err := w.Provision(t.Context(), w.AppClientKey(open.ClientID)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision for a client without a voucher = %v, want ErrNotFound", err)
	}
	// The profile now has a shared app client, so it gets no more dedicated
	// ones.
	w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"app_client":"dedicated",`, "", 1))
	if err := w.Provision(t.Context(), broker.DedicatedAppClientKey(client, generation)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision under a policy with a shared app client = %v, want ErrNotFound", err)
	}
	a := w.MustProvision(w.AppClientKey(client))
	w.Recover(a.Key)
}

func TestOpenClientsShareOneAppClient(t *testing.T) {
	w := world.NewBrokered(t)
	w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"app_clients":5`, `"app_clients":100`, 1))
	for i := range 10_000 {
		info, _ := w.MustRegister(fmt.Sprintf(`{"client_name":"Stranger %d","redirect_uris":["https://s%d.apps.example.com/cb"]}`, i, i), world.None)
		w.MustProvision(w.AppClientKey(info.ClientID))
		own := broker.DedicatedAppClientKey(info.ClientID, w.Registration(info.ClientID).Generation)
		if err := w.Provision(t.Context(), own); !errors.Is(err, broker.ErrNotFound) {
			t.Fatalf("Provision(%s) = %v, want ErrNotFound", own, err)
		}
	}
	if n := len(w.Pool.All()); n != 1 || w.Pool.Calls("CreateBrokered") != 1 {
		t.Errorf("%d app clients, want 1", n)
	}
	w.CheckConsistent("profile/open")
}

func TestConcurrentProvisioningMakesOne(t *testing.T) {
	world.InBubble(t, func(t *testing.T, w *world.Brokered) {
		clientID, _ := w.Vouched("trusted", world.ConfidentialBody)
		w.Pool.Around("CreateBrokered", func(do func() error) error { time.Sleep(3 * time.Second); return do() })
		w.Branding = true
		w.Restart()
		for _, key := range []string{"profile/open", w.AppClientKey(clientID)} {
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if err := w.Provision(t.Context(), key); err != nil {
						t.Errorf("Provision(%s): %v", key, err)
					}
				})
			}
			wg.Wait()
		}
		if n := len(w.Pool.All()); n != 2 {
			t.Errorf("%d app clients, want 2", n)
		}
		w.Recover("profile/open", w.AppClientKey(clientID))
	})
}

func TestTheLoserWaitsForALimitedTime(t *testing.T) {
	world.InBubble(t, func(t *testing.T, w *world.Brokered) {
		_, release := w.Pool.Pause("CreateBrokered")
		winner := make(chan error)
		go func() { winner <- w.Provision(t.Context(), "profile/open") }()
		synctest.Wait()
		began := time.Now()
		err := w.Provision(t.Context(), "profile/open")
		if e := world.WantCode(t, "loser", err, dcr.Unavailable); e.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
		if waited := time.Since(began); waited > 10*time.Second {
			t.Errorf("waited %s, want 10 seconds at most", waited)
		}
		release()
		if err := <-winner; err != nil {
			t.Errorf("winner: %v", err)
		}
		w.Recover("profile/open")
	})
}

// A lost reply delays a user by at most a minute, without the janitor.
func TestALostCreationIsMadeAgain(t *testing.T) {
	for _, p := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		t.Run(p.String(), func(t *testing.T) {
			w := world.NewBrokered(t)
			w.Pool.FailNext("CreateBrokered", 1, p)
			err := w.Provision(t.Context(), "profile/open")
			if e := world.WantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter != time.Minute {
				t.Errorf("Retry-After = %s, want 1m", e.RetryAfter)
			}
			first := w.AppClient("profile/open").Marker
			w.Wait(time.Minute)
			a := w.MustProvision("profile/open")
			if a.Marker == first || len(a.Abandoned) != 1 || a.Abandoned[0] != first {
				t.Errorf("marker %s, abandoned %q, want a new one and %s", a.Marker, a.Abandoned, first)
			}
			w.Recover("profile/open")
		})
	}
}

// A process that continues after it was considered dead leaves nothing behind.
func TestAnOvertakenProvisioningLeavesNothingBehind(t *testing.T) {
	overtake := map[string]func(w *world.Brokered){
		"by another": func(w *world.Brokered) {
			w.Wait(time.Minute)
			w.Restart()
			w.MustProvision("profile/open")
		},
		"by the janitor": func(w *world.Brokered) {
			w.Wait(3 * time.Minute)
			if _, err := w.Sweep(w.T.Context(), janitor.Options{}); err != nil {
				w.T.Error(err)
			}
		},
		"by both": func(w *world.Brokered) {
			w.Wait(3 * time.Minute)
			if _, err := w.Sweep(w.T.Context(), janitor.Options{}); err != nil {
				w.T.Error(err)
			}
			w.Restart()
			w.MustProvision("profile/open")
		},
	}
	for name, f := range overtake {
		for _, when := range []string{"before", "after"} {
			t.Run(name+", "+when+" the creation", func(t *testing.T) {
				w := world.NewBrokered(t)
				act := w.Pool.Before
				if when == "after" {
					act = w.Pool.After
				}
				act("CreateBrokered", func() error { f(w); return nil })
				err := w.Provision(t.Context(), "profile/open")
				if err != nil {
					world.WantCode(t, "Provision", err, dcr.Unavailable)
				}
				w.Recover()
				w.CheckConsistent(w.Existing("profile/open")...)
				w.MustProvision("profile/open")
				w.Recover("profile/open")
			})
		}
	}
}

func TestAFullOrThrottledPool(t *testing.T) {
	w := world.NewBrokered(t)
	info, _ := w.MustRegister(world.PublicBody, world.None)
	full := dcr.Errorf(dcr.Unavailable, "the user pool is full")
	full.RetryAfter = time.Hour
	w.Pool.Around("CreateBrokered", func(func() error) error { return &broker.NotAppliedError{Err: full} })
	for range 3 {
		err := w.Provision(t.Context(), "profile/open")
		if e := world.WantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter != time.Hour {
			t.Errorf("Retry-After = %s, want the pool's", e.RetryAfter)
		}
		w.CheckConsistent()
	}
	w.Pool.Reset()
	w.Restart()
	w.MustProvision(w.AppClientKey(info.ClientID)) // the same link works later
	w.Recover("profile/open")
}

// What only an operator can correct is an error in the log, with its reason. The
// pool's other failures end by themselves.
func TestWhatOnlyAnOperatorCanCorrectIsAnError(t *testing.T) {
	busy := dcr.Errorf(dcr.Unavailable, "the user pool is busy")
	missing := errors.New("cognito: the provider Gogle does not exist")
	for _, tt := range []struct {
		name, call string
		err        error
		lines      int
	}{
		{"refused", "CreateBrokered", &broker.NotAppliedError{Err: missing}, 1},
		{"throttled", "CreateBrokered", &broker.NotAppliedError{Err: busy}, 0},
		{"no answer", "CreateBrokered", busy, 0},
		{"branding refused", "Brand", &broker.NotAppliedError{Err: missing}, 1},
		{"branding throttled", "Brand", &broker.NotAppliedError{Err: busy}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := world.NewBrokeredWith(t, world.Options{Branding: true})
			var log fake.Log
			w.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
			w.Restart()
			w.MustRegister(world.PublicBody, world.None)
			w.Pool.Around(tt.call, func(func() error) error { return tt.err })
			err := w.Provision(t.Context(), "profile/open")
			world.WantCode(t, "Provision", err, dcr.Unavailable)
			if text := log.String(); strings.Count(text, "level=ERROR") != tt.lines || tt.lines > 0 && !strings.Contains(text, "Gogle") {
				t.Errorf("logged %q, want %d errors", text, tt.lines)
			}
		})
	}
}

func TestTheProfilesLimitOfAppClients(t *testing.T) {
	w := world.NewBrokered(t)
	var keys []string
	for range 6 {
		id, _ := w.Vouched("trusted", world.ConfidentialBody)
		keys = append(keys, w.AppClientKey(id))
	}
	for _, key := range keys[:5] {
		w.MustProvision(key)
	}
	err := w.Provision(t.Context(), keys[5])
	if e := world.WantCode(t, "sixth", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	if !errors.Is(err, broker.ErrAppClientLimit) {
		t.Errorf("Provision = %v, want ErrAppClientLimit", err)
	}
	w.Recover(keys[:5]...)
}

func TestBranding(t *testing.T) {
	w := world.NewBrokered(t)
	w.Branding = true
	var log bytes.Buffer
	w.Log = slog.New(slog.NewJSONHandler(&log, nil))
	w.Restart()
	w.Pool.LimitStyles(1)
	clientID, _ := w.Vouched("trusted", world.ConfidentialBody)
	key := w.AppClientKey(clientID)
	w.MustProvision("profile/open")
	ctx, activity := telemetry.Begin(t.Context(), "")
	err := w.Provision(ctx, key)
	if e := world.WantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	activity.Log(ctx, w.Log, "provisioned")
	if !errors.Is(err, broker.ErrBrandingLimit) {
		t.Errorf("Provision = %v, want ErrBrandingLimit", err)
	}
	for _, part := range []string{`"shared\"`, `"Name":"BrandingStylesUsedUp","Unit":"Count"`, `"BrandingStylesUsedUp":1`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log line does not have %s: %s", part, &log)
		}
	}
	if a := w.AppClient(key); a.Usable(true) || !a.Usable(false) {
		t.Errorf("without style: %+v is usable for managed login", a)
	}
	made := w.Pool.Calls("CreateBrokered")
	w.Pool.LimitStyles(2)
	w.MustProvision(key)
	if n := w.Pool.Calls("CreateBrokered"); n != made {
		t.Errorf("%d app clients made for one, want 1", n-made+1)
	}
	w.Recover("profile/open", key)
}

// No user signs in through the app client of a client with client_credentials, so
// that it needs no branding style.
func TestClientsWithoutUsersUseNoBrandingStyle(t *testing.T) {
	w := world.NewBrokeredWith(t, world.Options{Branding: true})
	w.Pool.LimitStyles(0)
	ci, _ := w.Vouched("trusted", world.CIBody)
	key := w.AppClientKey(ci)
	w.MustProvision(key)
	if a := w.AppClient(key); !a.Usable(true) || a.Branded {
		t.Errorf("app client %+v, want it usable without style", a)
	}
	w.MustProvision(key)
	if n := w.Pool.Calls("Brand"); n != 0 {
		t.Errorf("%d calls of Brand, want none", n)
	}
	w.Recover(key)
}

func TestAnAppClientThatNeedsAStyleSinceTheSignInPagesChanged(t *testing.T) {
	w := world.NewBrokered(t)
	w.MustProvision("profile/open")
	w.Branding = true
	w.Restart()
	w.MustProvision("profile/open")
	w.Recover("profile/open")
}

func TestProvisionWhateverFails(t *testing.T) {
	for _, kind := range []string{"shared", "dedicated"} {
		t.Run(kind, func(t *testing.T) {
			world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
				w.Branding = true
				w.Restart()
				key := broker.SharedAppClientKey("open")
				if kind == "dedicated" {
					id, _ := w.Vouched("trusted", world.ConfidentialBody)
					key = w.AppClientKey(id)
				}
				fault()
				if err := w.Provision(t.Context(), key); err != nil {
					if e := world.WantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter <= 0 {
						t.Error("no Retry-After")
					}
				} else if !w.AppClient(key).Usable(true) {
					t.Errorf("app client %s is not usable", key)
				}
				// A minute later the same link works, before the janitor comes.
				w.Store.Reset()
				w.Pool.Reset()
				w.Restart()
				w.Wait(time.Minute)
				w.MustProvision(key)
				w.Recover(key)
			})
		})
	}
}

func TestProvisionAndAContextThatEnds(t *testing.T) {
	w := world.NewBrokered(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.Pool.After("CreateBrokered", func() error { cancel(); return nil })
	if err := w.Provision(ctx, "profile/open"); err != nil {
		world.WantCode(t, "Provision", err, dcr.Unavailable)
	}
	w.Restart()
	w.Wait(time.Minute)
	w.MustProvision("profile/open")
	w.Recover("profile/open")
	if n := len(w.Pool.All()); n != 1 {
		t.Errorf("%d app clients, want 1", n)
	}
}
