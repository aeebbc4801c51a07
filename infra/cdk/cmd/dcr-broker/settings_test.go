package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestReadSettings(t *testing.T) {
	s, err := readSettings(map[string]any{
		// Strings, as on the command line.
		"userPoolId": "us-east-1_AbCdEfGhI", "loginVersion": "2", "edgeProtection": "true", "scopes": "mcp/read,mcp/write mcp/all", "logRetention": "",
		// Other types, as in cdk.json.
		"throttleRate": 5.0, "registerRate": "7",
		// Keys of the CDK.
		"@aws-cdk/core:flag": true, "aws:cdk:bundling-stacks": []any{"**"}, "availability-zones:account=1:region=a": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := &settings{
		Stack: "dcr-broker", Dist: "../../dist",
		UserPoolID: "us-east-1_AbCdEfGhI", LoginVersion: 2, EdgeProtection: true, Scopes: words{"mcp/read", "mcp/write", "mcp/all"}, ThrottleRate: 5, RegisterRate: 7,
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func TestReadSettingsFaults(t *testing.T) {
	for _, tt := range []struct {
		key   string
		value any
		want  string
	}{
		{"userpoolid", "us-east-1_AbCdEfGhI", "context userpoolid: unknown key; the keys are account,"},
		{"loginVersion", "two", `context loginVersion: "two" is not valid`},
		{"edgeProtection", "yes", `context edgeProtection: "yes" is not valid`},
		{"scopes", 5.0, "context scopes: "},
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
	if len(parameters) < 30 {
		t.Fatalf("the parameters of template.yaml are %v, want at least 30", parameters)
	}
	var keys []string
	for field := range reflect.TypeFor[settings]().Fields() {
		keys = append(keys, field.Tag.Get("json"))
	}
	// The key scopes has the scopes of a new user pool.
	absent := []string{"resourceServer", "scope1", "scope2", "scope3", "scope4"}
	own := []string{"stack", "account", "region", "dist", "sourceDir", "scopes"}
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
