package dcrbroker_test

import (
	"maps"
	"slices"
	"testing"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

func TestAddedToAnExistingApi(t *testing.T) {
	w := newWorld(t)
	var p dcrbroker.Props
	existing(nil)(w.stack, &p)
	p.Api.Origin = "https://api.example.com"
	b := w.add(p)
	if b.Issuer != "https://api.example.com" {
		t.Errorf("issuer is %s, want the origin of the API", b.Issuer)
	}
	template := read(t, w.template())
	renameIDs(t, template)

	if n := len(template.Of("AWS::ApiGatewayV2::Api")); n != 1 {
		t.Errorf("%d APIs, want only the existing one", n)
	}
	stages := template.Of("AWS::ApiGatewayV2::Stage")
	if len(stages) != 1 {
		t.Fatalf("%d stages, want only the existing one", len(stages))
	}
	routes, err := template.Routes()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"ANY /register": "RegisterFunction", "ANY /register/{client_id}": "RegisterFunction",
		"ANY /token": "TokenFunction", "ANY /revoke": "TokenFunction", "ANY /introspect": "TokenFunction",
		"ANY /authorize": "AuthorizeFunction", "ANY /callback": "AuthorizeFunction", "ANY /consent": "AuthorizeFunction",
		"ANY /signed-out": "AuthorizeFunction", "GET /assets/{proxy+}": "AuthorizeFunction",
		// No $default: it belongs to the API.
		"ANY /.well-known/oauth-authorization-server": "MetadataFunction", "ANY /.well-known/openid-configuration": "MetadataFunction",
		"ANY /.well-known/oauth-protected-resource": "MetadataFunction", "ANY /.well-known/oauth-protected-resource/{proxy+}": "MetadataFunction",
	}
	if !maps.Equal(routes, want) {
		t.Errorf("routes are %v, want %v", routes, want)
	}
	limits, _ := stages[0].Get("RouteSettings").(map[string]any)
	if got := slices.Sorted(maps.Keys(limits)); !slices.Equal(got, []string{"ANY /authorize", "ANY /register", "ANY /token"}) {
		t.Errorf("limits are for %v, want the same as with an API of the broker's own", got)
	}
	checkStageDependsOnRoutes(t, template.Of("AWS::ApiGatewayV2::Stage")[0].DependsOn)
	if env := template.Environment("RegisterFunction"); env["ISSUER"] != "https://api.example.com" {
		t.Errorf("ISSUER is %s, want the origin of the API", env["ISSUER"])
	}
}

// API Gateway refuses a limit for a route that does not exist yet.
func TestLimitsComeAfterRoutes(t *testing.T) {
	w := newWorld(t)
	w.add(dcrbroker.Props{})
	template := read(t, w.template())
	renameIDs(t, template)
	checkStageDependsOnRoutes(t, template.Resources["Stage"].DependsOn)
}

func checkStageDependsOnRoutes(t *testing.T, dependsOn []string) {
	t.Helper()
	for _, route := range []string{"AuthorizeRoute", "RegisterRoute", "TokenRoute"} {
		if !slices.Contains(dependsOn, route) {
			t.Errorf("the stage depends on %v, want %s", dependsOn, route)
		}
	}
}
