package brokered_test

import (
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

const loopbackBody = `{"client_name":"Claude Code","redirect_uris":["http://localhost:%d/callback","http://127.0.0.1:%d/callback"]}`

func TestOpenRegistrationOfBrokeredMode(t *testing.T) {
	w := world.NewBrokered(t)
	info, _ := w.MustRegister(strings.Replace(world.PublicBody, `"none"`, `"client_secret_basic"`, 1), world.None)
	if !regexp.MustCompile(`^dcr_[a-z2-7]{26}$`).MatchString(info.ClientID) {
		t.Errorf("client_id = %q", info.ClientID)
	}
	if info.ClientSecret != "" || info.RegistrationAccessToken != "" || info.RegistrationClientURI != "" {
		t.Errorf("secret %q, token %q, URI %q, want none, because all clients with this metadata share it", info.ClientSecret, info.RegistrationAccessToken, info.RegistrationClientURI)
	}
	if info.Metadata.TokenEndpointAuthMethod != dcr.AuthNone || info.Metadata.Scope != "mcp/read mcp/write" || !info.IssuedAt.Equal(world.Start) {
		t.Errorf("information = %+v", info.Metadata)
	}
	r := w.Registration(info.ClientID)
	if r.Mode != broker.ModeBrokered || !r.ExpiresAt.Equal(world.Start.Add(7*24*time.Hour)) || !r.AccessTokens.Current.IsZero() || r.Generation == "" {
		t.Errorf("stored = %+v", r)
	}
	if n := len(w.Pool.All()); n != 0 || w.Pool.Calls("CreateBrokered") != 0 || w.Pool.Calls("Create") != 0 {
		t.Errorf("%d app clients, want none before one is needed", n)
	}
	w.CheckConsistent()
}

func TestTheSameMetadataIsTheSameClient(t *testing.T) {
	w := world.NewBrokered(t)
	first, _ := w.MustRegister(fmt.Sprintf(loopbackBody, 4711, 4711), world.None)
	for _, body := range []string{
		fmt.Sprintf(loopbackBody, 1, 65535),
		strings.ReplaceAll(loopbackBody, ":%d", ""),
		`{"redirect_uris":["http://127.0.0.1:9/callback","http://localhost:8/callback","http://localhost:9/callback"],"client_name":"Claude Code"}`,
		`{"client_name":"Claude Code","redirect_uris":["http://localhost/callback","http://127.0.0.1/callback","https://evil.example/"]}`, // refused by policy
		strings.Replace(fmt.Sprintf(loopbackBody, 2, 2), `{`, `{"scope":"mcp/read","token_endpoint_auth_method":"client_secret_post",`, 1),
	} {
		info, _ := w.MustRegister(body, world.None)
		if info.ClientID != first.ClientID {
			t.Errorf("%s: client_id %s, want %s", body, info.ClientID, first.ClientID)
		}
	}
	for _, body := range []string{
		strings.Replace(fmt.Sprintf(loopbackBody, 1, 1), "Claude Code", "Claude code", 1),
		strings.Replace(fmt.Sprintf(loopbackBody, 1, 1), "127.0.0.1", "[::1]", 1),
		strings.Replace(fmt.Sprintf(loopbackBody, 1, 1), "/callback", "/callback/", 1),
		strings.Replace(fmt.Sprintf(loopbackBody, 1, 1), "/callback", "/callback?", 1),
		`{"client_name":"Claude Code","redirect_uris":["http://localhost/callback"]}`,
		strings.Replace(fmt.Sprintf(loopbackBody, 1, 1), `{`, `{"software_id":"x",`, 1),
	} {
		info, _ := w.MustRegister(body, world.None)
		if info.ClientID == first.ClientID {
			t.Errorf("%s: client_id %s, want another", body, info.ClientID)
		}
	}
}

// The port of an IPv6 loopback URI is not mistaken for a part of its address.
func TestIPv6LoopbackPorts(t *testing.T) {
	w := world.NewBrokered(t)
	a, _ := w.MustRegister(`{"redirect_uris":["http://[::1]:1/cb"]}`, world.None)
	b, _ := w.MustRegister(`{"redirect_uris":["http://[::1]/cb"]}`, world.None)
	if a.ClientID != b.ClientID {
		t.Errorf("client_id %s and %s, want the same", a.ClientID, b.ClientID)
	}
}

func TestEachRequestGetsItsOwnRedirectURIs(t *testing.T) {
	w := world.NewBrokered(t)
	for _, restart := range []bool{false, true} {
		for _, port := range []int{4711, 4712, 4713} {
			info, _ := w.MustRegister(fmt.Sprintf(loopbackBody, port, port+1), world.None)
			want := []string{fmt.Sprintf("http://localhost:%d/callback", port), fmt.Sprintf("http://127.0.0.1:%d/callback", port+1)}
			if !slices.Equal(info.Metadata.RedirectURIs, want) {
				t.Errorf("redirect_uris = %q, want %q", info.Metadata.RedirectURIs, want)
			}
			if restart {
				w.Restart()
			}
		}
	}
	if n := w.Rows(); n != 1 {
		t.Errorf("%d registrations, want 1", n)
	}
}

func TestProfilesDoNotShareClients(t *testing.T) {
	w := world.NewBrokered(t)
	a, _ := w.MustRegister(world.PublicBody, world.None)
	w.UseBrokeredPolicy(strings.ReplaceAll(world.BrokeredPolicy, `"open"`, `"other"`))
	b, _ := w.MustRegister(world.PublicBody, world.None)
	if a.ClientID == b.ClientID {
		t.Errorf("client_id %s under two profiles, want two", a.ClientID)
	}
}

func TestCostsOfARepeatedRegistration(t *testing.T) {
	w := world.NewBrokered(t)
	first, _ := w.MustRegister(world.PublicBody, world.None)
	for _, tt := range []struct {
		name          string
		wait          time.Duration
		restart       bool
		reads, writes int
	}{
		{"at once", 0, false, 0, 0},
		{"59 seconds later", 59 * time.Second, false, 0, 0},
		{"a minute after the first, read again", time.Second, false, 1, 0},
		{"from memory again", 30 * time.Second, false, 0, 0},
		{"in another process", 0, true, 1, 0},
		{"59 minutes after the first", 57 * time.Minute, false, 1, 0},
		{"an hour after the first, extended", 2 * time.Minute, false, 1, 1},
		{"once", 2 * time.Minute, false, 1, 0},
	} {
		if tt.restart {
			w.Restart()
		}
		w.Wait(tt.wait)
		w.Store.Reset()
		info, _ := w.MustRegister(world.PublicBody, world.None)
		if info.ClientID != first.ClientID || !info.IssuedAt.Equal(world.Start) {
			t.Errorf("%s: client_id %s issued at %s, want %s and %s", tt.name, info.ClientID, info.IssuedAt, first.ClientID, world.Start)
		}
		if reads := w.Store.Calls("Registration"); reads != tt.reads || w.Writes() != tt.writes {
			t.Errorf("%s: %d reads and %d writes, want %d and %d", tt.name, reads, w.Writes(), tt.reads, tt.writes)
		}
	}
	if got := w.Registration(first.ClientID).ExpiresAt; got.Before(w.Now().Add(7*24*time.Hour - time.Hour)) {
		t.Errorf("expires at %s, which is less than the lifetime but an hour after %s", got, w.Now())
	}
}

var million = flag.Bool("million", false, "make a million registrations, which takes half a minute")

func TestAMillionRegistrationsBy300KindsOfClientAre300Rows(t *testing.T) {
	total := 30_000
	if *million {
		total = 1_000_000
	} else {
		t.Logf("%d registrations in place of a million; run with -million for all", total)
	}
	const kinds = 300
	w := world.NewBrokered(t)
	requests := make([]*dcr.Request, kinds)
	for i := range requests {
		requests[i] = world.Request(t, fmt.Sprintf(`{"client_name":"Kind %d","redirect_uris":["http://localhost:%d/cb"]}`, i, 1024+i))
	}
	ids := make(map[string]bool)
	for i := range total {
		info, err := w.Register(t.Context(), requests[i%kinds], world.None)
		if err != nil {
			t.Fatal(err)
		}
		ids[info.ClientID] = true
		if i%(total/1000) == 0 {
			w.Wait(time.Second) // all of them in a quarter of an hour
		}
	}
	if n := w.Rows(); n != kinds || len(ids) != kinds {
		t.Errorf("%d rows and %d client ids, want %d", n, len(ids), kinds)
	}
	minutes := int(w.Now().Sub(world.Start)/time.Minute) + 1
	reads, writes := w.Store.Calls("Registration"), w.Store.Calls("CreateRegistration")+w.Store.Calls("ReplaceRegistration")
	if writes != kinds || reads > kinds*minutes {
		t.Errorf("%d reads and %d writes, want at most %d and %d", reads, writes, kinds*minutes, kinds)
	}
}

func TestConcurrentFirstRegistrationsAgree(t *testing.T) {
	w := world.NewBrokered(t)
	const n = 50
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			info, err := w.Register(t.Context(), world.Request(t, fmt.Sprintf(loopbackBody, 1024+i, 1024+i)), world.None)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = info.ClientID
		})
	}
	wg.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 || w.Rows() != 1 {
		t.Errorf("client ids %q in %d rows, want one", slices.Compact(ids), w.Rows())
	}
}

// Another request registers the same client as the last of the hour, between the
// read and the count of this one.
func TestTheLastRegistrationOfAnHourServesAllWhoSendIt(t *testing.T) {
	w := world.NewBrokered(t)
	w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"app_clients":5`, `"app_clients":5,"creations_per_hour":1`, 1))
	var other *dcr.ClientInformation
	w.Store.Around("Count", func(do func() error) error {
		if other == nil {
			other = new(dcr.ClientInformation)
			other, _ = w.MustRegister(world.PublicBody, world.None)
		}
		return do()
	})
	info, _ := w.MustRegister(world.PublicBody, world.None)
	if other == nil || info.ClientID != other.ClientID || w.Rows() != 1 {
		t.Errorf("client ids %s and %v in %d rows, want one", info.ClientID, other, w.Rows())
	}
}

func TestAnUnconfirmedRegistrationExpires(t *testing.T) {
	w := world.NewBrokered(t)
	first, _ := w.MustRegister(world.PublicBody, world.None)
	was := w.Registration(first.ClientID)
	w.Wait(6 * 24 * time.Hour)
	w.MustRegister(world.PublicBody, world.None) // extends it
	w.Wait(6 * 24 * time.Hour)
	if _, err := w.Client(t.Context(), first.ClientID); err != nil {
		t.Fatalf("Client, 6 days after a repeat: %v", err)
	}
	w.Wait(24 * time.Hour)
	if _, err := w.Client(t.Context(), first.ClientID); err == nil {
		t.Error("an unused registration still exists after 7 days")
	}
	again, _ := w.MustRegister(world.PublicBody, world.None)
	if now := w.Registration(again.ClientID); again.ClientID != first.ClientID || now.Generation == was.Generation || !again.IssuedAt.Equal(w.Now()) {
		t.Errorf("after its expiry: client_id %s, generation %s, issued at %s, want the same id, a new generation and now", again.ClientID, now.Generation, again.IssuedAt)
	}
}

func TestMemoryIsAMinuteOldAtMost(t *testing.T) { fake.EachClock(t, testMemoryIsAMinuteOldAtMost) }

func testMemoryIsAMinuteOldAtMost(t *testing.T, clock *fake.Clock) {
	w := world.NewBrokeredWith(t, world.Options{Clock: clock})
	first, _ := w.MustRegister(world.PublicBody, world.None)
	was := w.Registration(first.ClientID)
	if err := w.Inner.DeleteRegistration(t.Context(), was.ClientID, was.Generation); err != nil {
		t.Fatal(err)
	}
	w.Wait(59 * time.Second)
	w.MustRegister(world.PublicBody, world.None)
	if n := w.Rows(); n != 0 {
		t.Errorf("%d rows, want the answer from memory", n)
	}
	w.Wait(time.Second)
	w.MustRegister(world.PublicBody, world.None)
	if now := w.Registration(first.ClientID); now.Generation == was.Generation {
		t.Errorf("generation %s again, want a new one", now.Generation)
	}
}

func TestAClientThatIsUsedDoesNotExpire(t *testing.T) {
	w := world.NewBrokered(t)
	info, _ := w.MustRegister(world.PublicBody, world.None)
	r, err := w.Client(t.Context(), info.ClientID)
	if err != nil {
		t.Fatal(err)
	}
	w.Wait(2 * time.Hour)
	w.MustRegister(world.PublicBody, world.None) // extends it in the meantime, so that r is out of date
	w.Store.Reset()
	if err := w.Touch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got := w.Registration(info.ClientID)
	if !got.ExpiresAt.IsZero() || !r.ExpiresAt.IsZero() {
		t.Errorf("expires at %s, want never", got.ExpiresAt)
	}
	if n := w.Store.Calls("TouchRegistration"); n != 0 {
		t.Error("the request also recorded the use, which is a second write")
	}
	if err := w.Touch(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got := w.Registration(info.ClientID); !got.LastUsedAt.Equal(w.Now()) {
		t.Errorf("last used at %s, want now", got.LastUsedAt)
	}
	w.Wait(100 * 24 * time.Hour)
	w.Store.Reset()
	w.MustRegister(world.PublicBody, world.None)
	if w.Writes() != 0 || !w.Registration(info.ClientID).ExpiresAt.IsZero() {
		t.Errorf("a repeat made %d writes, want none: there is nothing to extend", w.Writes())
	}
}

func TestDisabledAndDeletedClientsStayRefused(t *testing.T) {
	for _, state := range []broker.RegistrationState{broker.RegistrationDisabled, broker.RegistrationDeleted} {
		t.Run(string(state), func(t *testing.T) {
			w := world.NewBrokered(t)
			info, _ := w.MustRegister(world.PublicBody, world.None)
			r := w.Registration(info.ClientID)
			r.State, r.ExpiresAt = state, time.Time{}
			if err := w.Inner.ReplaceRegistration(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			w.Wait(time.Minute) // after this the memory is out of date
			_, err := w.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
			world.WantCode(t, "Register", err, dcr.InvalidClientMetadata)
			if _, err := w.Client(t.Context(), info.ClientID); err == nil {
				t.Error("the client can be used")
			}
			w.Wait(1000 * 24 * time.Hour)
			_, err = w.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
			world.WantCode(t, "Register, years later", err, dcr.InvalidClientMetadata)
		})
	}
}

func TestTheScopesOfAnOpenRegistrationFollowTheProfile(t *testing.T) {
	w := world.NewBrokered(t)
	first, _ := w.MustRegister(world.PublicBody, world.None)
	w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"limits":{"app_clients":5}},
	"trusted"`, `"scopes":{"allowed":["mcp/read"]}},
	"trusted"`, 1))
	info, _ := w.MustRegister(world.PublicBody, world.None)
	if info.ClientID != first.ClientID || info.Metadata.Scope != "mcp/read" || w.Registration(info.ClientID).Metadata.Scope != "mcp/read" {
		t.Errorf("client_id %s with scope %q, stored %q, want %s and mcp/read", info.ClientID, info.Metadata.Scope,
			w.Registration(info.ClientID).Metadata.Scope, first.ClientID)
	}
}

func TestCreationsAnHourCountNewClientsOnly(t *testing.T) {
	w := world.NewBrokered(t)
	w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"limits":{"app_clients":5}},
	"trusted"`, `"limits":{"creations_per_hour":2}},
	"trusted"`, 1))
	body := func(name string) string { return strings.Replace(world.PublicBody, "Claude", name, 1) }
	for range 3 {
		w.Restart()
		w.MustRegister(body("a"), world.None)
		w.MustRegister(body("b"), world.None)
	}
	_, err := w.Register(t.Context(), world.Request(t, body("c")), world.None)
	if e := world.WantCode(t, "third kind", err, dcr.TooManyRequests); e.RetryAfter != 30*time.Minute {
		t.Errorf("Retry-After = %s, want 30 minutes", e.RetryAfter)
	}
	w.MustRegister(body("a"), world.None)
	w.MustRegister(`{"redirect_uris":["http://localhost/cb"]}`, world.None) // another host
	w.Wait(30 * time.Minute)
	w.MustRegister(body("c"), world.None)
}

func TestOpenRegistrationWhateverFails(t *testing.T) {
	for name, before := range map[string]func(*world.Brokered){
		"first":  func(*world.Brokered) {},
		"repeat": func(w *world.Brokered) { w.MustRegister(world.PublicBody, world.None); w.Wait(2 * time.Hour) },
		"again, after its removal": func(w *world.Brokered) {
			info, _ := w.MustRegister(world.PublicBody, world.None)
			r := w.Registration(info.ClientID)
			r.Tombstone(w.Now())
			r.Due = time.Time{}
			if err := w.Inner.ReplaceRegistration(w.T.Context(), r); err != nil {
				w.T.Fatal(err)
			}
			w.Wait(2 * time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
				// Two an hour: a registration that fails may have been counted.
				w.UseBrokeredPolicy(strings.Replace(world.BrokeredPolicy, `"app_clients":5`, `"app_clients":5,"creations_per_hour":2`, 1))
				before(w)
				fault()
				info, err := w.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
				if err != nil {
					if e := world.WantCode(t, "Register", err, dcr.Unavailable); e.RetryAfter <= 0 {
						t.Error("no Retry-After")
					}
				} else if got := w.Registration(info.ClientID); got.ExpiresAt.Before(w.Now().Add(6 * 24 * time.Hour)) {
					t.Errorf("expires at %s, the client relies on a week", got.ExpiresAt)
				}
				w.Recover()
				w.CheckConsistent()
				again, _ := w.MustRegister(world.PublicBody, world.None)
				if err == nil && again.ClientID != info.ClientID {
					t.Errorf("client_id %s, want %s again", again.ClientID, info.ClientID)
				}
				if n := w.Rows(); n != 1 {
					t.Errorf("%d rows, want 1", n)
				}
			})
		})
	}
}

// Memory is not used after the clock was set back.
func TestMemoryAndTheClock(t *testing.T) {
	w := world.NewBrokered(t)
	w.MustRegister(world.PublicBody, world.None)
	w.Wait(-time.Minute)
	w.Store.Reset()
	w.MustRegister(world.PublicBody, world.None)
	if n := w.Store.Calls("Registration"); n != 1 {
		t.Errorf("%d reads, want 1", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	w := world.NewBrokered(t)
	for i := range 5000 {
		w.MustRegister(fmt.Sprintf(`{"client_name":"%d","redirect_uris":["http://localhost/cb"]}`, i), world.None)
	}
	w.Store.Reset()
	w.MustRegister(`{"client_name":"0","redirect_uris":["http://localhost/cb"]}`, world.None)
	if n := w.Store.Calls("Registration"); n != 1 {
		t.Errorf("%d reads for the oldest of 5,000, want 1: the memory must be bounded", n)
	}
}
