package authorize

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// While the client is uncertain, the answer is a page and not a redirect.
func TestRequestsThatAreAnsweredWithAPage(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI, deskURI)
	deleting := w.register("asking", func(r *broker.Registration) { r.State = broker.RegistrationDeleting }, webURI)
	pending := w.register("asking", func(r *broker.Registration) { r.State = broker.RegistrationPending }, webURI)
	removed := w.register("asking", func(r *broker.Registration) { r.State = broker.RegistrationRemoved }, webURI)
	direct := w.register("asking", func(r *broker.Registration) { r.Mode = broker.ModeDirect }, webURI)
	orphan := w.register("asking", func(r *broker.Registration) { r.Profile = "gone" }, webURI)
	machine := w.register("asking", func(r *broker.Registration) {
		r.Metadata.GrantTypes, r.Metadata.RedirectURIs = []string{dcr.GrantClientCredentials}, nil
	})
	const ended, mismatch = "register again", "redirect_uri"
	for _, tt := range []struct {
		name  string
		query string
		want  string
	}{
		{"nothing", "", "client_id is required"},
		{"no client_id", requestOf("-", webURI).Encode(), ended},
		{"empty client_id", requestOf("", webURI).Encode(), "client_id is required"},
		{"unknown client", requestOf("dcr_nobody", webURI).Encode(), ended},
		{"a client ID metadata document", requestOf("https://app.example.com/oauth/client.json", webURI).Encode(), "takes no client ID metadata documents"},
		{"client_id of another form", requestOf("../../x", webURI).Encode(), ended},
		{"client that is being deleted", requestOf(deleting, webURI).Encode(), ended},
		{"client that the janitor has removed", requestOf(removed, webURI).Encode(), ended},
		{"client of direct mode", requestOf(direct, webURI).Encode(), ended},
		{"client whose profile was removed", requestOf(orphan, webURI).Encode(), ended},
		{"client without redirect URIs", requestOf(machine, webURI).Encode(), mismatch},
		{"client_id twice", requestOf(id, webURI).Encode() + "&client_id=" + id, "must not be repeated"},
		{"redirect URI twice", requestOf(id, webURI).Encode() + "&redirect_uri=" + url.QueryEscape(evilURI), "must not be repeated"},
		{"no redirect URI", requestOf(id, webURI, "redirect_uri", "-").Encode(), mismatch},
		{"malformed query", requestOf(id, webURI).Encode() + "&x=%zz", "percent sign"},
		{"semicolon", requestOf(id, webURI).Encode() + ";x=1", "semicolon"},
		{"too long", requestOf(id, webURI).Encode() + "&x=" + strings.Repeat("x", maxParameters), "too long"},

		{"other host", requestOf(id, evilURI).Encode(), mismatch},
		{"user name before the host", requestOf(id, "https://claude.ai@evil.example.com/api/mcp/auth_callback").Encode(), mismatch},
		{"backslash", requestOf(id, `https://claude.ai\@evil.example.com/api/mcp/auth_callback`).Encode(), mismatch},
		{"suffix", requestOf(id, "https://claude.ai.evil.example.com/api/mcp/auth_callback").Encode(), mismatch},
		{"path with ..", requestOf(id, webURI+"/../../x").Encode(), mismatch},
		{"path added", requestOf(id, webURI+"/x").Encode(), mismatch},
		{"query added", requestOf(id, webURI+"?next=https://evil.example.com").Encode(), mismatch},
		{"fragment added", requestOf(id, webURI+"#x").Encode(), mismatch},
		{"port added", requestOf(id, "https://claude.ai:8443/api/mcp/auth_callback").Encode(), mismatch},
		{"line end", requestOf(id, webURI+"\r\nSet-Cookie: a=b").Encode(), mismatch},
		{"scheme-relative", requestOf(id, "//evil.example.com/cb").Encode(), mismatch},
		{"javascript", requestOf(id, "javascript:alert(1)").Encode(), mismatch},
		{"data", requestOf(id, "data:text/html,x").Encode(), mismatch},
		{"loopback with another name", requestOf(id, "http://localhost:4000/callback").Encode(), mismatch},
		{"loopback with another path", requestOf(id, "http://127.0.0.1:4000/other").Encode(), mismatch},
		{"host that looks like loopback", requestOf(id, "http://127.0.0.1.evil.example.com/callback").Encode(), mismatch},
		{"hostile markup", requestOf(id, `https://x/"><script>alert(1)</script>`).Encode(), mismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := w.browser().get("/authorize?" + tt.query)
			wantPage(t, a, http.StatusBadRequest, tt.want)
			if strings.Contains(a.body, "<script") || a.header.Get("Set-Cookie") != "" {
				t.Error("the page has a script or a cookie")
			}
		})
	}
	// The client does not need to register again, and the page tells the user
	// why.
	a := w.browser().get("/authorize?" + requestOf(pending, webURI).Encode())
	wantPage(t, a, http.StatusForbidden, "waiting for approval")
	for _, state := range []broker.RegistrationState{broker.RegistrationDisabled, broker.RegistrationDeleted} {
		off := w.register("open", func(r *broker.Registration) { r.State = state }, webURI)
		a := w.browser().get("/authorize?" + requestOf(off, webURI).Encode())
		wantPage(t, a, http.StatusForbidden, "This app has been switched off")
		if strings.Contains(a.body, "How apps register again") {
			t.Errorf("%s: the page says how to register again, which does not help", state)
		}
	}
	if n := w.cognito.Calls("CreateUserPoolClient"); n != 0 {
		t.Errorf("%d app clients were made", n)
	}
}

// RFC 9700 §4.11.2: no automatic redirect to a URI that is not trusted.
func TestErrorsAreRedirectedOnlyWithAVoucher(t *testing.T) {
	w := newWorld(t)
	const cursorURI = "cursor://anysphere.cursor-mcp/oauth/callback"
	for _, tt := range []struct {
		name    string
		profile string
		uri     string
		vouched bool
	}{
		{"preset", "open", webURI, true},
		{"preset of a private-use scheme", "open", cursorURI, true},
		{"loopback", "open", "http://127.0.0.1:4711/callback", true},
		{"host that the operator lists", "open", evilURI, false},
		{"scheme that the operator lists", "open", appURI, false},
		{"initial access token", "asking", evilURI, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := w.register(tt.profile, nil, tt.uri)
			a := w.browser().authorize(requestOf(id, tt.uri, "code_challenge", "-"))
			if tt.vouched {
				w.wantError(a.at(t), tt.uri, "invalid_request")
				return
			}
			wantPage(t, a, http.StatusBadRequest, "code_challenge")
			w.wantError(a.target(t), tt.uri, "invalid_request")
			if strings.Contains(a.body, "http-equiv") {
				t.Error("the page redirects without a click")
			}
		})
	}
}

func TestErrorsOfTheRequestReachTheClient(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	for _, tt := range []struct {
		changes []string
		want    string
	}{
		{[]string{"response_type", "token"}, "unsupported_response_type"},
		{[]string{"code_challenge_method", "plain"}, "invalid_request"},
		{[]string{"scope", "files/read"}, "invalid_scope"},
		{[]string{"resource", "https://evil.example.com/"}, "invalid_target"},
		{[]string{"prompt", "none"}, "consent_required"},
	} {
		a := w.browser().authorize(requestOf(id, webURI, tt.changes...))
		w.wantError(a.at(t), webURI, tt.want)
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("headers = %v, want no-store and no cookie", a.header)
		}
	}
	t.Run("without state", func(t *testing.T) {
		a := w.browser().authorize(requestOf(id, webURI, "state", "-", "response_type", "-"))
		if q := a.at(t).Query(); q.Has("state") || q.Get("error") != "invalid_request" || q.Get("iss") != w.issuer {
			t.Errorf("location = %s", a.location)
		}
	})
	t.Run("a client without the grant type authorization_code", func(t *testing.T) {
		id := w.register("asking", func(r *broker.Registration) { r.Metadata.GrantTypes = []string{dcr.GrantClientCredentials} }, webURI)
		w.wantError(w.browser().authorize(requestOf(id, webURI)).at(t), webURI, "unauthorized_client")
	})
}

func TestTheRequestToCognito(t *testing.T) {
	ask := func(t *testing.T, w *world, changes ...string) (url.Values, answer) {
		t.Helper()
		id := w.register("asking", nil, webURI)
		a := w.browser().authorize(requestOf(id, webURI, changes...))
		u := a.at(t)
		if !strings.HasPrefix(u.String(), w.cognito.URL+"/oauth2/authorize?") {
			t.Fatalf("location = %s, want Cognito's authorize endpoint", u)
		}
		return u.Query(), a
	}
	hints := []string{
		"scope", "notes/write notes/read nonsense", "nonce", "n-1", "login_hint", "alice@example.com", "ui_locales", "de-CH en",
		"prompt", "login consent", "resource", notes + "/",
	}
	t.Run("managed login with resource binding", func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.binding = true })
		q, _ := ask(t, w, hints...)
		app := w.AppClient(broker.SharedAppClientKey("asking"))
		for name, want := range map[string]string{
			"response_type": "code", "client_id": app.CognitoID, "redirect_uri": w.issuer + "/callback",
			"scope": "openid notes/write notes/read", "code_challenge_method": "S256", "nonce": "n-1",
			"login_hint": "alice@example.com", "lang": "de-CH", "prompt": "login", "resource": notes,
		} {
			if got := q.Get(name); got != want || len(q[name]) != 1 {
				t.Errorf("%s = %q, want %q", name, q[name], want)
			}
		}
		if q.Get("code_challenge") == broker.PKCEChallenge(verifier) || len(q.Get("code_challenge")) != 43 {
			t.Errorf("code_challenge = %q, want one that the broker made", q.Get("code_challenge"))
		}
		if q.Get("state") == "the state & more" || len(q.Get("state")) != 16+1+43 {
			t.Errorf("state = %q, want one that the broker made", q.Get("state"))
		}
	})
	t.Run("classic pages without binding", func(t *testing.T) {
		w := newWorld(t, func(s *setup) { s.login = 1 })
		q, _ := ask(t, w, hints...)
		if q.Has("prompt") || q.Has("resource") {
			t.Errorf("prompt = %q, resource = %q; the classic pages know neither", q["prompt"], q["resource"])
		}
	})
	t.Run("no parameter that the client did not send", func(t *testing.T) {
		q, _ := ask(t, newWorld(t))
		for _, name := range []string{"nonce", "login_hint", "lang", "prompt", "resource"} {
			if q.Has(name) {
				t.Errorf("%s = %q", name, q[name])
			}
		}
	})
	t.Run("each request has its own state and challenge", func(t *testing.T) {
		w := newWorld(t)
		a, _ := ask(t, w)
		b, _ := ask(t, w)
		if a.Get("state") == b.Get("state") || a.Get("code_challenge") == b.Get("code_challenge") {
			t.Error("state or challenge is the same for two requests")
		}
	})
}

func TestCookie(t *testing.T) {
	for _, tt := range []struct {
		name string
		tls  bool
		want string
	}{
		{"https", true, "__Host-dcr_tx_"},
		{"http loopback", false, "dcr_tx_"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, func(s *setup) { s.tls = tt.tls })
			id := w.register("asking", nil, webURI)
			b := w.browser()
			a := b.authorize(requestOf(id, webURI))
			got := a.header.Get("Set-Cookie")
			for _, part := range []string{"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"} {
				if !strings.Contains(got, "; "+part) {
					t.Errorf("Set-Cookie = %q, want %s", got, part)
				}
			}
			if !strings.HasPrefix(got, tt.want) || strings.Contains(got, "; Secure") != tt.tls || strings.Contains(got, "Domain") {
				t.Errorf("Set-Cookie = %q, want %s, Secure %t and no Domain", got, tt.want, tt.tls)
			}
			if _, value, _ := strings.Cut(strings.Split(got, ";")[0], "="); value == "" || strings.Contains(w.log.String(), value) {
				t.Errorf("the cookie %q is empty or in the log", value)
			}
			// The browser accepts the cookie and sends it back.
			if page := b.get(b.signIn(a, "alice")); !page.asks() {
				t.Errorf("callback went to %q", page.location)
			}
		})
	}
}

// The broker takes a cookie only if it can have set it, and only if there is
// one.
func TestInvalidCookiesAreIgnored(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
	id, secret := b.transaction()
	send := func(cookies string) answer {
		r := must.Request(t, http.MethodGet, w.issuer+consentAddress(id), "")
		r.Header.Set("Cookie", cookies)
		return w.browser().do(r)
	}
	wantPage(t, send("dcr_tx_"+id+"="+secret), http.StatusOK, "alice")
	for name, cookies := range map[string]string{
		"no value":                   "dcr_tx_" + id + "=",
		"a short value":              "dcr_tx_" + id + "=x",
		"a long value":               "dcr_tx_" + id + "=" + secret + "A",
		"the value of another":       "dcr_tx_" + id + "=" + strings.Repeat("A", len(secret)),
		"another name":               "dcr_tx_" + strings.Repeat("A", len(id)) + "=" + secret,
		"no id":                      "dcr_tx_=" + secret,
		"twice":                      "dcr_tx_" + id + "=" + secret + "; dcr_tx_" + id + "=" + secret,
		"twice, with another value":  "dcr_tx_" + id + "=x; dcr_tx_" + id + "=" + secret,
		"twice, once as a tombstone": "dcr_tx_" + id + "=" + secret + "; dcr_tx_" + id + "=ended",
	} {
		if a := send(cookies); a.status != http.StatusBadRequest || !strings.Contains(a.body, "no cookie of this transaction") {
			t.Errorf("%s: status %d, want 400 and no transaction\n%s", name, a.status, main(a.body))
		}
	}
}

func TestAuthorizeWhenTheStoreFails(t *testing.T) {
	for _, method := range []string{"Registration", "AppClient", "CreateTransaction"} {
		for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
			t.Run(method+" "+point.String(), func(t *testing.T) {
				w := newWorld(t)
				id := w.register("asking", nil, webURI)
				w.browser().authorize(requestOf(id, webURI)) // makes the app client
				w.Store.FailNext(method, 1, point)
				b := w.browser()
				a := b.authorize(requestOf(id, webURI))
				wantPage(t, a, http.StatusServiceUnavailable, "could not be")
				if a.header.Get("Retry-After") == "" || strings.Contains(a.body, "injected") {
					t.Error("no Retry-After, or the cause is on the page")
				}
				if !strings.Contains(w.log.String(), "injected fault") {
					t.Error("the cause is not in the log")
				}
				b.arrive(requestOf(id, webURI), "alice") // the same link works later
			})
		}
	}
}

func TestNoScopeMeansTheProfilesDefault(t *testing.T) {
	w := newWorld(t)
	id := w.register("narrow", nil, webURI)
	a := w.browser().authorize(requestOf(id, webURI, "scope", "-"))
	if got := a.at(t).Query().Get("scope"); got != "openid notes/read" {
		t.Errorf("scope = %q, want openid notes/read", got)
	}
}

func TestMethods(t *testing.T) {
	w := newWorld(t)
	id := w.register("asking", nil, webURI)
	send := func(method, path string) answer {
		r := must.Request(t, method, w.issuer+path, "")
		r.Header.Set("Origin", "https://evil.example.com")
		return w.browser().do(r)
	}
	if a := send(http.MethodHead, "/authorize?"+requestOf(id, webURI).Encode()); a.status != http.StatusNoContent || a.header.Get("Set-Cookie") != "" {
		t.Errorf("HEAD: status %d, cookie %q; want 204 and none", a.status, a.header.Get("Set-Cookie"))
	}
	if n := w.Store.Calls("CreateTransaction"); n != 0 {
		t.Errorf("HEAD made %d transactions", n)
	}
	wantPage(t, send(http.MethodPut, "/authorize"), http.StatusMethodNotAllowed, "GET, HEAD, OPTIONS, POST")
	if a := send(http.MethodOptions, "/authorize"); a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Methods") != "" || a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS: status %d, headers %v; want 204 and no CORS", a.status, a.header)
	}
	wantPage(t, send(http.MethodPost, "/authorize"), http.StatusBadRequest, "Content-Type")
}

func TestNewRequiresEveryField(t *testing.T) {
	e := newWorld(t).endpoint()
	for name, spoil := range map[string]func(*Config){
		"issuer": func(c *Config) { c.Issuer = "" },
		"flow":   func(c *Config) { c.Flow = nil },
		"look":   func(c *Config) { c.Look = nil },
	} {
		c := Config{Issuer: "https://auth.example.com", Flow: e.flow, Look: e.look}
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("New without %s is no error", name)
		}
	}
}

// goose 9670: a client that brings a metadata document has no old registration to
// forget.
func TestAClientIDThatIsAURL(t *testing.T) {
	w := newWorld(t)
	a := w.browser().get("/authorize?" + requestOf("https://app.example.com/oauth/client.json", webURI).Encode())
	if a.status != http.StatusBadRequest || strings.Contains(a.body, "kept an old registration") || strings.Contains(a.body, "How apps register again") ||
		!strings.Contains(a.body, "This server does not take this app") {
		t.Errorf("%d %s, want the page about metadata documents", a.status, a.body)
	}
}
