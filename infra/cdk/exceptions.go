package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// suppressNag suppresses a rule of cdk-nag's AwsSolutions for r, with the
// reason. It sets metadata of the resource, so that this module does not need
// cdk-nag.
func suppressNag(r awscdk.CfnResource, rule, reason string) {
	const key = "cdk_nag"
	var rules []any
	if m, ok := r.GetMetadata(jsii.String(key)).(map[string]any); ok {
		rules, _ = m["rules_to_suppress"].([]any)
	}
	rules = append(rules, map[string]any{"id": "AwsSolutions-" + rule, "reason": reason})
	r.AddMetadata(jsii.String(key), map[string]any{"rules_to_suppress": rules})
}
