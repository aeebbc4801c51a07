package environment

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// complete returns an environment without faults.
func complete() map[string]string {
	return map[string]string{
		"ISSUER":         "https://auth.example.com",
		"AWS_REGION":     "eu-central-1",
		"USER_POOL_ID":   "eu-central-1_AbCdEfGhI",
		"COGNITO_DOMAIN": "https://example.auth.eu-central-1.amazoncognito.com",
		"SCOPES":         "openid mcp/read",
		"TABLE_NAME":     "dcr",
		"DEPLOYMENT_ID":  "prod",
		"AUTHORIZATION":  "direct",
	}
}

// brokered returns the same for brokered mode.
func brokered() map[string]string {
	env := complete()
	delete(env, "AUTHORIZATION") // brokered is the default
	env["KEYS"] = "secretsmanager:dcr/keys"
	env["PROVISION_FUNCTION"] = "dcr-provision"
	return env
}

func getenv(env map[string]string) func(string) string {
	return func(name string) string { return env[name] }
}

func TestDefaults(t *testing.T) {
	c, err := Registration(getenv(complete()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"CognitoIssuer", c.CognitoIssuer, "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI"},
		{"CognitoDiscovery", c.CognitoDiscovery, "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/openid-configuration"},
		{"CognitoBackChannel", c.CognitoBackChannel, c.CognitoDomain},
		{"ScopesSupported", strings.Join(c.ScopesSupported, " "), "openid mcp/read"},
		{"GrantTypesSupported", strings.Join(c.GrantTypesSupported, " "), "authorization_code refresh_token"},
		{"IdentityProviders", strings.Join(c.IdentityProviders, " "), "COGNITO"},
		{"AccessTokenLifetime", c.AccessTokenLifetime, time.Hour},
		{"RefreshTokenLifetime", c.RefreshTokenLifetime, 720 * time.Hour},
		{"RefreshTokenRotation", c.RefreshTokenRotation, true},
		{"ForwardResource", c.ForwardResource, false},
		{"profiles", strings.Join(c.Policy.Profiles(), " "), "open trusted"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestFaults(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(bad, []byte(`{"version":2,"profiles":{"x":{"consent":"always"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	narrow := filepath.Join(t.TempDir(), "narrow.json")
	if err := os.WriteFile(narrow, []byte(`{"version":1,"open_registration":"open","profiles":{"open":{
		"redirect_uris":{"loopback":true},"scopes":{"allowed":["mcp/read"]}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, value string
		says        string // "" if there is no fault
	}{
		{"ISSUER", "", "must be set"},
		{"ISSUER", "https://auth.example.com/", "no trailing slash"}, // clients compare it byte by byte
		{"ISSUER", "https://auth.example.com/prod", "no path"},
		{"ISSUER", "https://AUTH.example.com", "lower case"},
		{"ISSUER", "http://auth.example.com", "https"},
		{"ISSUER", "http://localhost:8080", ""},
		{"ISSUER", "auth.example.com", "scheme and host"},
		{"ISSUER", "https://user@auth.example.com", "scheme and host"},
		{"LOG_LEVEL", "loud", "debug"},
		{"AUTHORIZATION", "proxied", "brokered or direct"},
		{"USER_POOL_ID", "AbCdEfGhI", "user pool id"},
		{"USER_POOL_ID", "eu-central-1_", "user pool id"},
		{"COGNITO_DOMAIN", "", "must be set"},
		{"COGNITO_DOMAIN", "http://pool.example.com", "https"},
		{"COGNITO_BACK_CHANNEL", "http://host.docker.internal:9229", ""}, // a container reaches the host under another name
		{"COGNITO_BACK_CHANNEL", "http://host/oauth2", "no path"},
		{"COGNITO_ISSUER", "ftp://example.com", "http or https"},
		{"COGNITO_DISCOVERY", "https://example.com/x?y=z", "without query"},
		{"COGNITO_ENDPOINT", "x", "scheme and host"},
		{"SCOPES", "", "must be set"},
		{"SCOPES", `mcp/"read"`, "character"},
		{"SCOPES", "openid offline_access", "offline_access"},
		{"SCOPES", "openid openid", "occurs twice"},
		{"SCOPES_SUPPORTED", "mcp/write", "not among SCOPES"},
		{"POLICY", narrow, "SCOPES_SUPPORTED: \"openid\" is published, but the policy does not grant it"},
		{"SCOPES", "openid mcp/read aws.cognito.signin.user.admin", ""}, // offered, but not published
		{"GRANT_TYPES_SUPPORTED", "implicit", "implicit"},
		{"PROTECTED_RESOURCES", `{`, "JSON array"},
		{"PROTECTED_RESOURCES", `[{"resource":"https://mcp.example.com/mcp","scope":"x"}]`, "JSON array"},
		{"PROTECTED_RESOURCES", `[{"resource":"http://mcp.example.com/mcp"}]`, "https"},
		{"PROTECTED_RESOURCES", `[{"resource":"https://mcp.example.com/mcp","scopes":["mcp/write"]}]`, "not among SCOPES"},
		{"PROTECTED_RESOURCES", `[{"resource":"https://mcp.example.com/mcp"},{"resource":"https://mcp.example.com/mcp/"}]`, "occurs twice"},
		{"PROTECTED_RESOURCES", `[{"resource":"http://localhost:8090/mcp","scopes":["mcp/read"],"name":"Local"}]`, ""},
		{"FORWARD_RESOURCE", "yes", ""}, // the register function does not read it
		{"TABLE_NAME", "", "must be set"},
		{"DYNAMODB_ENDPOINT", "localhost:8000", "scheme and host"},
		{"DEPLOYMENT_ID", "Prod", "a-z"},
		{"DEPLOYMENT_ID", strings.Repeat("a", 33), "1 to 32"},
		{"POLICY", "/nowhere/policy.json", "no such file"},
		{"POLICY", bad, "profiles.x.consent"},
		{"IDENTITY_PROVIDERS", "COGNITO,,Okta", "separated by commas"},
		{"IDENTITY_PROVIDERS", "COGNITO, Okta", ""},
		{"ACCESS_TOKEN_LIFETIME", "1m", "5m"},
		{"ACCESS_TOKEN_LIFETIME", "25h", "24h"},
		{"ID_TOKEN_LIFETIME", "an hour", "duration"},
		{"REFRESH_TOKEN_LIFETIME", "1h", ""},
		{"REFRESH_TOKEN_ROTATION", "off", "true or false"},
		{"APP_CLIENT_QUOTA", "0", "1 to"},
		{"APP_CLIENT_QUOTA", "many", "1 to"},
		{"APP_CLIENT_QUOTA", "2500", ""},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := complete()
			env[tt.name] = tt.value
			_, err := Registration(getenv(env))
			wantFault(t, err, tt.name, tt.says)
		})
	}
}

func TestRefreshTokensOutliveTheOthers(t *testing.T) {
	env := complete()
	env["ACCESS_TOKEN_LIFETIME"], env["REFRESH_TOKEN_LIFETIME"] = "2h", "1h"
	if _, err := Registration(getenv(env)); err == nil || !strings.Contains(err.Error(), "REFRESH_TOKEN_LIFETIME") {
		t.Errorf("Registration: %v, want a fault of REFRESH_TOKEN_LIFETIME", err)
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := AppClients(getenv(nil))
	if err == nil {
		t.Fatal("no error for an empty environment")
	}
	for _, name := range []string{"ISSUER", "AWS_REGION", "USER_POOL_ID", "COGNITO_DOMAIN", "SCOPES", "TABLE_NAME", "DEPLOYMENT_ID"} {
		if !strings.Contains(err.Error(), name+": must be set") {
			t.Errorf("%q has no fault that %s must be set", err, name)
		}
	}
}

// Each function needs only the variables of its own parts.
func TestEachFunctionReadsItsPart(t *testing.T) {
	without := func(names ...string) func(string) string {
		env := complete()
		for _, n := range names {
			delete(env, n)
		}
		return getenv(env)
	}
	if _, err := Metadata(without("TABLE_NAME", "DEPLOYMENT_ID")); err != nil {
		t.Errorf("Metadata: %v", err)
	}
	if _, err := Token(without("SCOPES", "DEPLOYMENT_ID")); err != nil {
		t.Errorf("Token: %v", err)
	}
	env := complete()
	env["FORWARD_RESOURCE"] = "yes"
	if _, err := Token(getenv(env)); err == nil || !strings.Contains(err.Error(), "FORWARD_RESOURCE") {
		t.Errorf("Token: %v, want a fault of FORWARD_RESOURCE", err)
	}
	if _, err := Operator(getenv(map[string]string{"AWS_REGION": "eu-central-1", "TABLE_NAME": "dcr"})); err != nil {
		t.Errorf("Operator: %v", err)
	}
}

// The README's table has the variables that the code reads, and no others.
func TestREADMEListsEveryVariable(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	readme := must.ReadFile(t, "../../README.md")
	var documented, listed []string
	for _, file := range files {
		source := must.ReadFile(t, file)
		for _, m := range regexp.MustCompile(`\t// \w+ \(([A-Z_]+)\)`).FindAllStringSubmatch(string(source), -1) {
			documented = append(documented, m[1])
		}
	}
	_, table, _ := strings.Cut(string(readme), "\n## Configuration\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for row := range strings.Lines(table) {
		first, _, _ := strings.Cut(strings.TrimPrefix(row, "|"), "|")
		for _, m := range regexp.MustCompile("`([A-Z_]+)`").FindAllStringSubmatch(first, -1) {
			if strings.HasPrefix(row, "|") {
				listed = append(listed, m[1])
			}
		}
	}
	slices.Sort(documented)
	slices.Sort(listed)
	if !slices.Equal(documented, listed) {
		t.Errorf("README lists\n%q, the fields of Config document\n%q", listed, documented)
	}
}
