package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadSettings(t *testing.T) {
	s, err := readSettings(map[string]any{
		// Strings, as on the command line.
		"userPoolId": "us-east-1_AbCdEfGhI", "loginVersion": "2", "scopes": "openid mcp/read,mcp/write", "resourceBinding": "true",
		"protectedResources": `[{"resource":"https://mcp.example.com/mcp","scopes":["mcp/read"]}]`, "accessTokenLifetime": "1h30m", "logRetention": "",
		// Other types, as in cdk.json.
		"scopeDescriptions": map[string]any{"mcp/read": "Read"}, "scopesSupported": []any{"mcp/read"}, "throttleRate": 5.0,
		// Keys of the CDK.
		"@aws-cdk/core:flag": true, "aws:cdk:bundling-stacks": []any{"**"}, "availability-zones:account=1:region=a": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &settings{
		Stack: "dcr-broker", Dist: "../../dist",
		UserPoolID: "us-east-1_AbCdEfGhI", LoginVersion: 2, Scopes: words{"openid", "mcp/read", "mcp/write"}, ResourceBinding: true,
		ProtectedResources: s.ProtectedResources, AccessTokenLifetime: duration(90 * time.Minute),
		ScopeDescriptions: map[string]string{"mcp/read": "Read"}, ScopesSupported: words{"mcp/read"}, ThrottleRate: 5,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v, want %+v", s, want)
	}
	if len(s.ProtectedResources) != 1 || s.ProtectedResources[0].Resource != "https://mcp.example.com/mcp" {
		t.Errorf("protected resources are %v, want the one", s.ProtectedResources)
	}
}

func TestReadSettingsFaults(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"userpoolid", "us-east-1_AbCdEfGhI", "context userpoolid: unknown key; the keys are accessTokenLifetime,"},
		{"loginVersion", "two", `context loginVersion: "two" is not valid`},
		{"resourceBinding", "yes", `context resourceBinding: "yes" is not valid`},
		{"protectedResources", "https://mcp.example.com", "context protectedResources: "},
		{"accessTokenLifetime", "an hour", "context accessTokenLifetime: "},
		{"logRetention", []any{"1"}, "context logRetention: "},
	} {
		if _, err := readSettings(map[string]any{tt.key: tt.value}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s=%v: %v, want %q", tt.key, tt.value, err, tt.want)
		}
	}
}

// The keys are the template's parameters and a few keys of the app itself.
func TestKeysAreTheParametersOfTheTemplate(t *testing.T) {
	b, err := os.ReadFile("../../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "\nParameters:\n")
	text, _, _ = strings.Cut(text, "\nRules:\n")
	var parameters []string
	for _, m := range regexp.MustCompile(`(?m)^  ([A-Z]\w+):$`).FindAllStringSubmatch(text, -1) {
		parameters = append(parameters, strings.ToLower(m[1][:1])+m[1][1:])
	}
	if len(parameters) < 40 {
		t.Fatalf("the parameters of template.yaml are %v, want at least 40", parameters)
	}
	var keys []string
	for field := range reflect.TypeFor[settings]().Fields() {
		keys = append(keys, field.Tag.Get("json"))
	}
	// The key scopes also has the scopes of a new user pool.
	absent := []string{"resourceServer", "scope1", "scope2", "scope3", "scope4"}
	own := []string{"stack", "account", "region", "dist", "sourceDir"}
	for _, p := range parameters {
		if !slices.Contains(keys, p) && !slices.Contains(absent, p) {
			t.Errorf("there is no key for the parameter %s", p)
		}
	}
	for _, k := range keys {
		if !slices.Contains(parameters, k) && !slices.Contains(own, k) {
			t.Errorf("template.yaml has no parameter for the key %s", k)
		}
	}
}
