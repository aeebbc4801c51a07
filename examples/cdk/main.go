// Command cdk is an app with three stacks, each of them a broker and an MCP
// server for it: the example server, one behind a JWT authorizer, and an AgentCore
// gateway. It is where to look for how the broker's construct is put beside what
// a stack has already. Run it from the root of the checkout:
//
//	scripts/cdk.sh example deploy McpServer
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

// root is the checkout that this app is in.
const root = "../.."

// addStacks adds the three stacks. Each broker is complete but for common; server
// is a directory with the example server's bootstrap.
func addStacks(app awscdk.App, common dcrbroker.Props, server string) {
	newMcpServer(app, common, server)
	newJwtAuthorizer(app, common)
	newAgentCore(app, common)
}

// path is where the MCP endpoint of each stack is.
const path = "/mcp"

// newBroker adds a broker with a user pool of its own to a stack, and makes it
// know the MCP server at resource.
func newBroker(stack awscdk.Stack, common dcrbroker.Props, resource string, scopes ...string) *dcrbroker.Broker {
	p := common
	p.ProtectedResources = []dcrbroker.ProtectedResource{{Resource: resource, Scopes: scopes, Name: "Example MCP server"}}
	// The pool that is made has the plan and the pages for it.
	p.ResourceBinding = true
	b := dcrbroker.New(stack, "Broker", &p)
	b.AddOutputs()
	return b
}

// endpoint is the origin of an HTTP API of the stack.
func endpoint(stack awscdk.Stack, api *string) string {
	return "https://" + *api + ".execute-api." + *stack.Region() + "." + *stack.UrlSuffix()
}

func output(stack awscdk.Stack, name, value string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Value: &value})
}
