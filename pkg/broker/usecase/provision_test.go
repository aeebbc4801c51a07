package usecase_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

const ciBody = `{"client_name":"CI","grant_types":["client_credentials"],"token_endpoint_auth_method":"client_secret_basic"}`

func TestProvision(t *testing.T) {
	w := newBrokeredWorld(t)
	open, _ := w.mustRegister(publicBody, none)
	dedicated, _ := w.vouched("trusted", strings.Replace(confidentialBody, `{`, `{"scope":"mcp/read",`, 1))
	shared, _ := w.vouched("together", strings.Replace(confidentialBody, "client_secret_basic", "none", 1))
	ci, _ := w.vouched("trusted", ciBody)
	var keys []string
	for _, tt := range []struct {
		clientID, key string
		spec          broker.BrokeredAppClient
	}{
		{open.ClientID, "profile/open", broker.BrokeredAppClient{Name: "open", Scopes: brokeredScopes}},
		{shared, "profile/together", broker.BrokeredAppClient{Name: "together", Scopes: brokeredScopes}},
		{dedicated, "client/" + dedicated + "/" + w.registration(dedicated).Generation,
			broker.BrokeredAppClient{Name: "App", Scopes: []string{"openid", "mcp/read"}}},
		{ci, "client/" + ci + "/" + w.registration(ci).Generation,
			broker.BrokeredAppClient{Name: "CI", Scopes: []string{"mcp/read", "mcp/write"}, ClientCredentials: true}},
	} {
		key := w.appClientKey(tt.clientID)
		if key != tt.key {
			t.Errorf("key of %s = %q, want %q", tt.clientID, key, tt.key)
		}
		keys = append(keys, key)
		a := w.mustProvision(key)
		if got := w.pool.All()[a.CognitoID].Brokered; got == nil || fmt.Sprint(*got) != fmt.Sprint(tt.spec) {
			t.Errorf("%s was made as %+v, want %+v", key, got, tt.spec)
		}
		w.mustProvision(key) // once is enough
	}
	if n := w.pool.Calls("CreateBrokered"); n != len(keys) {
		t.Errorf("%d app clients made, want %d", n, len(keys))
	}
	w.recover(keys...)
}

func TestProvisionRefuses(t *testing.T) {
	w := newBrokeredWorld(t)
	open, _ := w.mustRegister(publicBody, none)
	client, _ := w.vouched("trusted", confidentialBody)
	generation := w.registration(client).Generation
	off, _ := w.vouched("trusted", confidentialBody)
	disabled := w.registration(off)
	disabled.State = broker.RegistrationDisabled
	if err := w.inner.ReplaceRegistration(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"", "profile/", "profile/nobody", "profile/trusted", "profile/open/x", "client/", "client//", "registering/" + client, client,
		"client/" + client + "/" + strings.Repeat("a", 26),                                    // of another generation
		"client/" + client + "/" + generation + "/",                                           //
		broker.DedicatedAppClientKey(open.ClientID, w.registration(open.ClientID).Generation), // nothing vouched for it
		broker.DedicatedAppClientKey(off, disabled.Generation),
		strings.Repeat("x", 5000), "client/\x00/\xff",
	} {
		if err := w.Provision(t.Context(), key); !errors.Is(err, broker.ErrNotFound) {
			t.Errorf("Provision(%.60q) = %v, want ErrNotFound", key, err)
		}
	}
	if n := w.pool.Calls("CreateBrokered"); n != 0 {
		t.Errorf("%d app clients made, want none", n)
	}
	// The profile of open registration that is so no more: what registered openly
	// gets nothing of its own.
	w.useBrokeredPolicy(strings.Replace(brokeredPolicy, `"open_registration":"open",`, "", 1))
	if err := w.Provision(t.Context(), w.appClientKey(open.ClientID)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision for a client that nothing vouched for = %v, want ErrNotFound", err)
	}
	// A profile that has become a shared one since: no more dedicated ones.
	w.useBrokeredPolicy(strings.Replace(brokeredPolicy, `"trusted":{`, `"trusted":{"app_client":"shared",`, 1))
	if err := w.Provision(t.Context(), broker.DedicatedAppClientKey(client, generation)); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("Provision under a policy that says shared = %v, want ErrNotFound", err)
	}
	a := w.mustProvision(w.appClientKey(client))
	w.recover(a.Key)
}

func TestStrangersMakeOneAppClient(t *testing.T) {
	w := newBrokeredWorld(t)
	w.useBrokeredPolicy(strings.Replace(brokeredPolicy, `"app_clients":5`, `"app_clients":100`, 1))
	for i := range 10_000 {
		info, _ := w.mustRegister(fmt.Sprintf(`{"client_name":"Stranger %d","redirect_uris":["https://s%d.apps.example.com/cb"]}`, i, i), none)
		w.mustProvision(w.appClientKey(info.ClientID))
		own := broker.DedicatedAppClientKey(info.ClientID, w.registration(info.ClientID).Generation)
		if err := w.Provision(t.Context(), own); !errors.Is(err, broker.ErrNotFound) {
			t.Fatalf("Provision(%s) = %v, want ErrNotFound", own, err)
		}
	}
	if n := len(w.pool.All()); n != 1 || w.pool.Calls("CreateBrokered") != 1 {
		t.Errorf("%d app clients, want 1", n)
	}
	w.checkConsistent("profile/open")
}

// inBubble runs f with a clock that moves when everybody waits.
func inBubble(t *testing.T, f func(t *testing.T, w *brokeredWorld)) {
	synctest.Test(t, func(t *testing.T) {
		w := newBrokeredWorld(t)
		w.ticking = true
		f(t, w)
	})
}

func TestConcurrentProvisioningMakesOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *brokeredWorld) {
		clientID, _ := w.vouched("trusted", confidentialBody)
		w.maker = &slowMaker{Pool: w.pool, before: func() { time.Sleep(3 * time.Second) }}
		w.branding = true
		w.restart()
		for _, key := range []string{"profile/open", w.appClientKey(clientID)} {
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
		if n := len(w.pool.All()); n != 2 {
			t.Errorf("%d app clients, want 2", n)
		}
		w.recover("profile/open", w.appClientKey(clientID))
	})
}

func TestTheLoserDoesNotWaitForEver(t *testing.T) {
	inBubble(t, func(t *testing.T, w *brokeredWorld) {
		release := make(chan struct{})
		w.maker = &slowMaker{Pool: w.pool, before: func() { <-release }}
		w.restart()
		winner := make(chan error)
		go func() { winner <- w.Provision(t.Context(), "profile/open") }()
		synctest.Wait()
		began := time.Now()
		err := w.Provision(t.Context(), "profile/open")
		if e := wantCode(t, "loser", err, dcr.Unavailable); e.RetryAfter <= 0 {
			t.Error("no Retry-After")
		}
		if waited := time.Since(began); waited > 10*time.Second {
			t.Errorf("waited %s, want 10 seconds at most", waited)
		}
		close(release)
		if err := <-winner; err != nil {
			t.Errorf("winner: %v", err)
		}
		w.recover("profile/open")
	})
}

// A lost reply holds up nobody for longer than a minute, without the janitor.
func TestALostCreationIsMadeAgain(t *testing.T) {
	for _, p := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		t.Run(p.String(), func(t *testing.T) {
			w := newBrokeredWorld(t)
			w.pool.FailNext("CreateBrokered", 1, p)
			err := w.Provision(t.Context(), "profile/open")
			if e := wantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter != time.Minute {
				t.Errorf("Retry-After = %s, want 1m", e.RetryAfter)
			}
			first := w.appClient("profile/open").Marker
			w.wait(time.Minute)
			a := w.mustProvision("profile/open")
			if a.Marker == first || len(a.Abandoned) != 1 || a.Abandoned[0] != first {
				t.Errorf("marker %s, abandoned %q, want a new one and %s", a.Marker, a.Abandoned, first)
			}
			w.recover("profile/open")
		})
	}
}

// Whoever comes back after he was taken for dead leaves nothing behind.
func TestAProvisioningThatWasOvertaken(t *testing.T) {
	overtake := map[string]func(w *brokeredWorld){
		"by another": func(w *brokeredWorld) {
			w.wait(time.Minute)
			w.maker = w.pool
			w.restart()
			w.mustProvision("profile/open")
		},
		"by the janitor": func(w *brokeredWorld) {
			w.wait(3 * time.Minute)
			if _, err := w.Sweep(w.t.Context(), usecase.SweepOptions{}); err != nil {
				w.t.Error(err)
			}
		},
		"by both": func(w *brokeredWorld) {
			w.wait(3 * time.Minute)
			if _, err := w.Sweep(w.t.Context(), usecase.SweepOptions{}); err != nil {
				w.t.Error(err)
			}
			w.maker = w.pool
			w.restart()
			w.mustProvision("profile/open")
		},
	}
	for name, f := range overtake {
		for _, when := range []string{"before", "after"} {
			t.Run(name+", "+when+" the creation", func(t *testing.T) {
				w := newBrokeredWorld(t)
				slow := &slowMaker{Pool: w.pool}
				once := sync.OnceFunc(func() { f(w) })
				if when == "before" {
					slow.before = once
				} else {
					slow.after = once
				}
				w.maker = slow
				w.restart()
				err := w.Provision(t.Context(), "profile/open")
				if err != nil {
					wantCode(t, "Provision", err, dcr.Unavailable)
				}
				w.recover()
				w.checkConsistent(w.existing("profile/open")...)
				w.mustProvision("profile/open")
				w.recover("profile/open")
			})
		}
	}
}

func TestAFullOrThrottledPool(t *testing.T) {
	w := newBrokeredWorld(t)
	info, _ := w.mustRegister(publicBody, none)
	full := dcr.Errorf(dcr.Unavailable, "the user pool is full")
	full.RetryAfter = time.Hour
	w.maker = &slowMaker{Pool: w.pool, err: &broker.NotAppliedError{Err: full}}
	w.restart()
	for range 3 {
		err := w.Provision(t.Context(), "profile/open")
		if e := wantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter != time.Hour {
			t.Errorf("Retry-After = %s, want that of the pool", e.RetryAfter)
		}
		w.checkConsistent()
	}
	w.maker = w.pool
	w.restart()
	w.mustProvision(w.appClientKey(info.ClientID)) // the same link works later
	w.recover("profile/open")
}

func TestTheProfilesLimitOfAppClients(t *testing.T) {
	w := newBrokeredWorld(t)
	var keys []string
	for range 6 {
		id, _ := w.vouched("trusted", confidentialBody)
		keys = append(keys, w.appClientKey(id))
	}
	for _, key := range keys[:5] {
		w.mustProvision(key)
	}
	err := w.Provision(t.Context(), keys[5])
	if e := wantCode(t, "sixth", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	w.recover(keys[:5]...)
}

func TestBranding(t *testing.T) {
	w := newBrokeredWorld(t)
	w.branding = true
	var log bytes.Buffer
	w.log = slog.New(slog.NewJSONHandler(&log, nil))
	w.restart()
	w.pool.LimitStyles(1)
	clientID, _ := w.vouched("trusted", confidentialBody)
	key := w.appClientKey(clientID)
	w.mustProvision("profile/open")
	ctx, activity := telemetry.Begin(t.Context(), "")
	err := w.Provision(ctx, key)
	if e := wantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
	activity.Log(ctx, w.log, "provisioned")
	if !errors.Is(err, broker.ErrBrandingLimit) {
		t.Errorf("Provision = %v, want ErrBrandingLimit", err)
	}
	for _, part := range []string{`"shared\"`, `"Name":"BrandingStylesUsedUp","Unit":"Count"`, `"BrandingStylesUsedUp":1`} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log line does not have %s: %s", part, &log)
		}
	}
	if a := w.appClient(key); a.Usable(true) || !a.Usable(false) {
		t.Errorf("without style: %+v is usable for managed login", a)
	}
	made := w.pool.Calls("CreateBrokered")
	w.pool.LimitStyles(2)
	w.mustProvision(key)
	if n := w.pool.Calls("CreateBrokered"); n != made {
		t.Errorf("%d app clients made for one, want 1", n-made+1)
	}
	w.recover("profile/open", key)
}

func TestAnAppClientThatNeedsAStyleSinceTheSignInPagesChanged(t *testing.T) {
	w := newBrokeredWorld(t)
	w.mustProvision("profile/open")
	w.branding = true
	w.restart()
	w.mustProvision("profile/open")
	w.recover("profile/open")
}

func TestProvisionWhateverFails(t *testing.T) {
	for _, kind := range []string{"shared", "dedicated"} {
		t.Run(kind, func(t *testing.T) {
			whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
				w.branding = true
				w.restart()
				key := broker.SharedAppClientKey("open")
				if kind == "dedicated" {
					id, _ := w.vouched("trusted", confidentialBody)
					key = w.appClientKey(id)
				}
				fault()
				if err := w.Provision(t.Context(), key); err != nil {
					if e := wantCode(t, "Provision", err, dcr.Unavailable); e.RetryAfter <= 0 {
						t.Error("no Retry-After")
					}
				} else if !w.appClient(key).Usable(true) {
					t.Errorf("app client %s is not usable", key)
				}
				// A minute later the same link works, before the janitor comes.
				w.store.Reset()
				w.pool.Reset()
				w.restart()
				w.wait(time.Minute)
				w.mustProvision(key)
				w.recover(key)
			})
		})
	}
}

func TestProvisionAndAContextThatEnds(t *testing.T) {
	w := newBrokeredWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.maker = &slowMaker{Pool: w.pool, after: cancel}
	w.restart()
	if err := w.Provision(ctx, "profile/open"); err != nil {
		wantCode(t, "Provision", err, dcr.Unavailable)
	}
	w.maker = w.pool
	w.restart()
	w.wait(time.Minute)
	w.mustProvision("profile/open")
	w.recover("profile/open")
	if n := len(w.pool.All()); n != 1 {
		t.Errorf("%d app clients, want 1", n)
	}
}
