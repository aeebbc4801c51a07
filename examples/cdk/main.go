// Command cdk is an example app of the AWS CDK with three stacks. Each has a
// broker and an MCP server: the example server, a server behind a JWT
// authorizer, and an AgentCore gateway. It shows how to add the broker's
// construct to a stack that has other resources. Run it from the root of the
// checkout:
//
//	scripts/cdk.sh example deploy McpServer
//
// The servers accept only tokens that are bound to them. So the broker's
// configuration needs "resource_binding": true, and the stack's output
// ProtectedResource as an entry of protected_resources:
//
//	dcrctl --stack McpServer config apply FILE
package main

import (
	"log"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	dcrbroker "github.com/dcr-broker/dcr-broker/infra/cdk"
)

func main() {
	defer jsii.Close()
	server, err := buildServer(root)
	if err != nil {
		log.Fatal(err)
	}
	app := awscdk.NewApp(nil)
	addStacks(app, dcrbroker.Props{SourceDir: root}, server)
	app.Synth(nil)
}

// root is the root of the checkout.
const root = "../.."

// addStacks adds the three stacks. common has the props that all brokers share,
// and server is a directory with the example server's bootstrap.
func addStacks(app awscdk.App, common dcrbroker.Props, server string) {
	newMcpServer(app, common, server)
	newJwtAuthorizer(app, common)
	newAgentCore(app, common)
}

// path is the path of each MCP endpoint.
const path = "/mcp"

// newBroker adds a broker to a stack. Its new user pool has the plan and the
// sign-in pages that resource binding needs, and the scopes mcp/read and
// mcp/write.
func newBroker(stack awscdk.Stack, common dcrbroker.Props) *dcrbroker.Broker {
	b := dcrbroker.New(stack, "Broker", &common)
	b.AddOutputs()
	return b
}

// endpoint returns the origin of an HTTP API of the stack.
func endpoint(stack awscdk.Stack, api *string) string {
	return "https://" + *api + ".execute-api." + *stack.Region() + "." + *stack.UrlSuffix()
}

func output(stack awscdk.Stack, name, value string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: &value})
}
