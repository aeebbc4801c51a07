package permissions

// fault is what a function calls when something has gone wrong before, or has
// changed, and which no test of the functions brings about.
type fault struct {
	mode, function string
	Permission
	// code is the file and the function that calls it.
	code   string
	reason string
}

// Tests of the packages named bring each of them about, with other stores and a
// Cognito of their own.
var faults = []fault{
	{Brokered, "authorize", Permission{"dynamodb:DeleteItem", Table}, "internal/authorize/callback.go forget",
		"a transaction of which it is not known how far it got is removed"},

	{Direct, "register", Permission{"cognito-idp:ListUserPoolClients", Pool}, "internal/adapter/cognito/appclients.go read",
		"an app client that is not there is told from a pool that is not there"},
}

// runtime is what Lambda itself does with a function's role. The log groups are
// made with the function, so that nobody needs to make one.
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
