package permissions

// fault is a call that a function makes only after a fault or a change that the
// tests of the functions do not cause.
type fault struct {
	mode, function string
	Permission
	// code is the file and the Go function that makes the call.
	code   string
	reason string
}

// Tests of the named packages cause each of these faults, with their own stores
// and Cognito.
var faults = []fault{
	{Brokered, "authorize", Permission{"dynamodb:DeleteItem", Table}, "pkg/broker/authorization/flow.go forget",
		"a transaction in an unknown state is removed"},

	{Direct, "register", Permission{"cognito-idp:ListUserPoolClients", Pool}, "internal/adapter/cognito/appclients.go read",
		"a missing app client is distinguished from a missing pool"},
}

// runtime returns what Lambda itself calls with a function's role. The template
// creates the log groups, so that the role need not.
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

func declared(mode, function string) []Permission {
	var all []Permission
	for _, f := range faults {
		if f.mode == mode && f.function == function {
			all = append(all, f.Permission)
		}
	}
	return all
}
