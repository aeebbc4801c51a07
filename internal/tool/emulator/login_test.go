package emulator_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// signIn returns the query with which the browser is redirected to the client.
func (l *local) signIn(b *emulator.Browser, authorizeURL, name, password string) url.Values {
	l.t.Helper()
	back, err := b.SignIn(l.t.Context(), authorizeURL, name, password)
	if err != nil {
		l.t.Fatalf("SignIn: %v", err)
	}
	return back.Query()
}

func TestSilentSignInAcrossAppClients(t *testing.T) {
	l := start(t, nil)
	a, b := *l.create(publicClient()).ClientId, *l.create(publicClient()).ClientId
	browser := emulator.NewBrowser()
	if q := l.signIn(browser, l.authorizeURL(a, nil), "alice", "Correct-Horse-9"); !q.Has("code") {
		t.Fatalf("first client: %v, want a code", q)
	}
	began := l.clock.Now()
	l.clock.Advance(59 * time.Minute)
	// No name and no password: the code comes from the cookie alone.
	q := l.signIn(browser, l.authorizeURL(b, nil), "", "")
	if !q.Has("code") || q.Get("state") != "s1" {
		t.Fatalf("another client after 59 minutes: %v, want a code", q)
	}
	_, claims := l.claims(l.redeem(b, q.Get("code"), nil).text("access_token"))
	if claims["username"] != "alice" || claims["auth_time"] != float64(began.Unix()) {
		t.Errorf("username, auth_time = %v, %v, want alice and the time of the password, %d", claims["username"], claims["auth_time"], began.Unix())
	}
	l.clock.Advance(time.Minute) // an hour after the password, although the cookie was used in between
	if back, err := browser.SignIn(t.Context(), l.authorizeURL(b, nil), "", ""); err == nil {
		t.Errorf("after an hour the browser was sent to %s, want the sign-in page", back)
	}
}

func TestWrongPassword(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	for _, user := range [][2]string{{"alice", "wrong"}, {"nobody", ""}, {"nobody", "Correct-Horse-9"}, {"", ""}} {
		back, err := emulator.NewBrowser().SignIn(t.Context(), l.authorizeURL(a, nil), user[0], user[1])
		if err == nil || !strings.Contains(err.Error(), "status 401") {
			t.Errorf("%q: got %v, %v, want the form again with 401", user, back, err)
		}
	}
}

// page is a fetched page.
type page struct {
	status int
	header http.Header
	body   string
}

// fetch gets an address with c, which does not follow redirects.
func fetch(t *testing.T, c *http.Client, method, address string, form url.Values) page {
	t.Helper()
	req := must.Request(t, method, address, form.Encode())
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(b)}
}

func cookieClient(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func TestSignInFormNeedsItsCSRFToken(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	login := strings.Replace(l.authorizeURL(a, nil), "/oauth2/authorize", "/login", 1)
	c := cookieClient(t)
	shown := fetch(t, c, http.MethodGet, login, nil)
	if shown.status != 200 || shown.header.Get("X-Frame-Options") != "DENY" || shown.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("sign-in page: %d, headers %v", shown.status, shown.header)
	}
	if cookie := shown.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "XSRF-TOKEN=") || !strings.Contains(shown.body, `name="_csrf"`) {
		t.Errorf("sign-in page sets %q, want the cookie XSRF-TOKEN, and a field _csrf", cookie)
	}
	credentials := formOf("username", "alice", "password", "Correct-Horse-9")
	if got := fetch(t, c, http.MethodPost, login, credentials); got.status != 403 {
		t.Errorf("no token: %d, want 403", got.status)
	}
	credentials.Set("_csrf", "made-up")
	if got := fetch(t, c, http.MethodPost, login, credentials); got.status != 403 {
		t.Errorf("a wrong token: %d, want 403", got.status)
	}
	if got := fetch(t, cookieClient(t), http.MethodPost, login, formOf("username", "alice", "password", "Correct-Horse-9", "_csrf", "")); got.status != 403 {
		t.Errorf("an empty token and no cookie: %d, want 403", got.status)
	}
}

func TestLoginPageShowsClientAndPool(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.ClientName = aws.String("MCP Inspector")
	a := *l.create(in).ClientId
	login := strings.Replace(l.authorizeURL(a, formOf("login_hint", `al"ice<b>`)), "/oauth2/authorize", "/login", 1)
	got := fetch(t, cookieClient(t), http.MethodGet, login, nil)
	for _, want := range []string{"LOCAL Cognito", "MCP Inspector", pool, "al&#34;ice&lt;b&gt;"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
}

func TestClientWithoutIdentityProvider(t *testing.T) {
	l := start(t, nil)
	in := publicClient()
	in.SupportedIdentityProviders = nil
	none, some := *l.create(in).ClientId, *l.create(publicClient()).ClientId
	browser := emulator.NewBrowser()
	l.signIn(browser, l.authorizeURL(some, nil), "alice", "Correct-Horse-9")
	if back, err := browser.SignIn(t.Context(), l.authorizeURL(none, nil), "alice", "Correct-Horse-9"); err == nil || !strings.Contains(err.Error(), "status 403") {
		t.Errorf("got %v, %v, want the page without an identity provider", back, err)
	}
	login := strings.Replace(l.authorizeURL(none, nil), "/oauth2/authorize", "/login", 1)
	if got := fetch(t, cookieClient(t), http.MethodGet, login, nil); !strings.Contains(got.body, "no identity provider") {
		t.Errorf("the page does not report that there is no identity provider:\n%s", got.body)
	}
}

func TestPrompt(t *testing.T) {
	l := start(t, func(c *emulator.Config) { c.ManagedLogin = 2 })
	a := *l.create(publicClient()).ClientId
	if _, err := l.sdk.CreateManagedLoginBranding(t.Context(), &cip.CreateManagedLoginBrandingInput{UserPoolId: aws.String(pool), ClientId: &a, UseCognitoProvidedValues: true}); err != nil {
		t.Fatal(err)
	}
	browser := emulator.NewBrowser()
	ask := func(prompt string) (url.Values, error) {
		back, err := browser.SignIn(t.Context(), l.authorizeURL(a, formOf("prompt", prompt)), "", "")
		if err != nil {
			return nil, err
		}
		return back.Query(), nil
	}
	if q, err := ask("none"); err != nil || q.Get("error") != "login_required" || q.Get("state") != "s1" {
		t.Errorf("none, not signed in: %v, %v, want login_required", q, err)
	}
	l.signIn(browser, l.authorizeURL(a, nil), "alice", "Correct-Horse-9")
	for _, silent := range []string{"none", "select_account", "consent", ""} {
		if q, err := ask(silent); err != nil || !q.Has("code") {
			t.Errorf("%q, signed in: %v, %v, want a code", silent, q, err)
		}
	}
	if q, err := ask("login"); err == nil {
		t.Errorf("login, signed in: %v, want the sign-in page", q)
	}
	for _, bad := range []string{"none login", "whenever"} {
		if q, err := ask(bad); err != nil || q.Get("error") != "invalid_request" {
			t.Errorf("%q: %v, %v, want invalid_request", bad, q, err)
		}
	}

	classic := start(t, nil)
	b := *classic.create(publicClient()).ClientId
	browser = emulator.NewBrowser()
	classic.signIn(browser, classic.authorizeURL(b, nil), "alice", "Correct-Horse-9")
	if q := classic.signIn(browser, classic.authorizeURL(b, formOf("prompt", "login")), "", ""); !q.Has("code") {
		t.Errorf("login on classic pages: %v, want prompt to change nothing", q)
	}
}

func TestLogout(t *testing.T) {
	l := start(t, nil)
	a := *l.create(publicClient()).ClientId
	browser := emulator.NewBrowser()
	l.signIn(browser, l.authorizeURL(a, nil), "alice", "Correct-Horse-9")
	const bye = "http://localhost:7777/bye"
	if _, err := browser.SignIn(t.Context(), l.base+"/logout?"+formOf("client_id", a, "logout_uri", "https://evil.example/", "redirect_uri", "https://evil.example/").Encode(), "", ""); err == nil {
		t.Error("an unregistered logout_uri was followed")
	}
	if back, err := browser.SignIn(t.Context(), l.authorizeURL(a, nil), "", ""); err == nil {
		t.Errorf("after the logout the browser was sent to %s, want the sign-in page", back)
	}
	got := l.get("/logout?"+formOf("client_id", a, "logout_uri", bye).Encode(), nil)
	if got.status != 302 || got.header.Get("Location") != bye {
		t.Errorf("got %d to %q, want 302 to %s", got.status, got.header.Get("Location"), bye)
	}
	again := formOf("client_id", a, "redirect_uri", callback, "response_type", "code")
	if got := l.get("/logout?"+again.Encode(), nil); !strings.HasPrefix(got.header.Get("Location"), "/login?") {
		t.Errorf("with redirect_uri: to %q, want the sign-in page", got.header.Get("Location"))
	}
	for name, q := range map[string]url.Values{"unknown client": formOf("client_id", "x", "logout_uri", bye), "no target": formOf("client_id", a)} {
		if got := l.get("/logout?"+q.Encode(), nil); !strings.HasPrefix(got.header.Get("Location"), "/error?") {
			t.Errorf("%s: to %q, want the error page", name, got.header.Get("Location"))
		}
	}
}
