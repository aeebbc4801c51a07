package authorize

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/authorization"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// tab is one of several sign-ins in one browser.
type tab struct {
	b     *browser
	state string // of the client
	begun answer
	page  answer
}

// open begins a sign-in. Each tab has a state of its own.
func (b *browser) open(clientID, redirectURI, state string) *tab {
	b.w.T.Helper()
	return &tab{b: b, state: state, begun: b.authorize(requestOf(clientID, redirectURI, "state", state))}
}

// arrive signs in and loads the consent page.
func (t *tab) arrive(user string) *tab {
	t.b.w.T.Helper()
	a := t.b.get(t.b.signIn(t.begun, user))
	if !a.asks() {
		t.b.w.T.Fatalf("%s: the callback went to %q, want the consent page", t.state, a.location)
	}
	t.page = t.b.get(a.location)
	return t
}

// decide presses a button and returns the address at the client.
func (t *tab) decide(decision string) url.Values {
	t.b.w.T.Helper()
	q := t.b.decide(t.page, decision).target(t.b.w.T).Query()
	if decision != "switch" && q.Get("state") != t.state {
		t.b.w.T.Errorf("the answer has the state %q, want %q", q.Get("state"), t.state)
	}
	return q
}

// id is the ID of the tab's transaction.
func (t *tab) id() string {
	return authorization.IDOfState(t.begun.at(t.b.w.T).Query().Get("state"))
}

// A user begins two sign-ins and completes the older one first.
func TestTheOlderTabCompletes(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	older := b.open(id, webURI, "A")
	w.Clock.Advance(time.Second)
	newer := b.open(id, webURI, "B")
	for _, tab := range []*tab{older.arrive("alice"), newer.arrive("alice")} {
		if q := tab.decide("allow"); q.Get("code") == "" {
			t.Errorf("%s: %v, want a code", tab.state, q)
		}
	}
	if n := len(w.AllGrants()); n != 2 {
		t.Errorf("%d grants, want 2", n)
	}
}

// A client that connects to three MCP servers sends three requests at once.
func TestThreeSignInsAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	tabs := make([]*tab, 3)
	var wg sync.WaitGroup
	for i := range tabs {
		wg.Go(func() { tabs[i] = b.open(id, webURI, strconv.Itoa(i)) })
	}
	wg.Wait()
	for _, tab := range tabs {
		if q := tab.arrive("alice").decide("allow"); q.Get("code") == "" {
			t.Errorf("%s: %v, want a code", tab.state, q)
		}
	}
}

// A browser has five transactions at most, and the oldest goes.
func TestSixTabs(t *testing.T) {
	for name, tls := range map[string]bool{"https": true, "http": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(s *setup) { s.tls = tls })
			id := w.register("asking", nil, webURI)
			b := w.browser()
			var tabs []*tab
			for i := range 6 {
				tabs = append(tabs, b.open(id, webURI, strconv.Itoa(i)))
				w.Clock.Advance(time.Second)
			}
			b.wantFailure(b.get(b.signIn(tabs[0].begun, "alice")), http.StatusBadRequest, "five newer ones")
			for _, tab := range tabs[1:] {
				tab.arrive("alice")
			}
			if _, bytes := b.cookies(); bytes > 600 {
				t.Errorf("%d bytes of cookies, want 600 at most", bytes)
			}
			for _, tab := range tabs[1:] {
				if q := tab.decide("allow"); q.Get("code") == "" {
					t.Errorf("%s: %v, want a code", tab.state, q)
				}
			}
		})
	}
}

// cookies returns the IDs of the browser's transactions, sorted, and the length of
// its header field Cookie.
func (b *browser) cookies() (ids []string, bytes int) {
	b.w.T.Helper()
	r := httptest.NewRequest(http.MethodGet, b.w.issuer, nil)
	for _, c := range b.client.Jar.Cookies(must.ParseURL(b.w.T, b.w.issuer)) {
		r.AddCookie(c)
		_, id, _ := strings.Cut(c.Name, "dcr_tx_")
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, len(r.Header.Get("Cookie"))
}

// Transactions that are over make room before those that are not.
func TestTransactionsThatAreOverGoFirst(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	pending := b.open(id, webURI, "pending")
	for i := range 10 {
		w.Clock.Advance(time.Second)
		b.open(id, webURI, strconv.Itoa(i)).arrive("alice").decide("cancel")
	}
	if ids, _ := b.cookies(); len(ids) != maxTransactions || !slices.Contains(ids, pending.id()) {
		t.Errorf("the browser has the transactions %v, want five with %s", ids, pending.id())
	}
	if q := pending.arrive("alice").decide("allow"); q.Get("code") == "" {
		t.Errorf("%v, want a code", q)
	}
}

// Each request is judged by the cookie of the transaction that it names.
func TestCrossedTransactions(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	one, two := b.open(id, webURI, "A"), b.open(id, webURI, "B")
	t.Run("in the state", func(t *testing.T) {
		back := must.ParseURL(t, b.signIn(one.begun, "alice"))
		q, other := back.Query(), two.begun.at(t).Query().Get("state")
		state := strings.SplitAfter(q.Get("state"), ".")
		otherParts := strings.SplitAfter(other, ".")
		for _, crossed := range []string{state[0] + otherParts[1], otherParts[0] + state[1]} {
			b.wantFailure(b.get("/callback?"+url.Values{"code": {q.Get("code")}, "state": {crossed}}.Encode()), http.StatusBadRequest, "")
		}
		if n := w.cognito.Calls("token"); n != 0 {
			t.Errorf("%d codes were redeemed, want none", n)
		}
		// The code of one is bound to its own verifier.
		w.wantOther(b.get("/callback?"+url.Values{"code": {q.Get("code")}, "state": {other}}.Encode()), "B")
		w.wantNoGrant()
	})
	one, two = b.open(id, webURI, "A").arrive("alice"), b.open(id, webURI, "B").arrive("bob")
	t.Run("in the address of the page", func(t *testing.T) {
		for _, tab := range []*tab{one, two} {
			if got := b.get(consentAddress(tab.id())).form(t).Get("transaction"); got != tab.id() {
				t.Errorf("the page of %s is about %s", tab.id(), got)
			}
		}
		for name, query := range map[string]string{
			"none": "", "two": "?transaction=" + one.id() + "&transaction=" + two.id(), "no id": "?transaction=" + one.id() + two.id(),
		} {
			if a := b.get("/consent" + query); a.status != http.StatusBadRequest {
				t.Errorf("%s: status %d, want 400", name, a.status)
			}
		}
		if body := b.get(consentAddress(one.id())).body; !strings.Contains(body, "alice") || strings.Contains(body, "bob") {
			t.Errorf("the page of alice's sign-in is another one\n%s", main(body))
		}
	})
	t.Run("in the form", func(t *testing.T) {
		for _, decision := range []string{"allow", "cancel", "switch"} {
			for name, form := range map[string]url.Values{
				"A with B's token": one.page.form(t, "decision", decision, "csrf", two.page.form(t).Get("csrf")),
				"B's id in A":      one.page.form(t, "decision", decision, "transaction", two.id()),
			} {
				a := b.post(form)
				wantPage(t, a, http.StatusBadRequest, "not of this transaction")
				if a.header.Get("Set-Cookie") != "" {
					t.Errorf("%s, %s: cookies changed", name, decision)
				}
			}
		}
		w.wantNoGrant()
		w.wantRevoked(0)
	})
	if q := one.decide("allow"); q.Get("code") == "" {
		t.Errorf("%v, want a code", q)
	}
	if g := w.AllGrants(); len(g) != 1 || g[0].User.Username != "alice" {
		t.Errorf("grants %v, want alice's alone", g)
	}
}

// wantOther fails unless a leads to the client with an error for this state.
func (w *world) wantOther(a answer, state string) {
	w.T.Helper()
	if q := a.at(w.T).Query(); q.Get("error") == "" || q.Has("code") || q.Get("state") != state {
		w.T.Errorf("the answer is %s, want an error with the state %s", a.location, state)
	}
}

// Cancel and "Use another account" end the sign-in of their own transaction.
func TestADecisionConcernsItsOwnTransaction(t *testing.T) {
	for _, decision := range []string{"cancel", "switch"} {
		t.Run(decision, func(t *testing.T) {
			w := newWorld(t)
			id := w.register("asking", nil, webURI)
			b := w.browser()
			one, two := b.open(id, webURI, "A").arrive("alice"), b.open(id, webURI, "B").arrive("alice")
			one.decide(decision)
			w.wantRevoked(1)
			wantPage(t, b.get(consentAddress(one.id())), http.StatusBadRequest, "this sign-in has ended") // back
			if q := two.decide("allow"); q.Get("code") == "" {
				t.Errorf("%v, want a code", q)
			}
		})
	}
}

// Two tabs ask for another account before the first of them is back.
func TestTwoTabsSwitchTheUser(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	b := w.browser()
	one, two := b.open(id, webURI, "A").arrive("alice"), b.open(id, webURI, "B").arrive("alice")
	waiting := b.open(id, webURI, "C") // has not switched
	one.decide("switch")
	w.Clock.Advance(time.Second)
	two.decide("switch")
	var states []string
	for range 2 {
		begun := b.get("/signed-out")
		begun.at(t) // to Cognito
		callback := b.get(b.signIn(begun, "bob"))
		page := b.get(callback.at(t).String())
		q := b.decide(page, "allow").target(t).Query()
		if q.Get("code") == "" {
			t.Errorf("%v, want a code", q)
		}
		states = append(states, q.Get("state"))
	}
	// The browser was last sent to sign out by B.
	if want := []string{"B", "A"}; !slices.Equal(states, want) {
		t.Errorf("the answers went to %v, want %v: the newest first", states, want)
	}
	wantPage(t, b.get("/signed-out"), http.StatusOK, "signed out")
	if q := waiting.arrive("bob").decide("allow"); q.Get("code") == "" {
		t.Errorf("%v, want a code", q)
	}
}

// The answer of /signed-out may be lost.
func TestSignedOutTwice(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.open(w.register("asking", nil, webURI), webURI, "A").arrive("alice").decide("switch")
	jar := b.client.Jar
	b.client.Jar = readOnly{jar}
	lost := b.get("/signed-out").at(t)
	b.client.Jar = jar
	if again := b.get("/signed-out").at(t); again.String() != lost.String() {
		t.Errorf("the second time to %s, the first time to %s", again, lost)
	}
}

// readOnly is a jar of a browser that gets no answers.
type readOnly struct{ http.CookieJar }

func (readOnly) SetCookies(*url.URL, []*http.Cookie) {}
