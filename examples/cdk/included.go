package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/cloudformationinclude"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

// newJwtAuthorizer adds a stack with the template of examples/jwt-authorizer in
// front of a function that does not check tokens itself.
func newJwtAuthorizer(app awscdk.App, common dcrbroker.Props) {
	stack := awscdk.NewStack(app, jsii.String("JwtAuthorizer"), nil)
	function := awslambda.NewFunction(stack, jsii.String("McpServer"), &awslambda.FunctionProps{
		Code:    awslambda.Code_FromInline(jsii.String(pingServer)),
		Handler: jsii.String("index.handler"),
		Runtime: awslambda.Runtime_PYTHON_3_13(),
		LogGroup: awslogs.NewLogGroup(stack, jsii.String("McpServerLogs"), &awslogs.LogGroupProps{
			Retention: awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
		}),
	})
	include(stack, common, "../jwt-authorizer/template.yaml", map[string]any{"FunctionArn": function.FunctionArn()})
}

// pingServer is a minimal MCP server: it answers initialize and ping, and has no
// tools.
const pingServer = `import json

def handler(event, context):
    request = json.loads(event.get("body") or "{}")
    if "id" not in request:
        return {"statusCode": 202}
    reply = {"jsonrpc": "2.0", "id": request["id"]}
    if request.get("method") == "initialize":
        reply["result"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "ping", "version": "1.0.0"}}
    elif request.get("method") == "ping":
        reply["result"] = {}
    else:
        reply["error"] = {"code": -32601, "message": "Method not found"}
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(reply)}
`

// newAgentCore adds a stack with the template of examples/agentcore.
func newAgentCore(app awscdk.App, common dcrbroker.Props) {
	stack := awscdk.NewStack(app, jsii.String("AgentCore"), nil)
	include(stack, common, "../agentcore/template.yaml", nil)
}

// include adds a broker and a template of examples to the stack, with the
// template's parameters set.
func include(stack awscdk.Stack, common dcrbroker.Props, template string, more map[string]any) {
	broker := newBroker(stack, common)
	parameters := map[string]any{
		"Issuer":          broker.Issuer,
		"UserPoolId":      broker.UserPool.UserPoolId(),
		"RequireAudience": "true",
		"Scope":           "mcp/read",
		"Path":            path,
	}
	for name, value := range more {
		parameters[name] = value
	}
	cloudformationinclude.NewCfnInclude(stack, jsii.String("Example"), &cloudformationinclude.CfnIncludeProps{
		TemplateFile: &template, Parameters: &parameters,
	})
}

// tokenIssuer returns iss of the tokens of the broker's user pool.
func tokenIssuer(stack awscdk.Stack, broker *dcrbroker.Broker) string {
	return "https://cognito-idp." + *stack.Region() + "." + *stack.UrlSuffix() + "/" + *broker.UserPool.UserPoolId()
}

func apiGateway() awsiam.IPrincipal {
	return awsiam.NewServicePrincipal(jsii.String("apigateway.amazonaws.com"), nil)
}
