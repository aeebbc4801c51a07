// Package environment is a value: the settings of a function or tool, checked,
// from its environment variables and the policy file. A function reads only the
// parts that it needs (Metadata, Token, Registration and so on). The error lists
// every fault, so that an operator can correct all at once. The package opens no
// connection and links no AWS SDK: documents that are stored at AWS are read
// elsewhere.
package environment

import "github.com/dcr-broker/dcr-broker/pkg/broker"

// Config has the settings in parts, each in a file of its own. The comment of a
// field names its variable. Parts that a function does not read stay zero.
type Config struct {
	Server
	Pool
	Storage
	Published
	PolicySource
	AppClientSettings
	Tokens
	Brokered
	Introspection
	Pages
	Direct
}

// Deployment returns the parts of the deployment that the policy must fit.
func (c *Config) Deployment() broker.Deployment {
	return broker.Deployment{
		ID: c.DeploymentID, Mode: c.Mode, Issuer: c.Issuer, Scopes: c.Scopes, Resources: c.ProtectedResources,
	}
}
