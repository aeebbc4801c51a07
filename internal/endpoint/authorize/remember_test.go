package authorize

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// signInAgain signs in and reports whether there is a consent page.
func (b *browser) signInAgain(clientID, uri, user string, changes ...string) (asked bool) {
	b.w.T.Helper()
	a := b.get(b.signIn(b.authorize(requestOf(clientID, uri, changes...)), user))
	if a.asks() {
		return true
	}
	b.w.wantCode(a.at(b.w.T), uri)
	return false
}

func TestAConsentCoversOnlyWhatTheUserAllowed(t *testing.T) {
	two := func(s *setup) {
		s.resources = append(s.resources, broker.Resource{URL: files, Scopes: []string{"files/read", "notes/read"}})
		s.binding = true
	}
	const otherURI = "https://claude.com/api/mcp/auth_callback"
	w := newWorld(t, two)
	on := []string{"scope", "notes/read notes/write", "resource", notes}
	id := w.register("open", nil, webURI, otherURI, deskURI, appURI)
	b := w.browser()
	page := b.arrive(requestOf(id, webURI, on...), "alice")
	if !strings.Contains(page.body, "will not be asked about this again for <bdi>30</bdi> days") {
		t.Errorf("the page does not say that the consent is remembered\n%s", main(page.body))
	}
	b.decide(page, "allow")
	for _, tt := range []struct {
		name    string
		uri     string
		user    string
		changes []string
		asked   bool
	}{
		{"the same", webURI, "alice", on, false},
		{"fewer scopes", webURI, "alice", []string{"scope", "notes/write", "resource", notes}, false},
		{"more scopes", webURI, "alice", []string{"scope", "notes/read notes/write email", "resource", notes}, true},
		{"another resource", webURI, "alice", []string{"scope", "notes/read", "resource", files}, true},
		{"another redirect URI", otherURI, "alice", on, true},
		{"another user", webURI, "bob", on, true},
		{"prompt=consent", webURI, "alice", append([]string{"prompt", "consent"}, on...), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := w.browser()
			if got := b.signInAgain(id, tt.uri, tt.user, tt.changes...); got != tt.asked {
				t.Errorf("consent page = %t, want %t", got, tt.asked)
			}
		})
	}
	t.Run("another client", func(t *testing.T) {
		if !w.browser().signInAgain(w.register("open", nil, webURI), webURI, "alice", on...) {
			t.Error("no consent page")
		}
	})
	t.Run("the client registered again", func(t *testing.T) {
		reg := w.Registration(id)
		if err := w.Store.DeleteRegistration(t.Context(), id, reg.Generation); err != nil {
			t.Fatal(err)
		}
		old := reg.Generation
		reg.Generation = credential.NewID()
		if err := w.Store.CreateRegistration(t.Context(), reg); err != nil {
			t.Fatal(err)
		}
		if !w.browser().signInAgain(id, webURI, "alice", on...) {
			t.Error("no consent page")
		}
		if err := w.Store.DeleteRegistration(t.Context(), id, reg.Generation); err != nil {
			t.Fatal(err)
		}
		reg.Generation = old
		if err := w.Store.CreateRegistration(t.Context(), reg); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("for 30 days", func(t *testing.T) {
		w.Clock.Advance(30*24*time.Hour - 2*time.Minute)
		if w.browser().signInAgain(id, webURI, "alice", on...) {
			t.Error("a consent page before that")
		}
		w.Clock.Advance(2 * time.Minute)
		if !w.browser().signInAgain(id, webURI, "alice", on...) {
			t.Error("no consent page after that")
		}
	})
}

func TestAConsentIsNotRememberedWithoutThePolicy(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	w.wantCode(w.allow(requestOf(id, webURI), "alice"), webURI)
	if !w.browser().signInAgain(id, webURI, "alice") {
		t.Error("no consent page")
	}
	if n := w.Store.Calls("PutConsent"); n != 0 {
		t.Errorf("%d consents were stored", n)
	}
}

// RFC 8252 §8.6: any program on the user's device can pose as the client. Open
// registrations with the same metadata have the same client id.
func TestALocalProgramGetsAPageAndNoCode(t *testing.T) {
	w := newWorld(t)
	id := w.register("open", nil, deskURI, appURI, webURI)
	b := w.browser()
	for _, uri := range []string{"http://127.0.0.1:4000/callback", appURI, webURI} {
		w.wantCode(b.decide(b.arrive(requestOf(id, uri), "alice"), "allow").target(t), uri)
	}
	before := len(w.AllGrants())
	// alice is still signed in at Cognito and enters no password.
	for _, uri := range []string{"http://127.0.0.1:4000/callback", "http://127.0.0.1:6666/callback", appURI} {
		a := b.authorize(requestOf(id, uri))
		callback, err := b.cognito.Open(t.Context(), a.location)
		if err != nil {
			t.Fatal(err)
		}
		if a = b.get(callback.String()); !a.asks() {
			t.Errorf("%s: the callback went to %q, want the consent page", uri, a.location)
		}
		wantPage(t, b.consent(), http.StatusOK, "alice")
	}
	if n := len(w.AllGrants()); n != before {
		t.Errorf("%d new grants, want none", n-before)
	}
}

func TestTenLoopbackPortsOnOneRegistration(t *testing.T) {
	w := newWorld(t)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]"} {
		id := w.register("open", nil, "http://"+host+"/callback")
		for port := range 10 {
			uri := "http://" + host + ":" + strconv.Itoa(49152+port) + "/callback"
			if code := w.codeOf(w.wantCode(w.allow(requestOf(id, uri), "alice"), uri)); code.RedirectURI != uri {
				t.Errorf("the code is bound to %s, want %s", code.RedirectURI, uri)
			}
		}
	}
	if n := w.cognito.Calls("CreateUserPoolClient"); n != 1 {
		t.Errorf("%d app clients, want 1", n)
	}
}

// A stored consent has no effect when the policy no longer allows the client.
func TestARememberedConsentDoesNotOutliveThePolicy(t *testing.T) {
	w := newWorld(t)
	id := w.register("staff", nil, webURI)
	w.wantCode(w.allow(requestOf(id, webURI), "alice"), webURI)
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	reg := w.Registration(id)
	reg.State = broker.RegistrationDisabled
	if err := w.Store.ReplaceRegistration(t.Context(), reg); err != nil {
		t.Fatal(err)
	}
	b.wantFailure(b.get(callback), http.StatusBadRequest, "switched off")
}

func TestARememberedConsentWhenTheStoreFails(t *testing.T) {
	start := func(t *testing.T) (*world, *browser, string) {
		w := newWorld(t)
		id := w.register("open", nil, webURI)
		w.wantCode(w.allow(requestOf(id, webURI), "alice"), webURI)
		b := w.browser()
		return w, b, b.signIn(b.authorize(requestOf(id, webURI)), "alice")
	}
	t.Run("the consent cannot be read", func(t *testing.T) {
		w, b, callback := start(t)
		w.Store.FailNext("Consent", 1, fake.NotApplied)
		if a := b.get(callback); !a.asks() {
			t.Errorf("location = %q, want the consent page", a.location)
		}
	})
	t.Run("the grant cannot be stored", func(t *testing.T) {
		w, b, callback := start(t)
		w.Store.FailNext("CreateGrant", 1, fake.NotApplied)
		w.wantError(b.get(callback).at(t), webURI, "temporarily_unavailable")
		w.wantRevoked(1)
	})
	t.Run("the grant is stored, the reply lost", func(t *testing.T) {
		w, b, callback := start(t)
		w.Store.FailNext("CreateGrant", 1, fake.ReplyLost)
		w.wantCode(b.get(callback).at(t), webURI)
		w.wantRevoked(0)
	})
}

// Another transaction may already have a grant of the same sign-in: Cognito does
// not document whether it uses an origin_jti again.
func TestASecondGrantOfOneSignIn(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	page := b.arrive(requestOf(id, webURI), "alice")
	stored, err := w.Store.Transaction(t.Context(), b.keyOf())
	if err != nil {
		t.Fatal(err)
	}
	grantID := broker.GrantID(w.Keys, stored.OriginJTI, 0)
	first := credential.DerivedAuthorizationCode(randomText(), grantID)
	err = w.Store.CreateGrant(t.Context(), &broker.Grant{
		ID: grantID, ClientID: id, Generation: stored.Generation, User: stored.User, TokensID: "first", ExpiresAt: w.Clock.Second().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	u := b.decide(page, "allow").target(t)
	if g := w.wantCode(u, webURI); u.Query().Get("code") == first.Reveal() || g.ID == grantID {
		t.Error("the code of the first grant was handed out again")
	}
	if n := len(w.AllGrants()); n != 2 {
		t.Errorf("%d grants, want 2", n)
	}
}

// A user who refuses what they once allowed is asked again next time.
func TestARefusalWithdrawsARememberedConsent(t *testing.T) {
	const otherURI = "https://claude.com/api/mcp/auth_callback"
	start := func(t *testing.T) (*world, string, *browser, answer) {
		w := newWorld(t)
		id := w.register("open", nil, webURI, otherURI)
		for _, uri := range []string{webURI, otherURI} {
			w.wantCode(w.allow(requestOf(id, uri), "alice"), uri)
		}
		w.wantCode(w.allow(requestOf(id, webURI), "bob"), webURI)
		b := w.browser()
		return w, id, b, b.arrive(requestOf(id, webURI, "prompt", "consent"), "alice")
	}
	for _, decision := range []string{"cancel", "switch"} {
		t.Run(decision, func(t *testing.T) {
			w, id, b, page := start(t)
			b.decide(page, decision).target(t)
			if !w.browser().signInAgain(id, webURI, "alice") {
				t.Error("the client was granted access without a consent page")
			}
			if w.browser().signInAgain(id, otherURI, "alice") || w.browser().signInAgain(id, webURI, "bob") {
				t.Error("another consent was withdrawn")
			}
		})
		for _, method := range []string{"Transaction", "DeleteConsent", "TakeStep"} {
			for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
				t.Run(decision+", "+method+" "+point.String(), func(t *testing.T) {
					w, id, b, page := start(t)
					w.Store.FailNext(method, 1, point)
					if a := b.decide(page, decision); !a.asks() {
						t.Fatalf("status %d, location %q, want the consent page", a.status, a.location)
					}
					page = b.consent()
					if method == "TakeStep" && point == fake.ReplyLost {
						wantPage(t, page, http.StatusBadRequest, "decided already")
					} else {
						b.decide(page, decision).target(t)
					}
					if !w.browser().signInAgain(id, webURI, "alice") {
						t.Error("the client was granted access without a consent page")
					}
				})
			}
		}
	}
}
