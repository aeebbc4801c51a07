// Package environment is a value: the wiring of a function or tool, checked, from
// its environment variables. What is not wiring is in the stored configuration
// (pkg/broker/configuration). A function reads only the parts that it needs
// (Metadata, Token, Registration and so on). The error lists every fault, so that
// an operator can correct all at once. The package opens no connection and links
// no AWS SDK.
package environment

import "github.com/dcr-broker/dcr-broker/pkg/broker"

// Environment has the wiring in parts, each in a file of its own. The comment of
// a field names its variable. Parts that a function does not read stay zero.
type Environment struct {
	Server
	Pool
	Storage
	AppClientSettings
	Brokered
}

// Deployment returns the parts of the deployment that its configuration must fit.
func (c *Environment) Deployment() broker.Deployment {
	return broker.Deployment{ID: c.DeploymentID, Mode: c.Mode, Issuer: c.Issuer, LoginVersion: c.LoginVersion}
}
