package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cli runs the CDK's command line with the app, without an account and without a
// network.
func cli(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path := os.Getenv("CDK_CLI")
	if path == "" {
		t.Skip("the CDK's command line was not run: set CDK_CLI, as make test-cdk does")
	}
	cmd := exec.Command(path, append([]string{"synth", "--no-notices", "--no-version-reporting", "--quiet"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	nowhere := "http://127.0.0.1:9" // discard: nothing listens there
	cmd.Env = append(cmd.Env, "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"HTTP_PROXY="+nowhere, "HTTPS_PROXY="+nowhere, "http_proxy="+nowhere, "https_proxy="+nowhere, "GOPROXY=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestSynthWithoutAccount(t *testing.T) {
	out := t.TempDir()
	output, err := cli(t, "-o", out, "-c", "sourceDir=../..", "-c", "authorization=direct", "-c", "stack=mine",
		"-c", "userPoolId=us-east-1_AbCdEfGhI", "-c", "cognitoDomain=https://example.auth.us-east-1.amazoncognito.com")
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	b, err := os.ReadFile(filepath.Join(out, "mine.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct{ Type string }
		Outputs   map[string]any
	}
	if err := json.Unmarshal(b, &template); err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for _, r := range template.Resources {
		kinds[r.Type]++
	}
	if kinds["AWS::Lambda::Function"] != 4 || kinds["AWS::ApiGatewayV2::Api"] != 1 || kinds["AWS::Cognito::UserPool"] != 0 {
		t.Errorf("the stack has %v, want the four functions of direct mode, an API and no pool", kinds)
	}
	if template.Outputs["Issuer"] == nil {
		t.Errorf("outputs are %v, want Issuer among them", template.Outputs)
	}
}

func TestSynthReportsFaults(t *testing.T) {
	output, err := cli(t, "-o", t.TempDir(), "-c", "userPoolId=us-east-1_AbCdEfGhI", "-c", "dist=/nowhere")
	if err == nil || !strings.Contains(output, "CognitoDomain: is required with UserPool") ||
		!strings.Contains(output, "/nowhere/register_arm64.zip") || strings.Contains(output, "goroutine") {
		t.Errorf("%v, %q; want all faults, without a stack trace", err, output)
	}
}
