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
		{"ProtectedResourceSnippet", "What an MCP server publishes as its protected resource metadata.", b.ProtectedResourceSnippet()},
		{"OperatorEnvironment", "Environment of dcrctl, for a file that --env-file names.", b.OperatorEnvironment()},
		{"UserPoolId", "The user pool.", *b.UserPool.UserPoolId()},
		{"TableName", "The DynamoDB table.", *b.Table.TableName()},
		{"DeploymentId", "Marks the app clients of this deployment.", b.DeploymentID},
		{"KeysSecret", "The secret with the sealing keys.", *b.Keys.SecretArn()},
	}
	if b.DomainTarget != "" {
		outputs = append(outputs, struct{ name, description, value string }{"DomainTarget", "What the custom domain has to point at.", b.DomainTarget})
	}
	for _, o := range outputs {
		awscdk.NewCfnOutput(b.stack, jsii.String(o.name), &awscdk.CfnOutputProps{Description: &o.description, Value: &o.value})
	}
}

// ProtectedResourceSnippet returns the protected resource metadata (RFC 9728)
// that an MCP server publishes, with an example for the URL of the server.
func (b *Broker) ProtectedResourceSnippet() string {
	document := struct {
		Resource             string   `json:"resource"`
		AuthorizationServers []string `json:"authorization_servers"`
		ScopesSupported      []string `json:"scopes_supported"`
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
	"ISSUER", "AUTHORIZATION", "USER_POOL_ID", "COGNITO_DOMAIN", "COGNITO_ISSUER", "TABLE_NAME", "DEPLOYMENT_ID", "KEYS", "POLICY",
	"SCOPES", "SCOPES_SUPPORTED", "GRANT_TYPES_SUPPORTED", "IDENTITY_PROVIDERS",
	"ACCESS_TOKEN_LIFETIME", "ID_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME", "REFRESH_TOKEN_ROTATION", "APP_CLIENT_QUOTA", "RESOURCE_BINDING", "LOGIN_VERSION",
}

// OperatorEnvironment returns the environment of dcrctl for a file that
// --env-file names, with a line NAME='VALUE' for each variable. It has no
// secrets.
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
