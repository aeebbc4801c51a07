package token_test

import (
	"strings"
	"testing"
)

// A client that brings a client ID metadata document is not told to register
// "again".
func TestAClientIDThatIsAURL(t *testing.T) {
	s := newStack(t)
	const id = "https://app.example.com/oauth/client.json"
	for _, tt := range []struct{ path, form string }{
		{"/token", "grant_type=authorization_code&code=x&client_id=" + id},
		{"/token", "grant_type=refresh_token&refresh_token=x&client_id=" + id},
		{"/token", "grant_type=client_credentials&client_secret=x&client_id=" + id},
		{"/token", "grant_type=password&client_id=" + id},
		{"/revoke", "token=x&client_id=" + id},
		{"/introspect", "token=x&client_id=" + id},
		{"/introspect", "token=x&client_secret=x&client_id=" + id},
	} {
		a := s.post(tt.path, "", tt.form)
		a.want(401, "invalid_client")
		if d := a.text("error_description"); !strings.Contains(d, "takes no client ID metadata documents") {
			t.Errorf("%s %s: %q, want that this server takes no client ID metadata documents", tt.path, tt.form, d)
		}
	}
}
