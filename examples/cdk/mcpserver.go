package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// buildServer builds the example MCP server for Lambda and returns the directory
// with its bootstrap.
func buildServer(checkout string) (string, error) {
	dir, err := filepath.Abs("cdk.out.server")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=",
		"-o", filepath.Join(dir, "bootstrap"), "./examples/mcpserver/lambda")
	cmd.Dir = checkout
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the MCP server: %w: %s", err, out)
	}
	return dir, nil
}

// newMcpServer adds a stack with the example MCP server on Lambda, as the
// template of examples/mcpserver does for SAM.
func newMcpServer(app awscdk.App, common dcrbroker.Props, server string) {
	stack := awscdk.NewStack(app, jsii.String("McpServer"), nil)

	broker := newBroker(stack, common)
	api := awsapigatewayv2.NewCfnApi(stack, jsii.String("Api"), &awsapigatewayv2.CfnApiProps{
		Name: jsii.String("mcp-server"), ProtocolType: jsii.String("HTTP"),
	})
	resource := endpoint(stack, api.Ref()) + path

	function := awslambda.NewFunction(stack, jsii.String("McpServer"), &awslambda.FunctionProps{
		Code:         awslambda.Code_FromAsset(&server, nil),
		Handler:      jsii.String("bootstrap"),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		MemorySize:   jsii.Number(256),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(20)),
		LogGroup: awslogs.NewLogGroup(stack, jsii.String("McpServerLogs"), &awslogs.LogGroupProps{
			Retention: awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
		}),
		Environment: &map[string]*string{
			"RESOURCE":             &resource,
			"AUTHORIZATION_SERVER": &broker.Issuer,
			"TOKEN_ISSUER":         jsii.String(tokenIssuer(stack, broker)),
			"REQUIRE_AUDIENCE":     jsii.String("true"),
		},
	})
	function.AddPermission(jsii.String("Api"), &awslambda.Permission{
		Principal: apiGateway(),
		SourceArn: stack.FormatArn(&awscdk.ArnComponents{Service: jsii.String("execute-api"), Resource: api.Ref(), ResourceName: jsii.String("*")}),
	})
	integration := awsapigatewayv2.NewCfnIntegration(stack, jsii.String("Integration"), &awsapigatewayv2.CfnIntegrationProps{
		ApiId: api.Ref(), IntegrationType: jsii.String("AWS_PROXY"), IntegrationUri: function.FunctionArn(), PayloadFormatVersion: jsii.String("2.0"),
	})
	awsapigatewayv2.NewCfnRoute(stack, jsii.String("Route"), &awsapigatewayv2.CfnRouteProps{
		ApiId: api.Ref(), RouteKey: jsii.String("$default"), Target: jsii.String("integrations/" + *integration.Ref()),
	})
	awsapigatewayv2.NewCfnStage(stack, jsii.String("Stage"), &awsapigatewayv2.CfnStageProps{
		ApiId: api.Ref(), StageName: jsii.String("$default"), AutoDeploy: jsii.Bool(true),
		DefaultRouteSettings: &awsapigatewayv2.CfnStage_RouteSettingsProperty{
			ThrottlingRateLimit: jsii.Number(100), ThrottlingBurstLimit: jsii.Number(200),
		},
	})
	output(stack, "McpServerUrl", resource)
	output(stack, "ProtectedResource", `{"resource":"`+resource+`","scopes":["mcp/read","mcp/write"],"name":"Example MCP server"}`)
}
