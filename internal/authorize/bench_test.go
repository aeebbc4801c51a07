package authorize

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// recorded answers the token endpoint from memory, so that a benchmark measures
// our own time.
type recorded struct{ body string }

func (c recorded) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.body))}, nil
}

// BenchmarkSteps is our own time of each step: no network, the store in memory.
func BenchmarkSteps(b *testing.B) {
	w := newWorld(b)
	id := w.register("open", nil, deskURI)
	uri := "http://127.0.0.1:4711/callback"
	br := w.browser()
	callback := br.signIn(br.authorize(asking(id, uri)), "alice")
	u, err := url.Parse(callback)
	if err != nil {
		b.Fatal(err)
	}
	body := w.rawTokens(u, br)
	w.front.Cognito = cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: w.base + "/oauth2/authorize", TokenEndpoint: "http://cognito.invalid/token", HTTP: &http.Client{Transport: recorded{body}},
	})
	rt := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	w.front.Mount(rt)
	serve := func(method, path, cookie string, form url.Values, want int) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if cookie != "" {
			r.Header.Set("Cookie", "dcr_tx="+cookie)
		}
		rec := httptest.NewRecorder()
		rt.ServeHTTP(rec, r)
		if rec.Code != want {
			b.Fatalf("%s %s: %d %s", method, path, rec.Code, main(rec.Body.String()))
		}
		return rec
	}
	request := "/authorize?" + asking(id, uri).Encode()
	begin := func() secret {
		rec := serve(http.MethodGet, request, "", nil, http.StatusSeeOther)
		s, ok := w.front.cookies.read(&http.Request{Header: http.Header{"Cookie": {strings.Split(rec.Header().Get("Set-Cookie"), ";")[0]}}})
		if !ok {
			b.Fatal("no cookie")
		}
		return s
	}
	arrive := func() secret {
		s := begin()
		serve(http.MethodGet, "/callback?code=c&state="+s.state(), s.text, nil, http.StatusSeeOther)
		return s
	}
	b.Run("authorize", func(b *testing.B) {
		for b.Loop() {
			serve(http.MethodGet, request, "", nil, http.StatusSeeOther)
		}
	})
	b.Run("callback", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := begin()
			b.StartTimer()
			serve(http.MethodGet, "/callback?code=c&state="+s.state(), s.text, nil, http.StatusSeeOther)
		}
	})
	b.Run("consent", func(b *testing.B) {
		s := arrive()
		for b.Loop() {
			serve(http.MethodGet, "/consent", s.text, nil, http.StatusOK)
		}
	})
	b.Run("decision", func(b *testing.B) {
		s := arrive()
		form := url.Values{"csrf": {s.csrf()}, "decision": {"allow"}}
		serve(http.MethodPost, "/authorize", s.text, form, http.StatusOK)
		for b.Loop() { // from the second on the same answer is found again
			serve(http.MethodPost, "/authorize", s.text, form, http.StatusOK)
		}
	})
}

// rawTokens is what Cognito answers to the code of this callback.
func (w *world) rawTokens(callback *url.URL, b *browser) string {
	w.t.Helper()
	t, err := w.grants.Transaction(w.t.Context(), b.keyOf())
	if err != nil {
		w.t.Fatal(err)
	}
	app, err := w.front.signInApp(t)
	if err != nil {
		w.t.Fatal(err)
	}
	issuer, err := url.Parse(w.issuer)
	if err != nil {
		w.t.Fatal(err)
	}
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {callback.Query().Get("code")}, "redirect_uri": {w.issuer + CallbackPath},
		"code_verifier": {secret{b.client.Jar.Cookies(issuer)[0].Value}.verifier()},
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.base+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(app.ID, app.Secret)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("token endpoint: %d %s %v", resp.StatusCode, body, err)
	}
	return string(body)
}
