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

	{Brokered, "janitor", Permission{"cognito-idp:ListUserPoolClients", Pool}, "pkg/broker/reconcile.go atCognito",
		"an app client may have been made of which nothing was heard"},
	{Brokered, "janitor", Permission{"cognito-idp:UpdateUserPoolClient", Pool}, "pkg/broker/reconcile_brokered.go grow",
		"a profile has got more scopes"},
	{Brokered, "janitor", Permission{"dynamodb:PutItem", Table}, "pkg/broker/reconcile_brokered.go removingBrokered",
		"another janitor was faster, and the place that was given back is taken again"},

	{Direct, "register", Permission{"cognito-idp:ListUserPoolClients", Pool}, "internal/cognito/appclients.go describe",
		"an app client that is not there is told from a pool that is not there"},

	{Direct, "janitor", Permission{"cognito-idp:ListUserPoolClients", Pool}, "pkg/broker/reconcile.go atCognito",
		"an app client may have been made of which nothing was heard"},
	{Direct, "janitor", Permission{"cognito-idp:DescribeUserPoolClient", Pool}, "internal/cognito/appclients.go describe",
		"before an app client is changed or deleted it is looked at, whether it is ours"},
	{Direct, "janitor", Permission{"cognito-idp:DeleteUserPoolClient", Pool}, "pkg/broker/undo.go finishRemoval",
		"a registration was left half done"},
	{Direct, "janitor", Permission{"cognito-idp:UpdateUserPoolClient", Pool}, "pkg/broker/reconcile.go updating",
		"an update was left half done"},
	{Direct, "janitor", Permission{"dynamodb:GetItem", Table}, "pkg/broker/reconcile.go one",
		"a registration, an update or a removal was left half done"},
	{Direct, "janitor", Permission{"dynamodb:UpdateItem", Table}, "pkg/broker/undo.go markRemoving",
		"a registration was left half done"},
	{Direct, "janitor", Permission{"dynamodb:DeleteItem", Table}, "pkg/broker/undo.go finishRemoval",
		"a registration was left half done"},
	// App clients of brokered mode are looked after when the mode has changed.
	{Direct, "janitor", Permission{"dynamodb:PutItem", Table}, "pkg/broker/reconcile_brokered.go removingBrokered",
		"another janitor was faster, and the place that was given back is taken again"},
	{Direct, "janitor", Permission{"ssm:GetParameter", Parameter}, "pkg/broker/reconcile_brokered.go growDedicated",
		"an app client of brokered mode lacks scopes of its registration"},
	{Direct, "janitor", Permission{"s3:GetObject", Object}, "pkg/broker/reconcile_brokered.go growDedicated",
		"an app client of brokered mode lacks scopes of its registration"},
}

// runtime is what Lambda itself does with a function's role. The log groups are
// made with the function, so that nobody needs to make one.
var runtime = []Permission{
	{"logs:CreateLogStream", Logs},
	{"logs:PutLogEvents", Logs},
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
