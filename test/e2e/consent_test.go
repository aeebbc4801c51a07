package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/signin"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// browser returns a new browser of the user, without a sign-in.
func (d *deployment) browser() *signin.Browser {
	return &signin.Browser{Username: d.username, Password: d.password}
}

// authorize opens the authorization request in the browser, and returns the
// parameters of the response.
func (d *deployment) authorize(t *testing.T, b *signin.Browser, q url.Values) url.Values {
	t.Helper()
	d.needsUser(t)
	to, err := b.Visit(t.Context(), d.base+"/authorize?"+q.Encode(), q.Get("redirect_uri"))
	if err != nil {
		t.Fatal(err)
	}
	got := to.Query()
	match(t, "iss", got.Get("iss"), regexp.QuoteMeta(d.base))
	match(t, "state", got.Get("state"), regexp.QuoteMeta(q.Get("state")))
	return got
}

// The page names the client, the scopes and the user, and says that the
// client's name is unverified.
func TestConsentPage(t *testing.T) { each(t, testConsentPage, broker.ModeBrokered) }

func testConsentPage(t *testing.T, d *deployment) {
	const claude = "https://claude.ai/api/mcp/auth_callback"
	r := d.register(t, `{"client_name":"e2e <b>&amp; co</b>","client_uri":"https://app.example.com/about","redirect_uris":["`+claude+`","`+redirectURI+`"]}`)
	for _, tt := range []struct {
		name, redirectURI string
		says              []string
	}{
		{"a web site", claude, []string{"claude.ai", "Either way you go on to claude.ai."}},
		{"a program on the machine", redirectURI, []string{"An app on this device", "Any program on this device can pose as this app.", "You will be asked again each time"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, shown := d.browser(), 0
			b.Decide = func(p *signin.Page) (string, error) {
				shown++
				d.checkPage(t, "GET /consent", answer{status: p.Status, header: p.Header, body: []byte(p.HTML)})
				text := p.Text(10000)
				for _, want := range append(tt.says, "e2e <b>&amp; co</b>", "Nobody has checked that name.", "You are signed in as "+d.username, "app.example.com", d.mcp) {
					if !strings.Contains(text, want) {
						t.Errorf("the page lacks %q: %s", want, text)
					}
				}
				// The page must not load or link addresses of the client.
				if strings.Contains(p.HTML, `="https://app.example.com`) {
					t.Errorf("the page links an address of the client: %s", p.HTML)
				}
				return signin.Allow, nil
			}
			q := d.request(r.id)
			q.Set("redirect_uri", tt.redirectURI)
			match(t, "code", d.authorize(t, b, q).Get("code"), "dcr_ac_[a-z2-7]{78}")
			// Cognito now has a session and needs no password, but the broker
			// shows its consent page again.
			match(t, "second code", d.authorize(t, b, q).Get("code"), "dcr_ac_[a-z2-7]{78}")
			if shown != 2 {
				t.Errorf("the consent page was shown %d times, want 2", shown)
			}
		})
	}
}

func TestCancel(t *testing.T) { each(t, testCancel, broker.ModeBrokered) }

func testCancel(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	b := d.browser()
	var asked string
	b.Decide = func(p *signin.Page) (string, error) {
		asked = p.Address.String()
		return signin.Cancel, nil
	}
	got := d.authorize(t, b, d.request(r.id))
	match(t, "error", got.Get("error"), "access_denied")
	match(t, "code", got.Get("code"), "")

	// The transaction has ended.
	page, err := b.Open(t.Context(), asked)
	if err != nil || page.Status != http.StatusBadRequest || !strings.Contains(page.HTML, "this sign-in has ended") {
		t.Errorf("GET %s = %+v, %v; want 400 and that the sign-in has ended", asked, page, err)
	}
}

// A user begins two sign-ins in one browser. Both lead to a code, the older first.
func TestTwoTabs(t *testing.T) { each(t, testTwoTabs, broker.ModeBrokered) }

func testTwoTabs(t *testing.T, d *deployment) {
	d.needsUser(t)
	r, b := d.register(t, publicClient), d.browser()
	begin := func(state string) *url.URL {
		q := d.request(r.id)
		q.Set("state", state)
		page, err := b.Open(t.Context(), d.base+"/authorize?"+q.Encode())
		if err != nil || page.Location == nil {
			t.Fatalf("GET /authorize = %+v, %v; want a redirect to Cognito", page, err)
		}
		return page.Location
	}
	older, newer := begin("A"), begin("B")
	for _, tab := range []struct {
		state string
		at    *url.URL
	}{{"A", older}, {"B", newer}} {
		to, err := b.Visit(t.Context(), tab.at.String(), redirectURI)
		if err != nil {
			t.Errorf("the tab of %s: %v", tab.state, err)
			continue
		}
		match(t, "code", to.Query().Get("code"), "dcr_ac_.+")
		match(t, "state", to.Query().Get("state"), tab.state)
	}
}

// A callback works once, and only in the browser that started the sign-in. An
// attacker can neither sign a victim in to the attacker's account nor use a
// callback of the victim.
func TestCallbackWorksOnce(t *testing.T) { each(t, testCallbackWorksOnce, broker.ModeBrokered) }

func testCallbackWorksOnce(t *testing.T, d *deployment) {
	r := d.register(t, publicClient)
	var callback string
	b := d.browser()
	b.Sent = func(req *http.Request, _ url.Values) {
		if req.URL.Path == "/callback" && req.URL.Query().Has("code") {
			callback = req.URL.String()
		}
	}
	match(t, "code", d.authorize(t, b, d.request(r.id)).Get("code"), "dcr_ac_.+")
	for _, tt := range []struct {
		name    string
		browser *signin.Browser
		says    string
	}{
		{"again", b, "This page has expired"},
		{"in another browser", d.browser(), "This browser does not know this sign-in"},
	} {
		_, err := tt.browser.Visit(t.Context(), callback, redirectURI)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "code=") {
			t.Errorf("the callback %s: %v, want a page with %q", tt.name, err, tt.says)
		}
	}
}
