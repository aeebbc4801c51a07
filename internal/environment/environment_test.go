package environment

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/test/must"
)

// complete returns an environment without faults.
func complete() map[string]string {
	return map[string]string{
		"ISSUER":         "https://auth.example.com",
		"AWS_REGION":     "eu-central-1",
		"USER_POOL_ID":   "eu-central-1_AbCdEfGhI",
		"COGNITO_DOMAIN": "https://example.auth.eu-central-1.amazoncognito.com",
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
		{"LoginVersion", c.LoginVersion, 1},
		{"ConfigurationFile", c.ConfigurationFile, ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestFaults(t *testing.T) {
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
		{"LOGIN_VERSION", "3", "managed login"},
		{"TABLE_NAME", "", "must be set"},
		{"DYNAMODB_ENDPOINT", "localhost:8000", "scheme and host"},
		{"DEPLOYMENT_ID", "Prod", "a-z"},
		{"DEPLOYMENT_ID", strings.Repeat("a", 33), "1 to 32"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := complete()
			env[tt.name] = tt.value
			_, err := Registration(getenv(env))
			wantFault(t, err, tt.name, tt.says)
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := AppClients(getenv(nil))
	if err == nil {
		t.Fatal("no error for an empty environment")
	}
	for _, name := range []string{"ISSUER", "AWS_REGION", "USER_POOL_ID", "COGNITO_DOMAIN", "TABLE_NAME", "DEPLOYMENT_ID"} {
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
	for name, read := range map[string]Reader{"Metadata": Metadata, "Token": Token} {
		if _, err := read(without("DEPLOYMENT_ID")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// All functions read the configuration from the table.
		_, err := read(without("TABLE_NAME"))
		wantFault(t, err, "TABLE_NAME", "must be set")
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
