package cognitoauth

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestUserInfo(t *testing.T) {
	const none = "an error"
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   string // the address, "" is none, or none
	}{
		{"email_verified is text, as at Cognito", respond(200, `{"sub":"alice-sub","username":"u","email":"a@example.com","email_verified":"true"}`), "a@example.com"},
		{"email_verified is a Boolean", respond(200, `{"sub":"alice-sub","email":"a@example.com","email_verified":true}`), "a@example.com"},
		{"not verified, as text", respond(200, `{"sub":"alice-sub","email":"a@example.com","email_verified":"false"}`), ""},
		{"not verified", respond(200, `{"sub":"alice-sub","email":"a@example.com","email_verified":false}`), ""},
		{"email_verified is missing", respond(200, `{"sub":"alice-sub","email":"a@example.com"}`), ""},
		{"email_verified is a number", respond(200, `{"sub":"alice-sub","email":"a@example.com","email_verified":1}`), ""},
		{"members of another case", respond(200, `{"sub":"alice-sub","Email":"a@example.com","EMAIL_VERIFIED":true}`), ""},
		{"no address", respond(200, `{"sub":"alice-sub","email_verified":true}`), ""},
		{"an address that is an object", respond(200, `{"sub":"alice-sub","email":{},"email_verified":true}`), ""},
		{"an address that is a sentence", respond(200, `{"sub":"alice-sub","email":"you are a@example.com","email_verified":true}`), ""},
		{"no sub", respond(200, `{"email":"a@example.com","email_verified":true}`), none},
		{"not JSON", respond(200, `<html>`), none},
		{"a JWT", respond(200, access(nil)), none},
		{"a refusal", respond(401, `{"error":"invalid_token","error_description":"Access token is invalid"}`), none},
		{"status 500", respond(500, `{}`), none},
		{"too many requests", respond(429, `{}`), none},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, none},
		{"a body that is too long", respond(200, `{"sub":"alice-sub"}`+strings.Repeat(" ", maxReply)), none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.String() != "/oauth2/userInfo" || r.Header.Get("Authorization") != "Bearer the-token" {
					t.Errorf("got %s %s with %q, want the access token in a GET of userInfo", r.Method, r.URL, r.Header.Get("Authorization"))
				}
				tt.answer(w, r)
			}))
			defer server.Close()
			got, err := New(Config{UserInfoEndpoint: server.URL + "/oauth2/userInfo"}).UserInfo(t.Context(), "the-token")
			if tt.want == none {
				if _, ok := errors.AsType[*broker.UpstreamError](err); !ok || got != (broker.UserInfo{}) {
					t.Errorf("got %+v, %v, want a *broker.UpstreamError", got, err)
				}
				if strings.Contains(err.Error(), "the-token") {
					t.Errorf("error %q has the access token", err)
				}
				return
			}
			if err != nil || got != (broker.UserInfo{Sub: "alice-sub", Email: tt.want}) {
				t.Errorf("got %+v, %v, want alice-sub with the address %q", got, err, tt.want)
			}
		})
	}
}
