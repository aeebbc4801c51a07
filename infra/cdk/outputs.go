package dcrbroker

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// AddOutputs adds the outputs of the template to the stack: the issuer and its
// endpoints, the metadata that an MCP server publishes, and the environment of
// dcrctl. A stack can have the outputs of only one broker.
func (b *Broker) AddOutputs() {
	outputs := []struct{ name, description, value string }{
		{"Issuer", "The authorization server, as clients and MCP servers name it.", b.Issuer},
		{"RegistrationEndpoint", "Where clients register.", b.Issuer + "/register"},
		{"AuthorizationServerMetadata", "What MCP clients read first.", b.Issuer + "/.well-known/oauth-authorization-server"},
		{"ProtectedResourceSnippet", "An example of the protected resource metadata that an MCP server publishes.", b.ProtectedResourceSnippet()},
		{"OperatorEnvironment", "Environment of dcrctl, which dcrctl --stack reads. It can also be a file for --env-file.", b.OperatorEnvironment()},
		{"UserPoolId", "The user pool.", *b.UserPool.UserPoolId()},
		{"TableName", "The DynamoDB table.", *b.Table.TableName()},
		{"DeploymentId", "Marks the app clients of this deployment.", b.DeploymentID},
		{"KeysSecret", "The secret with the sealing keys.", *b.Keys.SecretArn()},
	}
	if b.DomainTarget != "" {
		outputs = append(outputs, struct{ name, description, value string }{"DomainTarget", "What the custom domain has to point at.", b.DomainTarget})
	}
	if b.EdgeSecret != nil {
		outputs = append(outputs, struct{ name, description, value string }{"EdgeSecret", "The secret with what the edge sends in X-Edge-Secret.", *b.EdgeSecret.SecretArn()})
	}
	for _, o := range outputs {
		awscdk.NewCfnOutput(b.stack, jsii.String(o.name), &awscdk.CfnOutputProps{Description: &o.description, Value: &o.value})
	}
}

// ProtectedResourceSnippet returns the protected resource metadata (RFC 9728)
// that an MCP server publishes, with an example for the URL of the server. It has
// scopes only if New created the user pool, because it does not know those of
// another pool.
func (b *Broker) ProtectedResourceSnippet() string {
	document := struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported,omitempty"`
	}{"https://mcp.example.com/mcp", []string{b.Issuer}, b.scopes}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(document); err != nil {
		panic(err) // strings always encode
	}
	return strings.TrimSpace(text.String())
}

// operatorVariables are the variables of the janitor that dcrctl uses.
var operatorVariables = []string{
	"ISSUER", "AUTHORIZATION", "USER_POOL_ID", "COGNITO_DOMAIN", "COGNITO_ISSUER", "TABLE_NAME", "DEPLOYMENT_ID", "KEYS", "LOGIN_VERSION", "EDGE",
}

// OperatorEnvironment returns the environment of dcrctl, with a line NAME='VALUE'
// for each variable. It has no secrets.
func (b *Broker) OperatorEnvironment() string {
	lines := []string{"AWS_REGION='" + *b.stack.Region() + "'"}
	for _, name := range operatorVariables {
		value := ""
		if v := b.janitorEnvironment[name]; v != nil {
			value = *v
		}
		lines = append(lines, name+"='"+value+"'")
	}
	return strings.Join(lines, "\n")
}
