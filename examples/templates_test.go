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
	// origin is the origin of the template's API.
	origin   = "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"
	function = "arn:aws:lambda:us-east-1:123456789012:function:server"
)

// transformed returns the resources and outputs of an example's template with
// these parameters, an issuer and a user pool.
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
		t.Skip("the template was not transformed: set TEST_TEMPLATE, as make test-template does")
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

// at returns the member at a path of names in a JSON value, or nil.
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

// want compares a value with JSON.
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

// routes returns the authorization types of the routes by route key.
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

func TestTheServerReadsItsEnvironment(t *testing.T) {
	resources, outputs := transformed(t, "mcpserver", "RequireAudience=true", "Path=/notes/mcp", "ReadScope=notes/read", "WriteScope=notes/write")
	env, _ := property(resources, "McpServerFunction", "Environment", "Variables").(map[string]any)
	var read []string
	if _, err := mcpserver.FromEnv(func(name string) string {
		read = append(read, name)
		return ""
	}); err != nil {
		t.Fatal(err)
	}
	for name := range env {
		if !slices.Contains(read, name) {
			t.Errorf("the function has %s in its environment, which it does not read", name)
		}
	}
	for _, name := range read {
		if env[name] == nil && name != "KEY_SET" {
			t.Errorf("the function reads %s, which is not in its environment", name)
		}
	}
	want(t, "RESOURCE", env["RESOURCE"], sub(origin+"/notes/mcp"))
	want(t, "TOKEN_ISSUER", env["TOKEN_ISSUER"], sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool))
	want(t, "REQUIRE_AUDIENCE", env["REQUIRE_AUDIENCE"], `"true"`)
	want(t, "the output ProtectedResource", at(outputs, "ProtectedResource", "Value"),
		sub(`{\"resource\":\"`+origin+`/notes/mcp\",\"scopes\":[\"notes/read\",\"notes/write\"],\"name\":\"Example MCP server\"}`))
	want(t, "the policies of the role", property(resources, "Role", "Policies"),
		`[{"PolicyDocument":{"Statement":[{"Action":["logs:CreateLogStream","logs:PutLogEvents"],"Effect":"Allow","Resource":{"Fn::GetAtt":["Logs","Arn"]}}],"Version":"2012-10-17"},"PolicyName":"Log"}]`)

	resources, _ = transformed(t, "mcpserver", "CognitoIssuer=https://issuer.example.com/pool")
	want(t, "TOKEN_ISSUER", property(resources, "McpServerFunction", "Environment", "Variables", "TOKEN_ISSUER"), `"https://issuer.example.com/pool"`)
}

// Only the metadata can be read without a token. API Gateway's authorizer sends
// no resource_metadata in its challenge, so clients find the metadata at its
// well-known URL.
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
	want(t, "the source of the metadata", property(resources, "Metadata", "IntegrationUri"), `"`+issuer+`/.well-known/oauth-protected-resource/notes/mcp"`)
	want(t, "JwtConfiguration", property(resources, "Authorizer", "JwtConfiguration"),
		`{"Audience":["first","second"],"Issuer":`+sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool)+`}`)

	resources, _ = transformed(t, "jwt-authorizer", "FunctionArn="+function, "RequireAudience=true")
	want(t, "Audience of bound tokens", property(resources, "Authorizer", "JwtConfiguration", "Audience"), `[`+sub(origin+"/mcp")+`]`)
}

// The template refuses to create an authorizer without an audience, which would
// accept every token of the user pool.
func TestAnAuthorizerNeedsAnAudience(t *testing.T) {
	if out, stderr, err := transform(t, "jwt-authorizer", []string{"Issuer=" + issuer, "UserPoolId=" + pool, "FunctionArn=" + function}); err == nil || !strings.Contains(stderr, "AppClients") {
		t.Errorf("without AppClients and RequireAudience: %v, %s%s; want a refusal", err, stderr, out)
	}
}

func TestAgentCoreChecksScopesAndAudience(t *testing.T) {
	discovery := `"DiscoveryUrl":{"Fn::Sub":["${TokenIssuer}/.well-known/openid-configuration",{"TokenIssuer":` + sub("https://cognito-idp.${AWS::Region}.${AWS::URLSuffix}/"+pool) + `}]}`
	for _, tt := range []struct {
		parameters []string
		want       string
	}{
		{nil, `{"AllowedScopes":["mcp/read"],` + discovery + `}`},
		{[]string{"RequireAudience=true"}, `{"AllowedAudience":[` + sub(origin+"/mcp") + `],"AllowedScopes":["mcp/read"],` + discovery + `}`},
		{[]string{"AppClients=shared"}, `{"AllowedClients":["shared"],"AllowedScopes":["mcp/read"],` + discovery + `}`},
	} {
		resources, _ := transformed(t, "agentcore", tt.parameters...)
		want(t, strings.Join(tt.parameters, " "), property(resources, "Gateway", "AuthorizerConfiguration", "CustomJWTAuthorizer"), tt.want)
	}
}

// AgentCore's own metadata names Cognito as the authorization server. The API
// in front of it serves metadata that names the broker.
func TestAgentCoreSendsClientsToTheBroker(t *testing.T) {
	resources, _ := transformed(t, "agentcore", "Scope=tools/call")
	if challenge, _ := at(property(resources, "Forward", "ResponseParameters", "401"), "ResponseParameters").([]any); len(challenge) != 1 {
		t.Errorf("a 401 is changed in %d ways, want 1", len(challenge))
	} else {
		want(t, "the challenge", at(challenge[0], "Source"), sub(`Bearer resource_metadata=\"`+origin+`/.well-known/oauth-protected-resource/mcp\", scope=\"tools/call\"`))
		want(t, "its destination", at(challenge[0], "Destination"), `"overwrite:header.www-authenticate"`)
	}
	want(t, "the source of the metadata", property(resources, "Metadata", "IntegrationUri"), `"`+issuer+`/.well-known/oauth-protected-resource/mcp"`)
	want(t, "the policies of the gateway's role", property(resources, "GatewayRole", "Policies"),
		`[{"PolicyDocument":{"Statement":[{"Action":"lambda:InvokeFunction","Effect":"Allow","Resource":{"Fn::GetAtt":["Tools","Arn"]}}],"Version":"2012-10-17"},"PolicyName":"Tools"}]`)
}
