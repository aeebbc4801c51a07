package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// knownJWTs is a JWTVerifier that knows what each token says; whether a
// signature is good is tested where they are verified (internal/adapter/issuers).
type knownJWTs struct {
	mu    sync.Mutex
	known map[string]*policy.JWT
	fails error
	asked int
}

func (k *knownJWTs) Verify(_ context.Context, issuers []policy.Issuer, token string) (*policy.JWT, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.fails != nil {
		return nil, k.fails
	}
	j := k.known[token]
	if j == nil {
		return nil, &policy.NotVerifiedError{Reason: "it is not signed", Cause: errors.New("for the log")}
	}
	if !slices.ContainsFunc(issuers, func(i policy.Issuer) bool { return i.URL == j.Issuer }) {
		return nil, policy.ErrUnknownIssuer
	}
	return j, nil
}

// says makes token a JWT with these claims that are verified.
func (k *knownJWTs) says(token, issuer string, expires time.Time, claims policy.Claims) credential.Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil {
		k.known = make(map[string]*policy.JWT)
	}
	sub, _ := claims["sub"].(string)
	k.known[token] = &policy.JWT{Issuer: issuer, Subject: sub, ID: "id of " + token, ExpiresAt: expires, Claims: claims}
	return credential.Presented(token)
}

const ciIssuer, appsIssuer = "https://ci.example.com", "https://apps.example.com"

// trustingPolicy trusts a CI system, whose tokens are good for two registrations
// each, and one whose tokens are not counted; and a publisher of software.
const trustingPolicy = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"loopback":true,"https":["https://app.example.com/cb"]},"software_statements":"accept"},
	"strict":{"redirect_uris":{"any_https":true},"token_endpoint_auth_methods":["client_secret_basic","none"],"software_statements":"require"},
	"ci":{"redirect_uris":{"any_https":true},"token_endpoint_auth_methods":["client_secret_basic","none"],
		"limits":{"app_clients":30,"creations_per_hour":30,"creations_per_hour_per_token":4}}},
	"token_issuers":[
		{"name":"ci","issuer":"https://ci.example.com","audience":"https://auth.example.com","claims":{"repo":"acme/app"},"profile":"ci","max_uses":2},
		{"name":"any","issuer":"https://ci.example.com","audience":"https://auth.example.com","claims":{"repo":"acme/trusted"},"profile":"ci"}],
	"statement_issuers":[{"issuer":"https://apps.example.com","claims":{"software_id":["one","two"]}}]}`

func ciClaims(repo string) policy.Claims {
	return policy.Claims{"sub": "repo:" + repo + ":ref:refs/heads/main", "aud": "https://auth.example.com", "repo": repo}
}

// ci makes a JWT of the CI system that is good for ten minutes.
func (w *world) ci(token, repo string) credential.Token {
	return w.jwts.says(token, ciIssuer, w.now().Add(10*time.Minute), ciClaims(repo))
}

// inBothModes runs f in a world of each mode under trustingPolicy.
func inBothModes(t *testing.T, f func(t *testing.T, w *world)) {
	t.Run("direct", func(t *testing.T) {
		w := newWorld(t)
		w.usePolicy(trustingPolicy)
		f(t, w)
	})
	t.Run("brokered", func(t *testing.T) {
		w := newBrokeredWorld(t)
		w.useBrokeredPolicy(trustingPolicy)
		f(t, w.world)
	})
}

func TestAJWTOfATrustedIssuerVouches(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		tok := w.ci("a.b.c", "acme/app")
		info, rat := w.mustRegister(confidentialBody, tok)
		if info.ClientSecret == "" || rat.IsZero() {
			t.Errorf("answer = %s, want a secret and a registration access token", mustJSON(t, info))
		}
		r, err := w.inner.Registration(t.Context(), info.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := r.InitialAccessToken, "jwt/ci/repo:acme/app:ref:refs/heads/main"; got != want || r.Profile != "ci" {
			t.Errorf("registered by %q under %q, want by %q under ci", got, r.Profile, want)
		}
		if _, err := w.Read(t.Context(), info.ClientID, rat); err != nil {
			t.Errorf("Read: %v", err)
		}
		w.mustRegister(confidentialBody, tok)
		_, err = w.Register(t.Context(), request(t, confidentialBody), tok)
		wantCode(t, "a third registration with one token", err, dcr.InvalidToken)
		w.mustRegister(confidentialBody, w.ci("d.e.f", "acme/app")) // another of the same subject
		trusted := w.ci("g.h.i", "acme/trusted")
		for range 4 {
			w.mustRegister(confidentialBody, trusted)
		}
	})
}

func TestJWTsThatDoNotVouch(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		later := w.now().Add(time.Hour)
		changed := func(name string, value any) policy.Claims {
			c := maps.Clone(ciClaims("acme/app"))
			c[name] = value
			return c
		}
		for _, tt := range []struct {
			name string
			tok  credential.Token
			want dcr.Code
		}{
			{"not signed", credential.Presented("x.y.z"), dcr.InvalidToken},
			{"of an issuer of statements", w.jwts.says("1.1.1", appsIssuer, later, ciClaims("acme/app")), dcr.InvalidToken},
			{"for another audience", w.jwts.says("2.2.2", ciIssuer, later, changed("aud", "https://else.example")), dcr.InvalidToken},
			{"for nobody", w.jwts.says("3.3.3", ciIssuer, later, changed("aud", nil)), dcr.InvalidToken},
			{"of another repository", w.jwts.says("4.4.4", ciIssuer, later, changed("repo", "evil/app")), dcr.InsufficientScope},
			{"without exp", w.jwts.says("5.5.5", ciIssuer, time.Time{}, ciClaims("acme/app")), dcr.InvalidToken},
			{"without sub", w.jwts.says("6.6.6", ciIssuer, later, changed("sub", "")), dcr.InvalidToken},
			{"with a sub of 256 bytes", w.jwts.says("7.7.7", ciIssuer, later, changed("sub", strings.Repeat("s", 256))), dcr.InvalidToken},
			{"two parts", credential.Presented("x.y"), dcr.InvalidToken},
			{"ours by its prefix", credential.Presented("dcr_iat_a.b.c"), dcr.InvalidToken},
		} {
			_, err := w.Register(t.Context(), request(t, confidentialBody), tt.tok)
			if e := wantCode(t, tt.name, err, tt.want); strings.Contains(e.Description, "for the log") {
				t.Errorf("%s: the client is told %q", tt.name, e.Description)
			}
		}
		asked := w.jwts.asked
		_, err := w.Register(t.Context(), request(t, confidentialBody), credential.Presented("dcr_iat_"+strings.Repeat("a", 76)+".."))
		wantCode(t, "a token of ours with dots", err, dcr.InvalidToken)
		if w.jwts.asked != asked {
			t.Error("a token of ours was given to be verified as a JWT")
		}
		w.jwts.fails = errors.New("no route to host")
		_, err = w.Register(t.Context(), request(t, confidentialBody), w.ci("a.b.c", "acme/app"))
		if e := wantCode(t, "an issuer that cannot be reached", err, dcr.Unavailable); e.RetryAfter != 10*time.Second || strings.Contains(e.Description, "route") {
			t.Errorf("the client is told %q, and to come back in %s", e.Description, e.RetryAfter)
		}
		if n := len(w.pool.All()); n != 0 {
			t.Errorf("%d app clients, want none", n)
		}
		// A policy that names no issuers asks nobody.
		asked = w.jwts.asked
		w.usePolicy(string(policy.Default()))
		_, err = w.Register(t.Context(), request(t, confidentialBody), w.ci("a.b.c", "acme/app"))
		wantCode(t, "no issuers", err, dcr.InvalidToken)
		if w.jwts.asked != asked {
			t.Error("a token was verified that nobody could be trusted for")
		}
	})
}

// A JWT is spent when it has registered what it may, whatever the clock of
// whoever counts says when it has just expired.
func TestUsesOfAJWTOutliveIt(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		tok := w.ci("a.b.c", "acme/app")
		w.mustRegister(confidentialBody, tok)
		w.mustRegister(confidentialBody, tok)
		w.wait(19 * time.Minute)
		_, err := w.Register(t.Context(), request(t, confidentialBody), tok)
		wantCode(t, "nine minutes after it has expired", err, dcr.InvalidToken)
	})
}

func TestConcurrentRegistrationsOnTheLastUseOfAJWT(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		w.usePolicy(strings.Replace(trustingPolicy, `"creations_per_hour_per_token":4`, `"creations_per_hour_per_token":40`, 1))
		tok := w.ci("a.b.c", "acme/app")
		var wg sync.WaitGroup
		errs := make([]error, 20)
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
		if made != 2 {
			t.Errorf("%d registered with a token for two", made)
		}
	})
}

func TestRegistrationsAnHourAreLimitedForEachToken(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		ours, _ := w.token("ci", 0)
		other, _ := w.token("ci", 0)
		body := func(host string) string { return strings.Replace(confidentialBody, "app.example.com", host, 1) }
		for name, toks := range map[string][]credential.Token{
			"an initial access token":            {ours, ours, ours, ours, ours},
			"JWTs of one subject, each for once": {w.ci("1.1.1", "acme/app"), w.ci("2.2.2", "acme/app"), w.ci("3.3.3", "acme/app"), w.ci("4.4.4", "acme/app"), w.ci("5.5.5", "acme/app")},
		} {
			for i, tok := range toks[:4] {
				w.mustRegister(body(fmt.Sprintf("h%d.example.com", i)), tok) // the host is not what is counted
			}
			_, err := w.Register(t.Context(), request(t, body("last.example.com")), toks[4])
			// The clock stands at half past.
			if e := wantCode(t, name, err, dcr.TooManyRequests); e.RetryAfter != 30*time.Minute || !strings.Contains(e.Description, "with this initial access token") {
				t.Errorf("%s: %q, Retry-After %s, want half an hour", name, e.Description, e.RetryAfter)
			}
		}
		w.mustRegister(confidentialBody, other)
		w.mustRegister(confidentialBody, w.ci("6.6.6", "acme/trusted")) // another subject
		w.wait(30 * time.Minute)
		w.mustRegister(confidentialBody, ours)
		w.mustRegister(confidentialBody, w.ci("7.7.7", "acme/app"))
	})
}

// members of the two budgets of a JWT that TestJWTRegistrationWhateverFails looks
// at, if the test began when the clock stood at start.
func (w *world) takenByJWT() int {
	return w.members("jwt/id of a.b.c")
}

// A use is given back when the registration fails, and only then.
func TestJWTRegistrationWhateverFails(t *testing.T) {
	t.Run("direct", func(t *testing.T) {
		forEachTwoFaults(t, func(t *testing.T, w *world, c *trouble) {
			w.usePolicy(trustingPolicy)
			tok := w.ci("a.b.c", "acme/app")
			var err error
			c.during(w, func() { _, err = w.Register(t.Context(), request(t, confidentialBody), tok) })
			if err != nil {
				wantCode(t, "Register", err, dcr.Unavailable)
			}
			if n := w.takenByJWT(); err != nil && c.single() && n != 0 {
				t.Errorf("%d uses taken by a registration that failed", n)
			}
			w.recover()
			if got, want := w.takenByJWT(), len(w.pool.All()); got != want || err == nil && got != 1 {
				t.Errorf("%d uses taken for %d clients", got, want)
			}
		})
	})
	t.Run("brokered", func(t *testing.T) {
		whateverFails(t, func(t *testing.T, w *brokeredWorld, fault func()) {
			w.useBrokeredPolicy(trustingPolicy)
			tok := w.ci("a.b.c", "acme/app")
			fault()
			_, err := w.Register(t.Context(), request(t, confidentialBody), tok)
			if err != nil {
				wantCode(t, "Register", err, dcr.Unavailable)
			}
			w.recover()
			if got, want := w.takenByJWT(), w.rows(); got != want || err == nil && got != 1 {
				t.Errorf("%d uses taken for %d registrations", got, want)
			}
		})
	})
}

// What a JWT could not take is nothing that is given back.
func TestARefusedJWTRegistrationHoldsNothing(t *testing.T) {
	inBothModes(t, func(t *testing.T, w *world) {
		tok := w.ci("a.b.c", "acme/app")
		for _, body := range []string{
			`{"redirect_uris":["http://localhost:1/cb"]}`, // not in the profile
			`{"redirect_uris":["https://app.example.com/cb#x"]}`,
		} {
			if _, err := w.Register(t.Context(), request(t, body), tok); err == nil {
				t.Fatalf("%s was registered", body)
			}
		}
		w.store.FailNext("CreateRegistration", 1, fake.NotApplied)
		_, err := w.Register(t.Context(), request(t, confidentialBody), tok)
		wantCode(t, "a store that fails", err, dcr.Unavailable)
		w.mustRegister(confidentialBody, tok)
		w.mustRegister(confidentialBody, tok)

		trusted := w.ci("d.e.f", "acme/trusted") // for four an hour
		for range 3 {
			w.store.FailNext("CreateRegistration", 1, fake.NotApplied)
			_, err := w.Register(t.Context(), request(t, confidentialBody), trusted)
			wantCode(t, "a store that fails", err, dcr.Unavailable)
		}
		for range 4 {
			w.mustRegister(confidentialBody, trusted)
		}
	})
}
