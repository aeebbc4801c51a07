package dcr_test

import (
	"slices"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// The rules of a grant type refer to grant types of the list, and a client can
// register each of them.
func TestGrantTypesFitTogether(t *testing.T) {
	for _, name := range dcr.GrantTypes() {
		g, ok := dcr.GrantTypeOf(name)
		if !ok || g.Name != name {
			t.Errorf("GrantTypeOf(%s) = %+v, %t", name, g, ok)
		}
		alone := g
		if g.With != "" {
			if alone, ok = dcr.GrantTypeOf(g.With); !ok || alone.With != "" {
				t.Errorf("%s needs %q, want a grant type that stands alone", name, g.With)
			}
		}
		if g.OwnName && (g.With != "" || g.Redirects) {
			t.Errorf("%s is for tokens in the client's own name, and needs a user", name)
		}
		m := dcr.ClientMetadata{GrantTypes: alone.Together(), RedirectURIs: []string{"https://app.example.com/cb"}}
		got, err := dcr.Validate(m)
		if err != nil || !slices.Equal(got.GrantTypes, alone.Together()) || !slices.Contains(got.GrantTypes, name) {
			t.Errorf("%s: Validate = %v, %v, want %v", name, got.GrantTypes, err, alone.Together())
		}
		if want := alone.Redirects; (len(got.RedirectURIs) > 0) != want || (len(got.ResponseTypes) > 0) != want {
			t.Errorf("%s: redirect URIs %v and response types %v, want some: %t", name, got.RedirectURIs, got.ResponseTypes, want)
		}
	}
	if g, ok := dcr.GrantTypeOf("password"); ok {
		t.Errorf("GrantTypeOf(password) = %+v", g)
	}
	if got, want := dcr.DefaultGrantTypes(), []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}; !slices.Equal(got, want) {
		t.Errorf("DefaultGrantTypes = %v, want %v", got, want)
	}
}
