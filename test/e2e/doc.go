// Package e2e is a test kit without code of its own. Its tests test whole
// deployments over HTTP, with tables of requests and expected answers, and with
// the walk of an MCP client (package walk). They leave out pages in a real
// browser: test/browser has those.
//
// By default the tests start two stacks of package devstack in their own
// process, one for each mode of AUTHORIZATION, and run as a subtest for each
// mode. With E2E_BASE_URL they test the broker at that origin instead. They
// take its mode from the metadata, and it must have the profiles of
// config/broker.json. The tests delete every client that they register there, except open registrations
// in brokered mode, which cannot be deleted and expire. A run makes about 40
// open registrations of the 100 an hour that those profiles allow for one
// redirect rule; in brokered mode the next run gets the same clients. Other
// variables have what the origin does not tell. A test that needs a missing
// variable is skipped:
//
//	E2E_BASE_URL              origin of the broker, such as https://auth.example.com
//	E2E_MCP_URL               MCP server with the tools of examples/mcpserver
//	E2E_USERNAME              user who can sign in without a second factor
//	E2E_PASSWORD              password of that user
//	E2E_INITIAL_ACCESS_TOKEN  of the profile trusted
//	E2E_ONE_USE_TOKEN         another one, with one use left
//	E2E_INTROSPECTION_ID      the MCP server's credentials at /introspect, as in
//	E2E_INTROSPECTION_SECRET  introspection_clients of the configuration
package e2e
