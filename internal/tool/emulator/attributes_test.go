package emulator_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
)

func TestAttributesFollowTheScopes(t *testing.T) {
	carol := emulator.User{
		Name: "carol", Password: "Correct-Horse-9", Email: "carol@example.com", Unverified: true,
		Attributes: map[string]string{"given_name": "Carol", "phone_number": "+4912345", "phone_number_verified": "true"},
	}
	for _, tt := range []struct {
		name, scope string
		readable    []string
		bare        bool
		userInfo    string // its members besides sub and username
		idToken     string // the same of its attributes
	}{
		{"openid alone", "openid " + apiScope, nil, false, "email email_verified given_name phone_number phone_number_verified", "email email_verified given_name phone_number phone_number_verified"},
		{"openid alone, ID tokens without attributes", "openid", nil, true, "email email_verified given_name phone_number phone_number_verified", ""},
		{"openid alone, to an app client that reads the address", "openid", []string{"email", "email_verified"}, false, "email email_verified", "email email_verified"},
		{"email", "openid email", nil, true, "email email_verified", "email email_verified"},
		{"phone", "openid phone", nil, true, "phone_number phone_number_verified", "phone_number phone_number_verified"},
		{"profile", "openid profile", []string{"given_name"}, true, "given_name", "given_name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := start(t, func(c *emulator.Config) { c.Users, c.BareIDTokens = []emulator.User{carol}, tt.bare })
			in := publicClient()
			in.AllowedOAuthScopes, in.ReadAttributes = []string{"openid", "email", "phone", "profile", apiScope}, tt.readable
			a := *l.create(in).ClientId
			back := l.signIn(emulator.NewBrowser(), l.authorizeURL(a, formOf("scope", tt.scope)), carol.Name, carol.Password)
			tok := l.redeem(a, back.Get("code"), nil)
			got := l.get("/oauth2/userInfo", http.Header{"Authorization": {"Bearer " + tok.text("access_token")}})
			want := strings.Fields(tt.userInfo + " sub username")
			if members := slices.Sorted(maps.Keys(got.body)); got.status != 200 || !slices.Equal(members, slices.Sorted(slices.Values(want))) {
				t.Errorf("userInfo: %d %s, want %q", got.status, got.raw, want)
			}
			if v, ok := got.body["email_verified"]; ok && v != "false" {
				t.Errorf("userInfo: email_verified = %v, want the text false", v)
			}
			_, id := l.claims(tok.text("id_token"))
			for _, name := range []string{"email", "email_verified", "given_name", "phone_number", "phone_number_verified"} {
				if _, has := id[name]; has != slices.Contains(strings.Fields(tt.idToken), name) {
					t.Errorf("ID token: %s = %v, want only %q", name, id[name], tt.idToken)
				}
			}
			if v, ok := id["phone_number_verified"]; ok && v != true {
				t.Errorf("ID token: phone_number_verified = %v, want true", v)
			}
		})
	}
}

func TestEmailUsernamesAreUUIDs(t *testing.T) {
	l := start(t, func(c *emulator.Config) {
		c.EmailUsernames = true
		c.Users = []emulator.User{{Name: "alice@example.com", Password: "Correct-Horse-9"}}
	})
	a := *l.create(publicClient()).ClientId
	back := l.signIn(emulator.NewBrowser(), l.authorizeURL(a, nil), "alice@example.com", "Correct-Horse-9")
	tok := l.redeem(a, back.Get("code"), nil)
	_, access := l.claims(tok.text("access_token"))
	_, id := l.claims(tok.text("id_token"))
	if access["username"] != access["sub"] || id["cognito:username"] != access["sub"] || id["email"] != "alice@example.com" {
		t.Errorf("username = %v, cognito:username = %v, email = %v, want the sub twice and the address", access["username"], id["cognito:username"], id["email"])
	}
}
