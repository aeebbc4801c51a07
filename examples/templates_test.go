package examples

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/examples/mcpserver"
)

const (
	issuer = "https://auth.example.com"
	pool   = "us-east-1_EXAMPLE"
	// here is an API's own origin.
	here     = "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
	function = "arn:aws:lambda:us-east-1:123456789012:function:server"
)

// transformed returns the resources and outputs of an example's template with
// these parameters and the shared ones.
func transformed(t *testing.T, example string, parameters ...string) (resources, outputs map[string]any) {
	t.Helper()
	out, stderr, err := transform(t, example, append([]string{"Issuer=" + issuer, "UserPoolId=" + pool}, parameters...))
	if err != nil {
		t.Fatalf("%s with %q: %v: %s", example, parameters, err, stderr)
	}
	var template struct {
		Resources map[string]any
		Outputs   map[string]any
	}
	if err := json.Unmarshal(out, &template); err != nil {
		t.Fatal(err)
	}
	return template.Resources, template.Outputs
}

func transform(t *testing.T, example string, parameters []string) (out []byte, stderr string, err error) {
	t.Helper()
	if os.Getenv("TEST_TEMPLATE") == "" {
		t.Skip("not run: needs Python; make test-template runs it")
	}
	path, err := filepath.Abs(filepath.Join(example, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("../scripts/sam-tools.sh", append([]string{"transform"}, parameters...)...)
	cmd.Env = append(os.Environ(), "TEMPLATE="+path)
	var b bytes.Buffer
	cmd.Stderr = &b
	out, err = cmd.Output()
	return out, b.String(), err
}

// at returns the value at a path of names in a JSON value.
func at(v any, names ...string) any {
	for _, name := range names {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}

func property(resources map[string]any, resource string, names ...string) any {
	return at(resources, append([]string{resource, "Properties"}, names...)...)
}

// want compares got with JSON.
func want(t *testing.T, what string, got any, want string) {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(got)
	if s := strings.TrimSpace(b.String()); s != want {
		t.Errorf("%s = %s, want %s", what, s, want)
	}
}

func sub(s string) string { return `{"Fn::Sub":"` + s + `"}` }

// routes returns the route keys with their authorization types.
func routes(resources map[string]any) map[string]string {
	found := make(map[string]string)
	for id := range resources {
		if at(resources, id, "Type") != "AWS::ApiGatewayV2::Route" {
			continue
		}
		key, _ := property(resources, id, "RouteKey").(string)
		if key == "" {
			key, _ = property(resources, id, "RouteKey", "Fn::Sub").(string)
		}
		found[key], _ = property(resources, id, "AuthorizationType").(string)
	}
	return found
}

func TestServerGetsTheVariablesItReads(t *testing.T) {
	resources, outputs := transformed(t, "mcpserver", "RequireAudience=true", "Path=/notes/mcp", "ReadScope=notes/read", "WriteScope=notes/write")
	variables, _ := property(resources, "McpServerFunction", "Environment", "Variables").(map[string]any)
	var read []string
	if _, err := mcpserver.FromEnv(func(name string) string {
		read = append(read, name)
		return ""
	}); err != nil {
		t.Fatal(err)
	}
	for name := range variables {
		if !slices.Contains(read, name) {
			t.Errorf("the function gets %s, which it does not read", name)
		}
	}
	for _, name := range read {
		if variables[name] == nil && name != "KEY_SET" {
			t.Errorf("the function reads %s, which it does not get", name)
		}
	}
	want(t, "RESOURCE", variables["RESOURCE"], sub(here+"/notes/mcp"))
	want(t, "TOKEN_ISSUER", variables["TOKEN_ISSUER"], sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool))
	want(t, "REQUIRE_AUDIENCE", variables["REQUIRE_AUDIENCE"], `"true"`)
	want(t, "the output ProtectedResource", at(outputs, "ProtectedResource", "Value"),
		sub(`{\"resource\":\"`+here+`/notes/mcp\",\"scopes\":[\"notes/read\",\"notes/write\"],\"name\":\"Example MCP server\"}`))
	want(t, "what the function may do", property(resources, "Role", "Policies"),
		`[{"PolicyDocument":{"Statement":[{"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Effect":"Allow","Resource":{"Fn::GetAtt":["Logs","Arn"]}}],"Version":"2012-10-17"},"PolicyName":"Log"}]`)

	resources, _ = transformed(t, "mcpserver", "CognitoIssuer=https://issuer.example.com/pool")
	want(t, "TOKEN_ISSUER", property(resources, "McpServerFunction", "Environment", "Variables", "TOKEN_ISSUER"), `"https://issuer.example.com/pool"`)
}

// The authorizer's response has no URL of the metadata, so a client must find
// the metadata by itself. Without a token it may read the metadata only.
func TestOnlyMetadataPassesTheAuthorizer(t *testing.T) {
	resources, _ := transformed(t, "jwt-authorizer", "FunctionArn="+function, "AppClients=first,second", "Path=/notes/mcp")
	got := routes(resources)
	for key, authorization := range map[string]string{
		"POST /notes/mcp": "JWT", "GET /notes/mcp": "JWT", "DELETE /notes/mcp": "JWT",
		"GET /.well-known/oauth-protected-resource": "NONE", "GET /.well-known/oauth-protected-resource/notes/mcp": "NONE",
	} {
		if got[key] != authorization {
			t.Errorf("%s is authorized by %q, want %s", key, got[key], authorization)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("there are other routes: %v", got)
	}
	for _, id := range []string{"Post", "Get", "Delete"} {
		want(t, id+": AuthorizationScopes", property(resources, id, "AuthorizationScopes"), `["mcp/read"]`)
	}
	want(t, "where the metadata comes from", property(resources, "Metadata", "IntegrationUri"), `"`+issuer+`/.well-known/oauth-protected-resource/notes/mcp"`)
	want(t, "JwtConfiguration", property(resources, "Authorizer", "JwtConfiguration"),
		`{"Audience":["first","second"],"Issuer":`+sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool)+`}`)

	resources, _ = transformed(t, "jwt-authorizer", "FunctionArn="+function, "RequireAudience=true")
	want(t, "Audience of bound tokens", property(resources, "Authorizer", "JwtConfiguration", "Audience"), `[`+sub(here+"/mcp")+`]`)
}

// An authorizer with an empty audience would accept every token.
func TestAuthorizerNeedsAnAudience(t *testing.T) {
	if out, stderr, err := transform(t, "jwt-authorizer", []string{"Issuer=" + issuer, "UserPoolId=" + pool, "FunctionArn=" + function}); err == nil || !strings.Contains(stderr, "AppClients") {
		t.Errorf("without AppClients and RequireAudience: %v, %s%s; want a refusal", err, stderr, out)
	}
}

func TestAgentCoreAuthorizer(t *testing.T) {
	discovery := `"DiscoveryUrl":{"Fn::Sub":["${TokenIssuer}/.well-known/openid-configuration",{"TokenIssuer":` + sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool) + `}]}`
	for _, tt := range []struct {
		parameters []string
		want       string
	}{
		{nil, `{"AllowedScopes":["mcp/read"],` + discovery + `}`},
		{[]string{"RequireAudience=true"}, `{"AllowedAudience":[` + sub(here+"/mcp") + `],"AllowedScopes":["mcp/read"],` + discovery + `}`},
		{[]string{"AppClients=shared"}, `{"AllowedClients":["shared"],"AllowedScopes":["mcp/read"],` + discovery + `}`},
	} {
		resources, _ := transformed(t, "agentcore", tt.parameters...)
		want(t, strings.Join(tt.parameters, " "), property(resources, "Gateway", "AuthorizerConfiguration", "CustomJWTAuthorizer"), tt.want)
	}
}

// AgentCore's own metadata names Cognito. The metadata that clients get has to
// name the broker.
func TestAgentCoreSendsClientsToTheBroker(t *testing.T) {
	resources, _ := transformed(t, "agentcore", "Scope=tools/call")
	if challenge, _ := at(property(resources, "Forward", "ResponseParameters", "401"), "ResponseParameters").([]any); len(challenge) != 1 {
		t.Errorf("a 401 is changed in %d ways, want 1", len(challenge))
	} else {
		want(t, "the challenge", at(challenge[0], "Source"), sub(`Bearer resource_metadata=\"`+here+`/.well-known/oauth-protected-resource/mcp\", scope=\"tools/call\"`))
		want(t, "where it goes", at(challenge[0], "Destination"), `"overwrite:header.www-authenticate"`)
	}
	want(t, "where the metadata comes from", property(resources, "Metadata", "IntegrationUri"), `"`+issuer+`/.well-known/oauth-protected-resource/mcp"`)
	want(t, "what the gateway may do", property(resources, "GatewayRole", "Policies"),
		`[{"PolicyDocument":{"Statement":[{"Action":"lambda:InvokeFunction","Effect":"Allow","Resource":{"Fn::GetAtt":["Tools","Arn"]}}],"Version":"2012-10-17"},"PolicyName":"Tools"}]`)
}
