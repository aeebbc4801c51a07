package dcrbroker

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
)

// except says to cdk-nag, for stacks that are checked by it, why a rule of its
// AwsSolutions does not hold for r. It is metadata of the resource, so that this
// module does not need cdk-nag.
func except(r awscdk.CfnResource, rule, reason string) {
	const key = "cdk_nag"
	var rules []any
	if m, ok := r.GetMetadata(jsii.String(key)).(map[string]any); ok {
		rules, _ = m["rules_to_suppress"].([]any)
	}
	rules = append(rules, map[string]any{"id": "AwsSolutions-" + rule, "reason": reason})
	r.AddMetadata(jsii.String(key), map[string]any{"rules_to_suppress": rules})
}
