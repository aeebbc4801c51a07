package authorize

import (
	"net/http"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestSwitchingTheUser(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	page := b.arrive(requestOf(id, webURI, "login_hint", "alice", "nonce", "n"), "alice")
	app, token := b.refreshToken()
	key := b.keyOf()
	a := b.decide(page, "switch")
	wantPage(t, a, http.StatusOK, "http-equiv")
	out := a.target(t)
	if got := out.Query(); !strings.HasPrefix(out.String(), w.cognito.URL+"/logout?") || got.Get("logout_uri") != w.issuer+"/signed-out" || got.Get("client_id") != app.ID {
		t.Fatalf("target = %s, want Cognito's logout with our sign-out URL", out)
	}
	w.wantRefused(app, token)
	if _, err := w.Store.Transaction(t.Context(), key); err != broker.ErrNotFound {
		t.Errorf("the former transaction: %v, want it deleted", err)
	}
	wantPage(t, b.decide(page, "allow"), http.StatusBadRequest, "") // the form of the former transaction

	back, err := b.cognito.Open(t.Context(), out.String())
	if err != nil {
		t.Fatal(err)
	}
	if got := back.String(); got != w.issuer+"/signed-out" {
		t.Fatalf("Cognito redirects to %s, want our sign-out page", got)
	}
	again := b.get("/signed-out")
	q := again.at(t).Query()
	if q.Has("login_hint") || q.Get("nonce") != "n" || q.Get("prompt") != "select_account" || q.Get("scope") != "openid notes/read" {
		t.Errorf("the request to Cognito is %s, want the former one without the hint", again.location)
	}
	a = b.get(b.signIn(again, "bob"))
	if !a.asks() {
		t.Fatalf("callback went to %q", a.location)
	}
	page = b.consent()
	if !strings.Contains(page.body, "bob") || strings.Contains(page.body, "alice") {
		t.Errorf("the page does not name bob\n%s", main(page.body))
	}
	g := w.wantCode(b.decide(page, "allow").target(t), webURI)
	if g.User.Username != "bob" {
		t.Errorf("the grant is %s's, want bob's", g.User.Username)
	}
}

func TestSignedOutWithoutATransaction(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	wantPage(t, b.get("/signed-out"), http.StatusOK, "")
	b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
	wantPage(t, b.get("/signed-out"), http.StatusOK, "") // already signed in: no sign-in to continue
}

func TestSwitchWhenSomethingFails(t *testing.T) {
	for _, method := range []string{"CreateTransaction", "DeleteTransaction"} {
		for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
			t.Run(method+" "+point.String(), func(t *testing.T) {
				w := newWorld(t)
				id := w.register("asking", nil, webURI)
				b := w.browser()
				page := b.arrive(requestOf(id, webURI), "alice")
				w.Store.FailNext(method, 1, point)
				a := b.decide(page, "switch")
				if method == "DeleteTransaction" {
					a.target(t)
					wantPage(t, b.decide(page, "allow"), http.StatusBadRequest, "")
					w.wantNoGrant()
				} else { // the user can decide again
					if !a.asks() {
						t.Fatalf("status %d, location %q, want the consent page", a.status, a.location)
					}
					w.wantCode(b.decide(b.get(a.location), "allow").target(t), webURI)
				}
				b.arrive(requestOf(id, webURI), "bob")
			})
		}
	}
}
