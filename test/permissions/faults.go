package permissions

import "github.com/dcr-broker/dcr-broker/pkg/broker"

// fault is a call that a function makes only after a fault or a change that the
// tests of the functions do not cause.
type fault struct {
	mode     broker.Mode
	function string
	Permission
	// code is the file and the Go function that makes the call.
	code   string
	reason string
}

// faults are covered by tests of the named packages, which have stores and a
// Cognito of their own.
var faults = []fault{
	{broker.ModeBrokered, "authorize", Permission{"dynamodb:DeleteItem", Table}, "pkg/broker/authorization/flow.go forget",
		"a transaction in an unknown state is removed"},

	{broker.ModeDirect, "register", Permission{"cognito-idp:ListUserPoolClients", Pool}, "internal/adapter/cognito/appclients.go read",
		"a missing app client is distinguished from a missing pool"},
}

// runtime returns what Lambda itself calls with a function's role. The role may
// not create log groups: the template creates them.
func runtime(function string, traced bool) []Permission {
	all := []Permission{{"logs:CreateLogStream", Logs}, {"logs:PutLogEvents", Logs}}
	if function == "janitor" {
		all = append(all, Permission{"sqs:SendMessage", DeadLetters}) // of runs that failed
	}
	if traced {
		all = append(all, Permission{"xray:PutTraceSegments", Traces}, Permission{"xray:PutTelemetryRecords", Traces})
	}
	return all
}

func declared(mode broker.Mode, function string) []Permission {
	var all []Permission
	for _, f := range faults {
		if f.mode == mode && f.function == function {
			all = append(all, f.Permission)
		}
	}
	return all
}
