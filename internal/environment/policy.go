package environment

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// PolicySource is the policy document or its address.
type PolicySource struct {
	// PolicyDocument (POLICY) says where the policy document is: the path of a
	// file, ssm:NAME for an SSM parameter, s3://BUCKET/KEY, or
	// secretsmanager:ID. Default: the document that ships with the broker.
	PolicyDocument string
	// Policy is the checked document if it is a file or the one that ships. It
	// is nil if the document is stored at AWS: the broker then reads it at first
	// use.
	Policy *policy.Policy
}

// policySource needs the mode and the published scopes. Without scopes it reads
// nothing: the missing scopes are already a fault.
func policySource(e *env, c *Config) {
	const name = "POLICY"
	if len(c.Scopes) == 0 {
		return
	}
	doc := policy.Default()
	c.PolicyDocument = e.getenv(name)
	for _, scheme := range []string{"ssm:", "s3:", "secretsmanager:"} {
		if strings.HasPrefix(c.PolicyDocument, scheme) {
			return
		}
	}
	if c.PolicyDocument != "" {
		var err error
		if doc, err = os.ReadFile(c.PolicyDocument); err != nil {
			e.fault(name, "%v", err)
			return
		}
	}
	p, err := policy.Parse(doc, c.Mode, c.Scopes)
	if err != nil {
		e.fault(name, "%v", err)
		return
	}
	c.Policy = p
	if err := CheckPublished(c, p); err != nil {
		e.fault("SCOPES_SUPPORTED", "%v", err)
	}
}

// CheckPublished returns an error if the metadata publishes a scope that the
// policy does not grant: a client would request it, and Cognito would refuse.
func CheckPublished(c *Config, p *policy.Policy) error {
	granted := p.ScopesSupported()
	for _, s := range c.ScopesSupported {
		if !slices.Contains(granted, s) {
			return fmt.Errorf("%q is published, but the policy does not grant it; set SCOPES_SUPPORTED to the scopes to publish", s)
		}
	}
	return nil
}
