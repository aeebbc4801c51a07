package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// vscodeURI hands a response on to the URL in state.
const vscodeURI = "https://vscode.dev/redirect"

// forwarding is a policy whose profiles remember consents. toolsURI forwards if
// the operator says so.
func forwarding(https string) string {
	return `{"version": 1, "open_registration": "open", "profiles": {
		"open": {"redirect_uris": {"presets": ["claude", "n8n-cloud", "vscode"], "https": [` + https + `]}, "consent": "remember"},
		"staff": {"redirect_uris": {"any_https": true}, "app_client": "shared", "consent": "remember"}
	}}`
}

const toolsURI = "https://tools.example.com/redirect"

// A user has allowed VS Code. A second program on the device writes its own
// request for the same client, with a state that leads vscode.dev to the
// program, and the user is signed in at Cognito.
func TestASecondProgramBehindAForwardingURIGetsAPageAndNoCode(t *testing.T) {
	const n8nURI = "https://oauth.n8n.cloud/oauth2/callback"
	for _, tt := range []struct{ name, profile, uri string }{
		{"preset that forwards", "open", vscodeURI},
		{"preset of which nothing is known", "open", n8nURI},
		{"rule of the operator", "open", toolsURI},
		{"known host under any_https", "staff", vscodeURI},
		{"another notation under any_https", "staff", "https://vscode.dev:443/redirect"},
		{"https on the device itself, rule of the operator", "open", "https://localhost:8443/cb"},
		{"https on the device itself, under any_https", "staff", "https://127.0.0.1/cb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.UseBrokeredPolicy(forwarding(`"https://localhost:8443/cb", {"pattern": "` + toolsURI + `", "forwards": true}`))
			id := w.register(tt.profile, nil, tt.uri)
			b := w.browser()
			page := b.arrive(requestOf(id, tt.uri), "alice")
			if strings.Contains(page.body, "will not be asked") {
				t.Errorf("the page offers to remember the consent\n%s", main(page.body))
			}
			w.wantCode(b.decide(page, "allow").target(t), tt.uri)
			if n := w.Store.Calls("PutConsent"); n != 0 {
				t.Errorf("%d consents were stored", n)
			}
			before := len(w.AllGrants())

			const program = "http://127.0.0.1:6666/steal"
			callback, err := b.cognito.Open(t.Context(), b.authorize(requestOf(id, tt.uri, "state", program)).location)
			if err != nil {
				t.Fatal(err)
			}
			if a := b.get(callback.String()); !a.asks() {
				t.Errorf("the callback went to %q, want the consent page", a.location)
			}
			a := b.authorize(requestOf(id, tt.uri, "state", program, "prompt", "none"))
			// An initial access token vouches for an address of the device itself, and
			// TestErrorsAreNotRedirectedToAForwardingURI is about the others.
			if !strings.HasPrefix(a.location, tt.uri+"?error=consent_required") {
				wantPage(t, a, http.StatusBadRequest, "consent_required")
			}
			if n := len(w.AllGrants()); n != before {
				t.Errorf("%d new grants, want none", n-before)
			}
		})
	}
}

func TestThePageWarnsOfAForwardingURI(t *testing.T) {
	w := newWorld(t)
	w.UseBrokeredPolicy(forwarding(""))
	b := w.browser()
	b.arrive(requestOf(w.register("open", nil, vscodeURI), vscodeURI), "alice")
	a := b.consent()
	wantPage(t, a, http.StatusOK, "An app on this device, through")
	wantPage(t, a, http.StatusOK, "Any program on this device can pose as this app")
	if strings.Contains(a.body, "This website asks") {
		t.Errorf("the page calls the app a website\n%s", main(a.body))
	}
}

// An error needs no user, and a voucher is for the client, not for the program
// to which its error is handed on.
func TestErrorsAreNotRedirectedToAForwardingURI(t *testing.T) {
	w := newWorld(t)
	w.UseBrokeredPolicy(forwarding(""))
	for _, profile := range []string{"open", "staff"} {
		id := w.register(profile, nil, vscodeURI)
		for _, broken := range [][]string{{"code_challenge", "-"}, {"prompt", "none"}} {
			a := w.browser().authorize(requestOf(id, vscodeURI, broken...))
			wantPage(t, a, http.StatusBadRequest, "hands the answer on to an app on this device")
			if strings.Contains(a.body, "http-equiv") || a.location != "" {
				t.Errorf("%s: the browser is redirected without a click", profile)
			}
		}
		b := w.browser()
		denied := b.cognitoSays(b.authorize(requestOf(id, vscodeURI)), "error=access_denied")
		b.wantFailure(denied, http.StatusBadRequest, "access_denied")
	}
}

// The policy in force decides, not the one under which the client registered or
// the user consented.
func TestAURIThatTheOperatorMarksAsForwardingIsNoLongerRemembered(t *testing.T) {
	w := newWorld(t)
	w.UseBrokeredPolicy(forwarding(`"` + toolsURI + `"`))
	id := w.register("open", nil, toolsURI)
	w.wantCode(w.allow(requestOf(id, toolsURI), "alice"), toolsURI)
	if w.browser().signInAgain(id, toolsURI, "alice") {
		t.Error("a consent page before the change, want a remembered consent")
	}
	// The user signs in while the operator changes the policy.
	b := w.browser()
	callback := b.signIn(b.authorize(requestOf(id, toolsURI, "prompt", "login")), "alice")
	w.UseBrokeredPolicy(forwarding(`{"pattern": "` + toolsURI + `", "forwards": true}`))
	if a := b.get(callback); !a.asks() {
		t.Errorf("the callback went to %q, want the consent page", a.location)
	}
	if !w.browser().signInAgain(id, toolsURI, "alice") {
		t.Error("no consent page after the change")
	}
	a := w.browser().authorize(requestOf(id, toolsURI, "prompt", "none"))
	wantPage(t, a, http.StatusBadRequest, "consent_required")
	// A rule that is gone allows nothing, so it remembers nothing.
	w.UseBrokeredPolicy(forwarding(""))
	if !w.browser().signInAgain(id, toolsURI, "alice") {
		t.Error("no consent page although the profile does not allow the redirect URI any more")
	}
}

// A consent for one redirect URI of a client says nothing about another one.
func TestEachRedirectURIIsJudgedByItself(t *testing.T) {
	w := newWorld(t)
	w.UseBrokeredPolicy(forwarding(""))
	id := w.register("open", nil, webURI, vscodeURI)
	b := w.browser()
	for _, uri := range []string{webURI, vscodeURI} {
		w.wantCode(b.decide(b.arrive(requestOf(id, uri), "alice"), "allow").target(t), uri)
	}
	for uri, asked := range map[string]bool{webURI: false, vscodeURI: true} {
		callback, err := b.cognito.Open(t.Context(), b.authorize(requestOf(id, uri)).location)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(b.get(callback.String()).location)
		if err != nil {
			t.Fatal(err)
		}
		if got := u.Path == "/consent"; got != asked {
			t.Errorf("%s: consent page = %t, want %t", uri, got, asked)
		}
	}
}
