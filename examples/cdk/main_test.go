package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// stacks and outputs have the resources and the outputs of the stacks by the
// stack's name.
var stacks, outputs = make(map[string]map[string]any), make(map[string]map[string]any)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		panic(err)
	}
	if err := synth(dir); err != nil {
		panic(err)
	}
	status := m.Run()
	jsii.Close()
	os.RemoveAll(dir)
	os.Exit(status)
}

// synth synthesises the app with dummy packages.
func synth(dir string) error {
	server, out := filepath.Join(dir, "server"), filepath.Join(dir, "out")
	if err := os.Mkdir(server, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(server, "bootstrap"), []byte("server"), 0o755); err != nil {
		return err
	}
	for _, f := range []string{"register", "metadata", "token", "authorize", "provision", "janitor"} {
		if err := pack(filepath.Join(dir, f+"_arm64.zip"), f); err != nil {
			return err
		}
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, AnalyticsReporting: jsii.Bool(false)})
	addStacks(app, dcrbroker.Props{Dist: dir}, server)
	app.Synth(nil)
	for _, name := range []string{"McpServer", "JwtAuthorizer", "AgentCore"} {
		b, err := os.ReadFile(filepath.Join(out, name+".template.json"))
		if err != nil {
			return err
		}
		var template map[string]any
		if err := json.Unmarshal(b, &template); err != nil {
			return err
		}
		stacks[name], outputs[name] = template["Resources"].(map[string]any), template["Outputs"].(map[string]any)
	}
	return nil
}

func pack(archive, content string) error {
	f, err := os.Create(archive)
	if err != nil {
		return err
	}
	w := zip.NewWriter(f)
	in, err := w.Create("bootstrap")
	if err != nil {
		return err
	}
	if _, err := in.Write([]byte(content)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}

// find returns the properties of all resources of a type whose JSON contains
// part.
func find(t *testing.T, stack, kind, part string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for _, r := range stacks[stack] {
		r := r.(map[string]any)
		properties, _ := r["Properties"].(map[string]any)
		if r["Type"] == kind && strings.Contains(text(properties), part) {
			found = append(found, properties)
		}
	}
	return found
}

func text(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
	return b.String()
}

func TestEachStackHasTheBrokerAndItsServer(t *testing.T) {
	for stack, kind := range map[string]string{
		"McpServer": "AWS::Lambda::Function", "JwtAuthorizer": "AWS::ApiGatewayV2::Authorizer", "AgentCore": "AWS::BedrockAgentCore::Gateway",
	} {
		if n := len(find(t, stack, "AWS::Lambda::Function", "PROVISION_FUNCTION")); n == 0 {
			t.Errorf("%s: no function of the broker", stack)
		}
		if len(find(t, stack, kind, "")) == 0 {
			t.Errorf("%s: no %s", stack, kind)
		}
		if n := len(find(t, stack, "AWS::ApiGatewayV2::Api", "")); n != 2 {
			t.Errorf("%s: %d APIs, want those of the broker and of the MCP server", stack, n)
		}
	}
}

// Each stack has an output for the broker's configuration, with the URL at which
// clients reach the MCP server. The server accepts only tokens that are bound to
// it.
func TestTheOutputForTheConfigurationNamesTheServer(t *testing.T) {
	for stack := range stacks {
		v := text(outputs[stack]["ProtectedResource"])
		// Fn::Join has a reference to the API, Fn::Sub has its name.
		if !strings.Contains(v, `{\"resource\":\"https://`) || !strings.Contains(v, `{"Ref":"Api"},".execute-api.`) && !strings.Contains(v, "${Api}.execute-api.") {
			t.Errorf("%s: the output ProtectedResource is %s, want the URL of the server's API in it", stack, v)
		}
	}
	if n := len(find(t, "McpServer", "AWS::Lambda::Function", `"REQUIRE_AUDIENCE":"true"`)); n != 1 {
		t.Errorf("McpServer: %d functions require an audience, want the server", n)
	}
	for stack, kind := range map[string]string{"JwtAuthorizer": "AWS::ApiGatewayV2::Authorizer", "AgentCore": "AWS::BedrockAgentCore::Gateway"} {
		found := find(t, stack, kind, "Audience")
		if len(found) != 1 || !strings.Contains(text(found[0]), `execute-api`) {
			t.Errorf("%s: %s = %s, want the audience to be the server", stack, kind, text(found))
		}
	}
}

func TestParametersAreSet(t *testing.T) {
	for _, stack := range []string{"JwtAuthorizer", "AgentCore"} {
		all := text(stacks[stack])
		for _, name := range []string{"Issuer", "UserPoolId", "RequireAudience", "Scope", "Path"} {
			// Fn::Sub has values that are known only at deployment in a map
			// beside the text.
			open := strings.Contains(all, "${"+name+"}") && !strings.Contains(all, `{"`+name+`":{`)
			if open || strings.Contains(all, `{"Ref":"`+name+`"}`) {
				t.Errorf("%s: the parameter %s is not set", stack, name)
			}
		}
	}
}
