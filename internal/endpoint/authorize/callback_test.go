package authorize

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// wantFailure fails unless the callback failed: a is a redirect to a URL
// without code and state, and the page there has the text want.
func (b *browser) wantFailure(a answer, status int, want string) answer {
	t := b.w.T
	t.Helper()
	u := a.at(t)
	if u.IsAbs() || u.Path != "/callback" || u.Query().Has("code") || u.Query().Has("state") || !u.Query().Has("problem") && !u.Query().Has("denied") {
		t.Errorf("location = %q, want our own without code and state", a.location)
	}
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers = %v, want no-store and no-referrer", a.header)
	}
	page := b.get(a.location)
	wantPage(t, page, status, want)
	return page
}

func (w *world) wantNoGrant() {
	w.T.Helper()
	if got := w.AllGrants(); len(got) != 0 {
		w.T.Errorf("%d grants, want none", len(got))
	}
}

// wantRevoked fails unless Cognito's revocation endpoint got this number of
// calls.
func (w *world) wantRevoked(calls int) {
	w.T.Helper()
	if got := w.cognito.Calls("revoke"); got != calls {
		w.T.Errorf("Cognito got %d revocations, want %d", got, calls)
	}
}

// Login CSRF (RFC 9700 §4.7): an attacker signs in and sends the victim the
// address of the attacker's callback.
func TestACallbackOfAnotherUserIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	attacker, victim, stranger := w.browser(), w.browser(), w.browser()
	attack := attacker.signIn(attacker.authorize(requestOf(id, webURI)), "bob")
	own := victim.signIn(victim.authorize(requestOf(id, webURI)), "alice")

	victim.wantFailure(victim.get(attack), http.StatusBadRequest, "")
	stranger.wantFailure(stranger.get(attack), http.StatusBadRequest, "")
	if n := w.cognito.Calls("token"); n != 0 {
		t.Errorf("%d codes were redeemed, want none", n)
	}
	// The victim's own sign-in still works.
	if a := victim.get(own); !a.asks() {
		t.Fatalf("the victim's own callback went to %q", a.location)
	}
	if page := victim.consent(); !strings.Contains(page.body, "alice") || strings.Contains(page.body, "bob") {
		t.Errorf("the victim's page is not the victim's\n%s", main(page.body))
	}
	w.wantNoGrant()
}

func TestACallbackIsUsedOnce(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	if a := b.get(callback); !a.asks() {
		t.Fatalf("location = %q, want the consent page", a.location)
	}
	b.wantFailure(b.get(callback), http.StatusBadRequest, "")
	if n := w.cognito.Calls("token"); n != 1 {
		t.Errorf("%d codes were redeemed, want 1", n)
	}
	// The transaction still works, and the page can be loaded again.
	for range 3 {
		wantPage(t, b.consent(), http.StatusOK, "alice")
	}
	a := b.decide(b.consent(), "allow")
	w.wantCode(a.target(t), webURI)
	b.wantFailure(b.get(callback), http.StatusBadRequest, "")
	if got := w.AllGrants(); len(got) != 1 {
		t.Errorf("%d grants, want 1", len(got))
	}
}

func TestATransactionLivesTenMinutes(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	w.Clock.Advance(broker.TransactionLifetime)
	b.wantFailure(b.get(callback), http.StatusBadRequest, "")

	page := b.arrive(requestOf(id, webURI), "alice")
	w.Clock.Advance(broker.TransactionLifetime)
	wantPage(t, b.consent(), http.StatusBadRequest, "expired")
	wantPage(t, b.decide(page, "allow"), http.StatusBadRequest, "expired")
	w.wantNoGrant()
}

func TestInvalidCallbacks(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	u := must.ParseURL(t, b.signIn(b.authorize(requestOf(id, webURI)), "alice"))
	code, state := "code="+u.Query().Get("code"), "state="+u.Query().Get("state")
	for name, query := range map[string]string{
		"nothing":            "",
		"code without state": code,
		"state without code": state,
		"other state":        code + "&state=" + randomText(),
		"empty state":        code + "&state=",
		"code twice":         code + "&" + code + "&" + state,
		"state twice":        code + "&" + state + "&" + state,
		"code and error":     code + "&" + state + "&error=access_denied",
		"not a query":        code + "&" + state + "&%zz",
		"unknown problem":    "problem=nonsense",
		"unknown denial":     "denied=nonsense",
		"denial of no one":   "denied=access_denied",
		"state without id":   code + "&state=" + strings.SplitAfter(u.Query().Get("state"), ".")[1],
		"id alone":           code + "&state=" + strings.SplitAfter(u.Query().Get("state"), ".")[0],
		"other id":           code + "&state=AAAAAAAAAAAAAAAA." + strings.SplitAfter(u.Query().Get("state"), ".")[1],
	} {
		t.Run(name, func(t *testing.T) {
			a := b.get("/callback?" + query)
			if a.status == http.StatusSeeOther {
				a = b.wantFailure(a, http.StatusBadRequest, "")
			}
			if a.status != http.StatusBadRequest {
				t.Errorf("status %d, want 400", a.status)
			}
		})
	}
	if a := b.get(u.String()); !a.asks() { // the callback itself still works
		t.Errorf("the callback went to %q afterwards", a.location)
	}
}

// The token endpoint fails or is slow, before or after its effect.
func TestCognitoFailsAtTheCallback(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"fails before": {Effect: emulator.FailBefore}, "fails after": {Effect: emulator.FailAfter},
		"cut before": {Effect: emulator.CutBefore}, "cut after": {Effect: emulator.CutAfter},
		"throttles":   {Effect: emulator.Throttle},
		"slow before": {Effect: emulator.SlowBefore}, "slow after": {Effect: emulator.SlowAfter},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.register("asking", nil, webURI)
			b := w.browser()
			callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
			w.cognito.Faults().Inject("token", fault)
			patient := w.oauth.Client
			if fault.Effect == emulator.SlowBefore || fault.Effect == emulator.SlowAfter {
				w.limitCognito()
			}
			w.wantError(b.get(callback).at(t), webURI, "temporarily_unavailable")
			w.wantNoGrant()
			w.cognito.Faults().Clear()
			w.oauth.Client = patient
			b.wantFailure(b.get(callback), http.StatusBadRequest, "")
			w.wantCode(b.decide(b.arrive(requestOf(id, webURI), "alice"), "allow").target(t), webURI)
		})
	}
	t.Run("a made-up code", func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		a := b.authorize(requestOf(w.register("asking", nil, webURI), webURI))
		w.wantError(b.cognitoSays(a, "code=nonsense").at(t), webURI, "server_error")
		a = b.authorize(requestOf(w.register("open", nil, evilURI), evilURI))
		page := b.wantFailure(b.cognitoSays(a, "code=nonsense"), http.StatusBadRequest, "server_error")
		w.wantError(page.target(t), evilURI, "server_error")
	})
	t.Run("the code is another transaction's", func(t *testing.T) {
		w := newWorld(t)
		id := w.register("asking", nil, webURI)
		attacker, victim := w.browser(), w.browser()
		u := must.ParseURL(t, attacker.signIn(attacker.authorize(requestOf(id, webURI)), "bob"))
		a := victim.authorize(requestOf(id, webURI))
		w.wantError(victim.cognitoSays(a, "code="+u.Query().Get("code")).at(t), webURI, "server_error")
		w.wantNoGrant()
	})
}

func TestAClientThatEndsDuringTheSignIn(t *testing.T) {
	for name, tt := range map[string]struct {
		end    func(*broker.Registration)
		status int
		page   string
	}{
		"changed, and pending":   {func(r *broker.Registration) { r.State = broker.RegistrationPending }, http.StatusForbidden, "waiting for approval"},
		"disabled":               {func(r *broker.Registration) { r.State = broker.RegistrationDisabled }, http.StatusForbidden, "switched off"},
		"deleted by an operator": {func(r *broker.Registration) { r.State = broker.RegistrationDeleted }, http.StatusForbidden, "switched off"},
		"being deleted":          {func(r *broker.Registration) { r.State = broker.RegistrationDeleting }, http.StatusBadRequest, "register again"},
		"ended":                  {func(r *broker.Registration) { r.State = broker.RegistrationRemoved }, http.StatusBadRequest, "register again"},
		"registered again":       {func(r *broker.Registration) { r.Generation = credential.NewID() }, http.StatusBadRequest, "register again"},
	} {
		for _, when := range []string{"at the callback", "at the consent page", "at the decision"} {
			t.Run(name+" "+when, func(t *testing.T) {
				w := newWorld(t)
				id := w.register("asking", nil, webURI)
				b := w.browser()
				callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
				change := func() {
					reg := w.Registration(id)
					if err := w.Store.DeleteRegistration(t.Context(), id, reg.Generation); err != nil {
						t.Fatal(err)
					}
					tt.end(reg)
					if err := w.Store.CreateRegistration(t.Context(), reg); err != nil {
						t.Fatal(err)
					}
				}
				if when == "at the callback" {
					change()
					b.wantFailure(b.get(callback), http.StatusBadRequest, tt.page) // a page about the callback is always 400
					if n := w.cognito.Calls("token"); n != 0 {
						t.Errorf("%d codes were redeemed, want none", n)
					}
					return
				}
				b.get(callback)
				page := b.consent()
				change()
				if when == "at the consent page" {
					wantPage(t, b.consent(), tt.status, tt.page)
				}
				wantPage(t, b.decide(page, "allow"), tt.status, tt.page)
				w.wantNoGrant()
				w.wantRevoked(1)
			})
		}
	}
}

func TestCallbackWhenTheStoreFails(t *testing.T) {
	for _, tt := range []struct {
		method string
		remote bool // the client receives the error
	}{{"Transaction", false}, {"Registration", false}, {"TakeStep", false}, {"ReplaceTransaction", true}} {
		for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
			t.Run(tt.method+" "+point.String(), func(t *testing.T) {
				w := newWorld(t)
				id := w.register("asking", nil, webURI)
				b := w.browser()
				callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
				w.Store.FailNext(tt.method, 1, point)
				a := b.get(callback)
				if tt.remote {
					w.wantError(a.at(t), webURI, "temporarily_unavailable")
					w.wantRevoked(1)
					if page := b.consent(); page.status == http.StatusOK {
						t.Error("there is a consent page for a sign-in that was given up")
					}
				} else {
					wantPage(t, a, http.StatusServiceUnavailable, "")
					if a.header.Get("Retry-After") == "" {
						t.Error("no Retry-After")
					}
					again := b.get(callback) // the user loads the page again
					if tt.method == "TakeStep" && point == fake.ReplyLost {
						b.wantFailure(again, http.StatusBadRequest, "")
					} else if !again.asks() {
						t.Errorf("loaded again: status %d, location %q, want the consent page", again.status, again.location)
					}
				}
				w.wantNoGrant()
				w.wantCode(b.decide(b.arrive(requestOf(id, webURI), "alice"), "allow").target(t), webURI)
			})
		}
	}
}

// An operator can delete an app client at Cognito.
func TestAnAppClientThatIsDeletedBeforeTheCallback(t *testing.T) {
	w := newWorld(t)
	id := w.register("staff", nil, webURI)
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	app := w.AppClient(w.dedicated(id))
	w.deleteAppClient(app.CognitoID)
	w.wantError(b.get(callback).at(t), webURI, "server_error")
	w.wantNoGrant()
}

// Tokens that do not name the user must not become a grant.
func TestTokensThatDoNotNameTheUser(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	odd := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		claims := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x","iat":1899999000,"exp":1900000000,"scope":"notes/read"}`))
		rw.Write([]byte(`{"access_token":"e30.` + claims + `.c2ln","refresh_token":"r","token_type":"Bearer"}`))
	}))
	defer odd.Close()
	w.redirectTokenEndpoint(odd.URL)
	w.wantError(b.get(callback).at(t), webURI, "server_error")
	w.wantNoGrant()

}
