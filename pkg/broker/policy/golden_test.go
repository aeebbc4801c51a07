package policy_test

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
)

// registrations are the bodies that real clients send.
const registrations = "../../../testdata/registrations"

// TestRegistrationsOfRealClients compares the registered metadata of each
// client under the default policy. Before you accept a change of these files,
// check the needs of the clients: all that register openly must keep working.
func TestRegistrationsOfRealClients(t *testing.T) {
	p := example(t, broker.ModeDirect)
	bodies, err := filepath.Glob(filepath.Join(registrations, "*.json"))
	if err != nil || len(bodies) == 0 {
		t.Fatalf("no registrations in %s: %v", registrations, err)
	}
	for _, name := range p.Profiles() {
		for _, file := range bodies {
			t.Run(name+"/"+strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
				got := answer(t, profile(t, p, name), file)
				golden.Compare(t, filepath.Join("testdata", "registrations", name, filepath.Base(file)), got)
			})
		}
	}
}

// answer returns the response to the body in file as JSON.
func answer(t *testing.T, p *policy.Profile, file string) []byte {
	t.Helper()
	body := must.ReadFile(t, file)
	m, err := register(t, p, string(body))
	var v any = m
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		v = map[string]string{"error": string(e.Code), "error_description": e.Description}
	} else if err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestRealClientsGetWhatTheyNeed checks the fields in the golden files that the
// clients depend on.
func TestRealClientsGetWhatTheyNeed(t *testing.T) {
	open, _ := example(t, broker.ModeDirect).Open()
	bodies, err := filepath.Glob(filepath.Join(registrations, "*.json"))
	if err != nil || len(bodies) == 0 {
		t.Fatalf("no registrations in %s: %v", registrations, err)
	}
	for _, file := range bodies {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body := must.ReadFile(t, file)
			sent, err := dcr.Decode(body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := register(t, open, string(body))
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			// Cursor treats a response without one of its URIs as a failed
			// registration.
			if !slices.Equal(got.RedirectURIs, sent.Metadata.RedirectURIs) {
				t.Errorf("redirect_uris = %q, want all that were sent: %q", got.RedirectURIs, sent.Metadata.RedirectURIs)
			}
			if got.TokenEndpointAuthMethod != dcr.AuthNone {
				t.Errorf("token_endpoint_auth_method = %q, want none", got.TokenEndpointAuthMethod)
			}
			if want := []string{dcr.GrantAuthorizationCode, dcr.GrantRefreshToken}; !slices.Equal(got.GrantTypes, want) {
				t.Errorf("grant_types = %q, want %q", got.GrantTypes, want)
			}
			if want := "openid mcp/read mcp/write"; got.Scope != want {
				t.Errorf("scope = %q, want %q, so that the client can step up", got.Scope, want)
			}
			if got.ClientName != sent.Metadata.ClientName {
				t.Errorf("client_name = %q, want %q", got.ClientName, sent.Metadata.ClientName)
			}
		})
	}
}
