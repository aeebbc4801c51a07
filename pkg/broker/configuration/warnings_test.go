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
		open        = `"open_registration": "p", "profiles": {"p": {"redirect_uris": {"loopback": true}, "limits": {}}, "q": {"redirect_uris": {"loopback": true}}}`
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
