package policy

import (
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

func TestVouches(t *testing.T) {
	p, err := Parse([]byte(`{"version": 1, "open_registration": "open", "profiles": {
		"open": {"redirect_uris": {"presets": ["claude", "cursor"], "https": ["https://app.example.com/cb"], "private_use_schemes": ["com.example.app", "cursor"]}},
		"web": {"redirect_uris": {"any_https": true, "any_private_use": true}, "scopes": {"allowed": ["openid", "a"], "default": ["a"]}}
	}}`), broker.ModeDirect, []string{"openid", "a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		profile, uri string
		want         bool
	}{
		{"open", "https://claude.ai/api/mcp/auth_callback", true},
		{"open", "https://claude.ai/elsewhere", false},
		{"open", "https://app.example.com/cb", false}, // allowed, but not of a known client
		{"open", "http://127.0.0.1:4711/cb", true},    // cursor's preset allows loopback
		{"open", "cursor://anysphere.cursor-mcp/oauth/callback", true},
		{"open", "CURSOR://anysphere.cursor-mcp/oauth/callback", true},
		{"open", "cursor://elsewhere/", false},
		{"open", "com.example.app:/cb", false},
		{"web", "https://claude.ai/api/mcp/auth_callback", false},
		{"web", "http://127.0.0.1/cb", false},
		{"web", "com.example.app:/cb", false},
	} {
		u, err := dcr.ParseRedirectURI(tt.uri)
		if err != nil {
			t.Fatal(err)
		}
		profile, _ := p.Profile(tt.profile)
		if got := profile.Vouches(u); got != tt.want {
			t.Errorf("%s vouches for %s: %t, want %t", tt.profile, tt.uri, got, tt.want)
		}
	}
}

func TestDefaultScopes(t *testing.T) {
	p, err := Parse([]byte(`{"version": 1, "profiles": {
		"all": {"redirect_uris": {"loopback": true}},
		"some": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["openid", "a"], "default": ["a"]}}
	}}`), broker.ModeDirect, []string{"openid", "a"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{"all": {"openid", "a"}, "some": {"a"}} {
		profile, _ := p.Profile(name)
		got := profile.DefaultScopes()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		got[0] = "changed"
		if again := profile.DefaultScopes(); !slices.Equal(again, want) {
			t.Errorf("%s: %q after the caller changed the first answer", name, again)
		}
	}
}
