package authorize

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// replay sends the first request and then repeats its answer from memory, so
// that a benchmark measures only the broker's own time.
type replay struct{ body []byte }

func (t *replay) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.body == nil {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		if t.body, err = io.ReadAll(resp.Body); err != nil {
			return nil, err
		}
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(t.body))}, nil
}

// BenchmarkSteps measures the broker's own time in each step: there is no
// network, and the store is in memory.
func BenchmarkSteps(b *testing.B) {
	w := newWorld(b)
	id := w.register("open", nil, deskURI)
	uri := "http://127.0.0.1:4711/callback"
	br := w.browser()
	callback := br.signIn(br.authorize(requestOf(id, uri)), "alice")
	w.oauth.Client = cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: w.cognito.URL + "/oauth2/authorize", TokenEndpoint: w.cognito.URL + "/oauth2/token", HTTP: &http.Client{Transport: new(replay)},
	})
	if a := br.get(callback); !a.asks() {
		b.Fatalf("the callback went to %q", a.location)
	}
	rt := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	w.endpoint().Mount(rt)
	serve := func(method, path, cookie string, form url.Values, want int) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		rec := httptest.NewRecorder()
		rt.ServeHTTP(rec, r)
		if rec.Code != want {
			b.Fatalf("%s %s: %d %s", method, path, rec.Code, main(rec.Body.String()))
		}
		return rec
	}
	request := "/authorize?" + requestOf(id, uri).Encode()
	// begin and arrive return the cookie; begin also returns the path of the
	// callback.
	begin := func() (cookie, callback string) {
		rec := serve(http.MethodGet, request, "", nil, http.StatusSeeOther)
		cookie, _, _ = strings.Cut(rec.Header().Get("Set-Cookie"), ";")
		to := must.ParseURL(b, rec.Header().Get("Location"))
		return cookie, "/callback?code=c&state=" + to.Query().Get("state")
	}
	arrive := func() string {
		cookie, callback := begin()
		serve(http.MethodGet, callback, cookie, nil, http.StatusSeeOther)
		return cookie
	}
	consentOf := func(cookie string) string {
		name, _, _ := strings.Cut(cookie, "=")
		return consentAddress(strings.TrimPrefix(name, "dcr_tx_"))
	}
	b.Run("authorize", func(b *testing.B) {
		for b.Loop() {
			serve(http.MethodGet, request, "", nil, http.StatusSeeOther)
		}
	})
	b.Run("callback", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			cookie, callback := begin()
			b.StartTimer()
			serve(http.MethodGet, callback, cookie, nil, http.StatusSeeOther)
		}
	})
	b.Run("consent", func(b *testing.B) {
		cookie := arrive()
		for b.Loop() {
			serve(http.MethodGet, consentOf(cookie), cookie, nil, http.StatusOK)
		}
	})
	b.Run("decision", func(b *testing.B) {
		cookie := arrive()
		page := serve(http.MethodGet, consentOf(cookie), cookie, nil, http.StatusOK)
		form := answer{status: page.Code, body: page.Body.String()}.form(b, "decision", "allow")
		serve(http.MethodPost, "/authorize", cookie, form, http.StatusOK)
		for b.Loop() { // every decision after the first finds the first one's code
			serve(http.MethodPost, "/authorize", cookie, form, http.StatusOK)
		}
	})
}
