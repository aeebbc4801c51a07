package authorize

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// transaction returns the ID and the secret of the browser's last transaction.
func (b *browser) transaction() (id, secret string) {
	b.w.T.Helper()
	for _, c := range b.client.Jar.Cookies(must.ParseURL(b.w.T, b.w.issuer)) {
		if _, after, ok := strings.Cut(c.Name, "dcr_tx_"); ok {
			id, secret = after, c.Value
		}
	}
	if id == "" {
		b.w.T.Fatal("the browser is in no transaction")
	}
	return id, secret
}

// keyOf is the key of the browser's last transaction.
func (b *browser) keyOf() credential.Hash {
	b.w.T.Helper()
	_, secret := b.transaction()
	return credential.Presented(secret).Hash()
}

// refreshToken returns Cognito's refresh token in the browser's transaction, with
// its app client.
func (b *browser) refreshToken() (broker.AppCredentials, string) {
	b.w.T.Helper()
	t, err := b.w.Store.Transaction(b.w.T.Context(), b.keyOf())
	if err != nil {
		b.w.T.Fatal(err)
	}
	text, err := b.w.Keys.Open("transaction", t.Key.String(), t.Tokens)
	if err != nil {
		b.w.T.Fatal(err)
	}
	tokens, err := broker.DecodeTokens(text)
	if err != nil {
		b.w.T.Fatal(err)
	}
	app := b.w.AppClient(t.AppClient)
	s, err := b.w.Keys.Open(broker.SecretPurpose, app.SecretOwner(), app.Secret)
	if err != nil {
		b.w.T.Fatal(err)
	}
	return broker.AppCredentials{ID: app.CognitoID, Secret: s}, tokens.RefreshToken
}

// wantRefused fails if Cognito still accepts the refresh token.
func (w *world) wantRefused(app broker.AppCredentials, refreshToken string) {
	w.T.Helper()
	if _, err := w.oauth.Refresh(w.T.Context(), app, refreshToken); err == nil {
		w.T.Error("Cognito still accepts the refresh token")
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
	app, token := b.refreshToken()
	key := b.keyOf()
	a := b.decide(page, "cancel")
	wantPage(t, a, http.StatusOK, "http-equiv")
	w.wantError(a.target(t), webURI, "access_denied")
	if _, secret := b.transaction(); secret != "ended" {
		t.Errorf("the browser still has the secret %q", secret)
	}
	w.wantRefused(app, token)
	w.wantNoGrant()
	if _, err := w.Store.Transaction(t.Context(), key); err != broker.ErrNotFound {
		t.Errorf("the transaction: %v, want it deleted", err)
	}
	t.Run("every later request gets a page", func(t *testing.T) {
		for _, decision := range []string{"cancel", "allow", "switch"} {
			wantPage(t, b.decide(page, decision), http.StatusBadRequest, "this sign-in has ended")
		}
		wantPage(t, b.consent(), http.StatusBadRequest, "this sign-in has ended") // back
		w.wantNoGrant()
	})
}

// All kinds of second decisions in one transaction.
func TestADecisionIsMadeOnce(t *testing.T) {
	t.Run("allow twice", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
		first := b.decide(page, "allow").target(t)
		for range 3 {
			if again := b.decide(page, "allow").target(t); again.String() != first.String() {
				t.Errorf("the second answer leads to %s, the first to %s", again, first)
			}
		}
		if back := b.consent().target(t); back.String() != first.String() {
			t.Errorf("back leads to %s, the decision to %s", back, first)
		}
		if n := len(w.AllGrants()); n != 1 {
			t.Errorf("%d grants, want 1", n)
		}
		w.useCode(first)
		wantPage(t, b.decide(page, "allow"), http.StatusBadRequest, "decided already")
		wantPage(t, b.consent(), http.StatusBadRequest, "decided already")
	})
	t.Run("allow and then something else", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
		b.decide(page, "allow")
		for _, decision := range []string{"cancel", "switch"} {
			wantPage(t, b.decide(page, decision), http.StatusBadRequest, "decided already")
		}
		w.wantRevoked(0)
	})
	t.Run("the code has expired", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
		b.decide(page, "allow")
		w.Clock.Advance(broker.CodeLifetime)
		wantPage(t, b.decide(page, "allow"), http.StatusBadRequest, "decided already")
	})
	t.Run("all at once", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
		w.pause = broker.Pause
		var wg sync.WaitGroup
		answers := make([]answer, 8)
		for i := range answers {
			wg.Go(func() { answers[i] = b.decide(page, "allow") })
		}
		wg.Wait()
		for _, a := range answers {
			if got, want := a.target(t).String(), answers[0].target(t).String(); got != want {
				t.Errorf("one answer leads to %s, another to %s", got, want)
			}
		}
		if n := len(w.AllGrants()); n != 1 {
			t.Errorf("%d grants, want 1", n)
		}
	})
	t.Run("allow and cancel at once", func(t *testing.T) {
		for range 10 {
			w := newWorld(t)
			b := w.browser()
			page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
			var wg sync.WaitGroup
			var allowed, cancelled answer
			wg.Go(func() { allowed = b.decide(page, "allow") })
			wg.Go(func() { cancelled = b.decide(page, "cancel") })
			wg.Wait()
			if a, c := allowed.status == http.StatusOK, cancelled.status == http.StatusOK; a == c {
				t.Errorf("allow: status %d, cancel: status %d; want one of the two", allowed.status, cancelled.status)
			}
			if n := len(w.AllGrants()); allowed.status != http.StatusOK && n != 0 {
				t.Errorf("cancelled, and %d grants", n)
			}
		}
	})
}

// useCode marks the code of the target as used, as the token endpoint does.
func (w *world) useCode(u *url.URL) {
	w.T.Helper()
	g := w.wantCode(u, webURI)
	g.CodeUsed = true
	if err := w.Store.ReplaceGrant(w.T.Context(), g); err != nil {
		w.T.Fatal(err)
	}
}

// Cross-site request forgery of a consent, and other invalid forms.
func TestForgedForms(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b, other := w.browser(), w.browser()
	page := b.arrive(requestOf(id, webURI), "alice")
	foreign := other.arrive(requestOf(id, webURI), "bob")
	twice := func(name string, values ...string) url.Values {
		v := page.form(t, "decision", "allow")
		v[name] = values
		return v
	}
	allow, token, transaction := page.form(t, "decision", "allow"), page.form(t).Get("csrf"), page.form(t).Get("transaction")
	for name, form := range map[string]url.Values{
		"no token":                       page.form(t, "decision", "allow", "csrf", "-"),
		"empty token":                    page.form(t, "decision", "allow", "csrf", ""),
		"made up token":                  page.form(t, "decision", "allow", "csrf", randomText()),
		"token of another browser":       page.form(t, "decision", "allow", "csrf", foreign.form(t).Get("csrf")),
		"token twice":                    twice("csrf", token, token),
		"no transaction":                 page.form(t, "decision", "allow", "transaction", "-"),
		"transaction of another browser": page.form(t, "decision", "allow", "transaction", foreign.form(t).Get("transaction")),
		"transaction twice":              twice("transaction", transaction, transaction),
		"form of another browser":        foreign.form(t, "decision", "allow"),
		"no decision":                    page.form(t),
		"decision twice":                 twice("decision", "cancel", "allow"),
		"unknown decision":               page.form(t, "decision", "Allow"),
		"too large":                      page.form(t, "decision", "allow", "x", strings.Repeat("x", maxForm)),
	} {
		t.Run(name, func(t *testing.T) {
			wantPage(t, b.post(form), http.StatusBadRequest, "")
		})
	}
	t.Run("no cookie", func(t *testing.T) {
		wantPage(t, w.browser().post(allow), http.StatusBadRequest, "no cookie")
	})
	t.Run("in the query", func(t *testing.T) {
		a := b.get("/authorize?" + allow.Encode())
		wantPage(t, a, http.StatusBadRequest, "client_id is required")
	})
	t.Run("as JSON", func(t *testing.T) {
		r := must.Request(t, http.MethodPost, w.issuer+"/authorize", `{"decision":"allow","csrf":"`+token+`","transaction":"`+transaction+`"}`)
		r.Header.Set("Content-Type", "application/json")
		wantPage(t, b.do(r), http.StatusBadRequest, "Content-Type")
	})
	w.wantNoGrant()
	// The policy no-referrer makes the Origin of our own form null.
	t.Run("the form itself, with any Origin", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.issuer+"/authorize",
			strings.NewReader(allow.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "null")
		w.wantCode(b.do(r).target(t), webURI)
	})
}

func TestUsersWhoMayConsent(t *testing.T) {
	w := newWorld(t)
	id := w.register("staff", nil, webURI)
	w.wantCode(w.allow(requestOf(id, webURI), "alice"), webURI)

	b := w.browser()
	page := b.arrive(requestOf(id, webURI), "bob")
	wantPage(t, page, http.StatusForbidden, "bob")
	wantPage(t, b.decide(page, "allow"), http.StatusForbidden, "") // without the button
	if n := len(w.AllGrants()); n != 1 {
		t.Errorf("%d grants, want only alice's", n)
	}
	page = b.arrive(requestOf(id, webURI), "bob")
	if got := b.decide(page, "switch").target(t).Path; got != "/logout" {
		t.Errorf("switch leads to %s", got)
	}
}

// allow goes through the whole flow in a new browser and returns the redirect URI
// with the code.
func (w *world) allow(v url.Values, user string) *url.URL {
	w.T.Helper()
	b := w.browser()
	return b.decide(b.arrive(v, user), "allow").target(w.T)
}

func TestAtMostSixCallsAStep(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, webURI)
	w.browser().authorize(requestOf(id, webURI)) // so that the app client exists
	b := w.browser()
	var a answer
	step := func(name string, most int, do func()) {
		t.Helper()
		before := w.calls()
		do()
		if n := w.calls() - before; n > most {
			t.Errorf("%s: %d calls of the store, want at most %d", name, n, most)
		}
	}
	var page answer
	step("GET /authorize", 3, func() { a = b.authorize(requestOf(id, webURI)) })
	callback := b.signIn(a, "alice")
	step("GET /callback", 5, func() { b.get(callback) })
	step("GET /consent", 2, func() { page = b.consent() })
	step("POST /authorize, allow", 6, func() { b.decide(page, "allow") })
	callback = b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	step("GET /callback, remembered", 6, func() { a = b.get(callback) })
	w.wantCode(a.at(t), webURI)
	page = b.arrive(requestOf(id, webURI, "prompt", "consent"), "alice")
	step("POST /authorize, switch", 5, func() { b.decide(page, "switch") })
	step("GET /signed-out", 1, func() { a = b.get("/signed-out") })
	b.get(b.signIn(a, "alice"))
	page = b.arrive(requestOf(id, webURI, "prompt", "consent"), "alice")
	step("POST /authorize, cancel", 5, func() { b.decide(page, "cancel") })
}

// A request that waits for another one gets its answer before API Gateway gives
// up.
func TestRequestsHaveATimeLimit(t *testing.T) {
	w := newWorld(t)
	var deadline time.Time
	h := timed(func(_ http.ResponseWriter, r *http.Request) { deadline, _ = r.Context().Deadline() })
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, w.issuer+"/callback", nil)
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(nil, r)
	if left := time.Until(deadline); left > authorization.RequestTime || left < authorization.RequestTime-time.Second {
		t.Errorf("a request may take %s, want %s", left, authorization.RequestTime)
	}
}
