package configuration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestWarnings(t *testing.T) {
	const (
		scopes   = `"version": 1, "scopes": [{"name": "openid"}, {"name": "a/read"}, {"name": "a/write"}, {"name": "b/read"}]`
		profiles = `"profiles": {
			"p": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["a/read"]}},
			"q": {"redirect_uris": {"loopback": true}, "scopes": {"allowed": ["a/write"]}}}`
		resources = `"protected_resources": [
			{"resource": "https://a.example.com", "scopes": ["a/read", "b/read"]},
			{"resource": "https://b.example.com", "scopes": ["b/read"]},
			{"resource": "https://c.example.com"},
			{"resource": "https://d.example.com", "scopes": ["a/write"]}]`
		unreachable = "protected_resources[1].scopes: no profile allows one of these scopes, so no client can get a token for this server"
		without     = "protected_resources[2]: has no scopes, so no client can get a token for this server"
		dedicated   = `"profiles": {
			"p": {"redirect_uris": {"loopback": true}, "app_client": "dedicated"},
			"q": {"redirect_uris": {"loopback": true}},
			"m": {"grant_types": ["client_credentials"], "token_endpoint_auth_methods": ["client_secret_basic"], "app_client": "dedicated"}}`
		styles = "profiles.p.app_client: dedicated needs a branding style for each client, and a user pool with managed login has 20: " +
			"when they are used up, users of the next client see an error (503)"
		open = `"open_registration": "p", "profiles": {"p": {"redirect_uris": {"loopback": true}, "limits": {}}, "q": {"redirect_uris": {"loopback": true}}}`
	)
	for _, tt := range []struct {
		document string
		mode     broker.Deployment
		want     []string
	}{
		{string(config.Example()), brokered, nil},
		{"{" + scopes + "," + profiles + "," + resources + `, "resource_binding": true}`, brokered, []string{unreachable, without}},
		{"{" + scopes + "," + profiles + "," + resources + "}", direct, []string{unreachable}},
		{"{" + scopes + "," + open + "}", brokered, []string{
			`profiles.p.limits: no creations_per_hour, so strangers can register any number of clients`}},
		{"{" + scopes + "," + open + "}", direct, []string{
			`profiles.p.limits: no creations_per_hour, so strangers can register any number of clients`,
			`profiles.p.limits: no app_clients, so strangers can use up the app clients of the user pool`}},
		{"{" + scopes + "," + strings.Replace(open, "{}", `{"creations_per_hour": 1, "app_clients": 1}`, 1) + "}", direct, nil},
		// Each client of such a profile needs a branding style.
		{"{" + scopes + "," + dedicated + "}", brokered, []string{styles}},
		{"{" + scopes + "," + dedicated + "}", broker.Deployment{Mode: broker.ModeBrokered, LoginVersion: 2}, []string{styles}},
		{"{" + scopes + "," + dedicated + "}", broker.Deployment{Mode: broker.ModeBrokered, LoginVersion: 1}, nil},
	} {
		var got []string
		for _, w := range parse(t, tt.document, tt.mode).Warnings() {
			got = append(got, w.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: warnings of %s:\n%q\nwant\n%q", tt.mode.Mode, tt.document, got, tt.want)
		}
	}
}
