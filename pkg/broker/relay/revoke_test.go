package relay_test

import (
	"slices"
	"strings"
	"testing"
)

func TestRevokeSendsCognitoExactlyWhatItKnows(t *testing.T) {
	tests := []struct{ name, authorization, form, wantAuth, wantBody string }{
		{"public client", "", "token=" + refreshToken + "&client_id=" + publicID, "", "client_id=" + publicID + "&token=" + refreshToken},
		{"secret in the header", basic(secretID, clientSecret), "token=" + refreshToken, basic(secretID, clientSecret), "token=" + refreshToken},
		// Cognito documents Basic only.
		{"secret in the body", "", "token=" + refreshToken + "&client_id=" + secretID + "&client_secret=" + clientSecret, basic(secretID, clientSecret), "token=" + refreshToken},
		{"public client with an empty password", basic(publicID, ""), "token=" + refreshToken, "", "client_id=" + publicID + "&token=" + refreshToken},
		{"hints are ignored", "", "token=" + refreshToken + "&token_type_hint=access_token&client_id=" + publicID, "", "client_id=" + publicID + "&token=" + refreshToken},
		{"unknown hints too", "", "token=" + refreshToken + "&token_type_hint=x&client_id=" + publicID, "", "client_id=" + publicID + "&token=" + refreshToken},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := newCognito(t, replying(200, ""))
			s := newStack(t, up.URL)
			a := s.post("/revoke", tt.authorization, tt.form)
			if a.status != 200 || strings.TrimSpace(a.raw) != "{}" {
				t.Errorf("got %d %s, want 200 {}", a.status, a.raw)
			}
			want := []received{{"POST", "/oauth2/revoke", "application/x-www-form-urlencoded", tt.wantAuth, tt.wantBody}}
			if got := up.received(); !slices.Equal(got, want) {
				t.Errorf("Cognito received\n %+v, want\n %+v", got, want)
			}
			if len(s.clients.touched) != 0 {
				t.Errorf("use recorded for %q, want none: a revocation does not count as use", s.clients.touched)
			}
		})
	}
}

func TestRevokeRefusesWithoutCognito(t *testing.T) {
	tests := []struct {
		name, authorization, form string
		status                    int
		code                      string
	}{
		{"no client", "", "token=x", 401, "invalid_client"},
		{"unknown client", "", "token=x&client_id=nobody", 401, "invalid_client"},
		{"disabled client", "", "token=x&client_id=disabled", 400, "unauthorized_client"},
		{"public client with secret", "", "token=x&client_secret=y&client_id=" + publicID, 401, "invalid_client"},
		{"secret client without", "", "token=x&client_id=" + secretID, 401, "invalid_client"},
		{"header and body", basic(secretID, clientSecret), "token=x&client_secret=y", 400, "invalid_request"},
		{"no token", "", "client_id=" + publicID, 400, "invalid_request"},
		{"empty token", "", "token=&client_id=" + publicID, 400, "invalid_request"},
		{"two tokens", "", "token=x&token=y&client_id=" + publicID, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up := newCognito(t, replying(200, ""))
			newStack(t, up.URL).post("/revoke", tt.authorization, tt.form).wantRefusal(t, tt.status, tt.code)
			if got := up.received(); len(got) != 0 {
				t.Errorf("Cognito got requests: %+v", got)
			}
		})
	}
}

func TestCognitosErrorsAtTheRevocationEndpoint(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		code       string
	}{
		{"access token", `{"error":"unsupported_token_type"}`, 400, "unsupported_token_type"},
		{"wrong secret", `{"error":"invalid_client"}`, 401, "invalid_client"},
		{"revocation is off", `{"error":"invalid_request"}`, 400, "invalid_request"},
		{"description repeats the token", `{"error":"invalid_request","error_description":"bad ` + refreshToken + `"}`, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStack(t, newCognito(t, replying(400, tt.body)).URL)
			a := s.post("/revoke", "", "token="+refreshToken+"&client_id="+secretID+"&client_secret="+clientSecret)
			a.wantRefusal(t, tt.status, tt.code)
			if strings.Contains(a.raw, refreshToken) {
				t.Errorf("the answer repeats the token: %s", a.raw)
			}
			// The client sent no Authorization header, but the broker sent one to
			// Cognito.
			if got := a.header.Get("WWW-Authenticate"); got != "" {
				t.Errorf("WWW-Authenticate = %q, want none", got)
			}
		})
	}
}
