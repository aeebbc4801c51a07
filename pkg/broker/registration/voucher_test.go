package registration_test

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestAJWTOfATrustedIssuerVouches(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		tok := w.CI("a.b.c", "acme/app")
		info, rat := w.MustRegister(world.ConfidentialBody, tok)
		if info.ClientSecret == "" || rat.IsZero() {
			t.Errorf("answer = %s, want a secret and a registration access token", world.MustJSON(t, info))
		}
		r, err := w.Inner.Registration(t.Context(), info.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := string(r.Voucher), "jwt/ci/repo:acme/app:ref:refs/heads/main"; got != want || r.Profile != "ci" {
			t.Errorf("registered by %q under %q, want by %q under ci", got, r.Profile, want)
		}
		if _, err := w.Read(t.Context(), info.ClientID, rat); err != nil {
			t.Errorf("Read: %v", err)
		}
		w.MustRegister(world.ConfidentialBody, tok)
		_, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		world.WantCode(t, "a third registration with one token", err, dcr.InvalidToken)
		w.MustRegister(world.ConfidentialBody, w.CI("d.e.f", "acme/app")) // another token of the same subject
		trusted := w.CI("g.h.i", "acme/trusted")
		for range 4 {
			w.MustRegister(world.ConfidentialBody, trusted)
		}
	})
}

func TestJWTsThatDoNotVouch(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		later := w.Now().Add(time.Hour)
		changed := func(name string, value any) policy.Claims {
			c := maps.Clone(world.CIClaims("acme/app"))
			c[name] = value
			return c
		}
		for _, tt := range []struct {
			name string
			tok  credential.Token
			want dcr.Code
		}{
			{"not signed", credential.Presented("x.y.z"), dcr.InvalidToken},
			{"from an issuer of statements", w.JWTs.Says("1.1.1", world.AppsIssuer, later, world.CIClaims("acme/app")), dcr.InvalidToken},
			{"for another audience", w.JWTs.Says("2.2.2", world.CIIssuer, later, changed("aud", "https://else.example")), dcr.InvalidToken},
			{"without an audience", w.JWTs.Says("3.3.3", world.CIIssuer, later, changed("aud", nil)), dcr.InvalidToken},
			{"for another repository", w.JWTs.Says("4.4.4", world.CIIssuer, later, changed("repo", "evil/app")), dcr.InsufficientScope},
			{"without exp", w.JWTs.Says("5.5.5", world.CIIssuer, time.Time{}, world.CIClaims("acme/app")), dcr.InvalidToken},
			{"without sub", w.JWTs.Says("6.6.6", world.CIIssuer, later, changed("sub", "")), dcr.InvalidToken},
			{"with a sub of 256 bytes", w.JWTs.Says("7.7.7", world.CIIssuer, later, changed("sub", strings.Repeat("s", 256))), dcr.InvalidToken},
			{"two parts", credential.Presented("x.y"), dcr.InvalidToken},
			{"with the prefix of the broker's tokens", credential.Presented("dcr_iat_a.b.c"), dcr.InvalidToken},
		} {
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tt.tok)
			if e := world.WantCode(t, tt.name, err, tt.want); strings.Contains(e.Description, "for the log") {
				t.Errorf("%s: the client sees %q", tt.name, e.Description)
			}
		}
		asked := w.JWTs.Asked
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), credential.Presented("dcr_iat_"+strings.Repeat("a", 76)+".."))
		world.WantCode(t, "a token of the broker with dots", err, dcr.InvalidToken)
		if w.JWTs.Asked != asked {
			t.Error("a token of the broker was verified as a JWT")
		}
		w.JWTs.Fails = errors.New("no route to host")
		_, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), w.CI("a.b.c", "acme/app"))
		if e := world.WantCode(t, "an issuer that cannot be reached", err, dcr.Unavailable); e.RetryAfter != 10*time.Second || strings.Contains(e.Description, "route") {
			t.Errorf("the client sees %q, and Retry-After %s", e.Description, e.RetryAfter)
		}
		if n := len(w.Pool.All()); n != 0 {
			t.Errorf("%d app clients, want none", n)
		}
		// Without issuers in the policy, nothing is verified.
		asked = w.JWTs.Asked
		w.UsePolicy(world.DirectPolicy)
		_, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), w.CI("a.b.c", "acme/app"))
		world.WantCode(t, "no issuers", err, dcr.InvalidToken)
		if w.JWTs.Asked != asked {
			t.Error("a token was verified although no issuer is trusted")
		}
	})
}

// A JWT is spent when it has registered as many clients as it may, even if the
// clock of a process that counts uses is late.
func TestUsesOfAJWTOutliveIt(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		tok := w.CI("a.b.c", "acme/app")
		w.MustRegister(world.ConfidentialBody, tok)
		w.MustRegister(world.ConfidentialBody, tok)
		w.Wait(19 * time.Minute)
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		world.WantCode(t, "nine minutes after it has expired", err, dcr.InvalidToken)
	})
}

func TestConcurrentRegistrationsOnTheLastUseOfAJWT(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		w.UsePolicy(strings.Replace(world.TrustingPolicy, `"creations_per_hour_per_token":4`, `"creations_per_hour_per_token":40`, 1))
		tok := w.CI("a.b.c", "acme/app")
		made := world.AtOnce(t, 20, dcr.InvalidToken, func() error {
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
			return err
		})
		if made != 2 {
			t.Errorf("%d registered with a token for two", made)
		}
	})
}

func TestRegistrationsAnHourAreLimitedForEachToken(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		ours, _ := w.Token("ci", 0)
		other, _ := w.Token("ci", 0)
		body := func(host string) string { return strings.Replace(world.ConfidentialBody, "app.example.com", host, 1) }
		for name, toks := range map[string][]credential.Token{
			"an initial access token":            {ours, ours, ours, ours, ours},
			"JWTs of one subject, each for once": {w.CI("1.1.1", "acme/app"), w.CI("2.2.2", "acme/app"), w.CI("3.3.3", "acme/app"), w.CI("4.4.4", "acme/app"), w.CI("5.5.5", "acme/app")},
		} {
			for i, tok := range toks[:4] {
				w.MustRegister(body(fmt.Sprintf("h%d.example.com", i)), tok) // the host is not counted
			}
			_, err := w.Register(t.Context(), world.Request(t, body("last.example.com")), toks[4])
			// The clock shows half past the hour.
			if e := world.WantCode(t, name, err, dcr.TooManyRequests); e.RetryAfter != 30*time.Minute || !strings.Contains(e.Description, "with this initial access token") {
				t.Errorf("%s: %q, Retry-After %s, want half an hour", name, e.Description, e.RetryAfter)
			}
		}
		w.MustRegister(world.ConfidentialBody, other)
		w.MustRegister(world.ConfidentialBody, w.CI("6.6.6", "acme/trusted")) // another subject
		w.Wait(30 * time.Minute)
		w.MustRegister(world.ConfidentialBody, ours)
		w.MustRegister(world.ConfidentialBody, w.CI("7.7.7", "acme/app"))
	})
}

// A use is given back if the registration fails, and only then.
func TestJWTRegistrationWhateverFails(t *testing.T) {
	t.Run("direct", func(t *testing.T) {
		world.ForEachTwoFaults(t, func(t *testing.T, w *world.World, c *world.Trouble) {
			w.UsePolicy(world.TrustingPolicy)
			tok := w.CI("a.b.c", "acme/app")
			var err error
			c.During(w, func() { _, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok) })
			if err != nil {
				world.WantCode(t, "Register", err, dcr.Unavailable)
			}
			if n := w.TakenByJWT(); err != nil && c.Single() && n != 0 {
				t.Errorf("%d uses taken by a registration that failed", n)
			}
			w.Recover()
			if got, want := w.TakenByJWT(), len(w.Pool.All()); got != want || err == nil && got != 1 {
				t.Errorf("%d uses taken for %d clients", got, want)
			}
		})
	})
	t.Run("brokered", func(t *testing.T) {
		world.WhateverFails(t, func(t *testing.T, w *world.Brokered, fault func()) {
			w.UseBrokeredPolicy(world.TrustingPolicy)
			tok := w.CI("a.b.c", "acme/app")
			fault()
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
			if err != nil {
				world.WantCode(t, "Register", err, dcr.Unavailable)
			}
			w.Recover()
			if got, want := w.TakenByJWT(), w.Rows(); got != want || err == nil && got != 1 {
				t.Errorf("%d uses taken for %d registrations", got, want)
			}
		})
	})
}

// A token that is over its own limit uses up nothing of the hour of its redirect
// host, which other tokens share.
func TestATokenOverItsLimitLocksOutNoOther(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		w.UsePolicy(strings.Replace(world.TrustingPolicy, `"creations_per_hour":30`, `"creations_per_hour":5`, 1))
		greedy := w.CI("a.b.c", "acme/trusted")
		for range 4 {
			w.MustRegister(world.ConfidentialBody, greedy)
		}
		for range 3 {
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), greedy)
			world.WantCode(t, "over the limit of the token", err, dcr.TooManyRequests)
		}
		w.MustRegister(world.ConfidentialBody, w.CI("d.e.f", "acme/app"))
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), w.CI("d.e.f", "acme/app"))
		world.WantCode(t, "over the limit of the host", err, dcr.TooManyRequests)
	})
}

// A registration does not give back a use that it could not take.
func TestARefusedJWTRegistrationTakesNoUse(t *testing.T) {
	world.InBothModes(t, func(t *testing.T, w *world.World) {
		tok := w.CI("a.b.c", "acme/app")
		for _, body := range []string{
			`{"redirect_uris":["http://localhost:1/cb"]}`, // not in the profile
			`{"redirect_uris":["https://app.example.com/cb#x"]}`,
		} {
			if _, err := w.Register(t.Context(), world.Request(t, body), tok); err == nil {
				t.Fatalf("%s was registered", body)
			}
		}
		w.Store.FailNext("CreateRegistration", 1, fake.NotApplied)
		_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
		world.WantCode(t, "a store that fails", err, dcr.Unavailable)
		w.MustRegister(world.ConfidentialBody, tok)
		w.MustRegister(world.ConfidentialBody, tok)

		trusted := w.CI("d.e.f", "acme/trusted") // for four an hour
		for range 3 {
			w.Store.FailNext("CreateRegistration", 1, fake.NotApplied)
			_, err := w.Register(t.Context(), world.Request(t, world.ConfidentialBody), trusted)
			world.WantCode(t, "a store that fails", err, dcr.Unavailable)
		}
		w.MustRegister(world.ConfidentialBody, trusted)
		// The four of this hour are over: a registration that is abandoned counts.
		_, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), trusted)
		world.WantCode(t, "the fifth of an hour", err, dcr.TooManyRequests)
	})
}
