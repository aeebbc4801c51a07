package front_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire/front"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// The secret of the edge changes without a deployment, and the previous value
// stays good meanwhile.
func TestTheSecretOfTheEdgeRotates(t *testing.T) {
	file, clock := filepath.Join(t.TempDir(), "edge.json"), fake.NewClock()
	old, now := strings.Repeat("o", 32), strings.Repeat("n", 32)
	c := &environment.Environment{}
	c.Issuer, c.Edge = "https://auth.example.com", file
	rt, err := front.Router(c, aws.Config{}, clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	rt.Handle(http.MethodGet, "/from", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.RemoteAddr)) }))
	get := func(secret string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodGet, "/from", nil), httptest.NewRecorder()
		r.Header.Set("X-Edge-Secret", secret)
		r.Header.Set("CloudFront-Viewer-Address", "198.51.100.1:443")
		rt.ServeHTTP(w, r)
		return w
	}
	want := func(what, secret string, status int) {
		t.Helper()
		w := get(secret)
		if w.Code != status || status == http.StatusOK && w.Body.String() != "198.51.100.1:0" {
			t.Errorf("%s: %d %s, want %d", what, w.Code, w.Body, status)
		}
		if w.Header().Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: no Strict-Transport-Security, although the issuer is https", what)
		}
	}
	want("before there is a secret", old, http.StatusServiceUnavailable)
	must.WriteFile(t, file, []byte(`{"current":"`+old+`"}`))
	clock.Advance(time.Minute)
	want("the secret", old, http.StatusOK)
	want("no secret", "", http.StatusForbidden)
	want("the next one", now, http.StatusForbidden)
	must.WriteFile(t, file, []byte(`{"current":"`+now+`","previous":"`+old+`"}`))
	clock.Advance(5 * time.Minute)
	want("the new secret", now, http.StatusOK)
	want("the previous one", old, http.StatusOK)
	must.WriteFile(t, file, []byte(`{"current":"`+now+`"}`))
	clock.Advance(5 * time.Minute)
	want("the former one", old, http.StatusForbidden)
}

func TestAnEdgeThatHidesAddresses(t *testing.T) {
	c := &environment.Environment{}
	c.Issuer, c.Edge = "http://127.0.0.1:1", environment.EdgeHidden
	rt, err := front.Router(c, aws.Config{}, fake.NewClock().Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	from := "not called"
	rt.Handle(http.MethodGet, "/from", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { from = r.RemoteAddr; w.WriteHeader(204) }))
	w := httptest.NewRecorder()
	rt.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/from", nil))
	if from != "" || w.Header().Get("Strict-Transport-Security") != "" {
		t.Errorf("from %q with %v, want no address, and no Strict-Transport-Security for an http issuer", from, w.Header())
	}
}
