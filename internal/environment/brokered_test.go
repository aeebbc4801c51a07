package environment

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

const twoServers = `[{"resource":"https://a.example.com/mcp","scopes":["mcp/read"]},{"resource":"https://b.example.com/mcp","scopes":["openid"]}]`

func TestBrokeredDefaults(t *testing.T) {
	c, err := Authorize(getenv(brokered()))
	if err != nil {
		t.Fatal(err)
	}
	if c.Mode != broker.ModeBrokered || c.LoginVersion != 1 || c.ResourceBinding || c.BrandName != "auth.example.com" {
		t.Errorf("Authorize = %+v, want brokered, login version 1, no resource binding, the issuer's host as name", c)
	}
}

func TestBrokeredFaults(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		says        string // "" if there is no fault
	}{
		{"AUTHORIZATION", "direct", "brokered only"},
		{"KEYS", "", "must be set"},
		{"KEYS_ENDPOINT", "localhost:5000", "scheme and host"},
		{"PROVISION_FUNCTION", "", "must be set"},
		{"LAMBDA_ENDPOINT", "localhost:3001", "scheme and host"},
		{"LOGIN_VERSION", "3", "managed login"},
		{"RESOURCE_BINDING", "true", "LOGIN_VERSION=2"}, // the classic pages ignore a resource
		{"RESOURCE_BINDING", "1", "true or false"},
		{"PROTECTED_RESOURCES", twoServers, ""},
		// A token without audience is valid at both servers.
		{"PROTECTED_RESOURCES", strings.Replace(twoServers, "openid", "mcp/read", 1), "share the scope"},
		{"BRAND_LOGO", "/nowhere/logo.png", "no such file"},
		{"BRAND_ACCENT", "blue", "colour"},
		{"BRAND_ACCENT", "#0b5fff", ""},
		{"SCOPE_DESCRIPTIONS", `{"mcp/read":"Read your notes"}`, ""},
		{"SCOPE_DESCRIPTIONS", `{"mcp/none":"x"}`, "not among SCOPES"},
		{"SCOPE_DESCRIPTIONS", `[]`, "JSON object"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := brokered()
			env[tt.name] = tt.value
			_, err := Authorize(getenv(env))
			wantFault(t, err, tt.name, tt.says)
		})
	}
}

func TestBoundTokensAllowSharedScopes(t *testing.T) {
	env := brokered()
	env["PROTECTED_RESOURCES"] = strings.Replace(twoServers, "openid", "mcp/read", 1)
	env["RESOURCE_BINDING"], env["LOGIN_VERSION"] = "true", "2"
	if _, err := Authorize(getenv(env)); err != nil {
		t.Errorf("Authorize: %v", err)
	}
}

func TestIntrospectionClients(t *testing.T) {
	sum := strings.Repeat("0f", 32)
	for _, tt := range []struct{ value, says string }{
		{`[{"id":"a","secret_sha256":"` + sum + `","resource":"https://a.example.com/mcp"}]`, ""},
		{`[{"id":"a","secret_sha256":"secret","resource":"https://a.example.com/mcp"}]`, "SHA-256"},
		{`[{"id":"a","secret_sha256":"` + sum + `","resource":"https://c.example.com/mcp"}]`, "not among PROTECTED_RESOURCES"},
		{`[{"id":"","secret_sha256":"` + sum + `","resource":"https://a.example.com/mcp"}]`, "id"},
		{`[{"id":"a","secret":"x"}]`, "JSON array"},
	} {
		env := brokered()
		env["PROTECTED_RESOURCES"] = twoServers
		env["INTROSPECTION_CLIENTS"] = tt.value
		_, err := Token(getenv(env))
		wantFault(t, err, "INTROSPECTION_CLIENTS", tt.says)
	}
}

func TestEachBrokeredFunctionReadsItsPart(t *testing.T) {
	env := brokered()
	delete(env, "PROVISION_FUNCTION")
	delete(env, "DEPLOYMENT_ID")
	if _, err := Registration(getenv(env)); err != nil {
		t.Errorf("Registration: %v, want no fault: the function makes no app client", err)
	}
	env["DEPLOYMENT_ID"] = "prod"
	if _, err := AppClients(getenv(env)); err != nil {
		t.Errorf("AppClients: %v", err)
	}
}

func wantFault(t *testing.T, err error, name, says string) {
	t.Helper()
	if says == "" {
		if err != nil {
			t.Errorf("%v, want no fault", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), name+": ") && !strings.Contains(says, ": ") || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want a fault of %s with %q", err, name, says)
	}
}
