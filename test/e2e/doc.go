// Package e2e tests whole deployments over HTTP: protocol scripts, which are
// tables of exchanges, and the walk of an MCP client (package walk).
//
// By itself it starts two stacks of package devstack in its own process, one for
// each mode of AUTHORIZATION, and every test is a subtest for each mode that it
// is about. With E2E_BASE_URL it tests the broker at that origin instead, whose
// mode it takes from the metadata, and which must have the policy that ships with
// the broker. Every client that it registers there is deleted again; in brokered
// mode those that registered openly cannot be, and expire. A run makes about 40
// clients by open registration, of the 100 an hour that the shipped policy allows
// for one redirect host; in brokered mode the next run finds them again. What
// cannot be known from the origin comes in other variables, and the tests that
// need one which is not set are skipped and say so:
//
//	E2E_BASE_URL              origin of the broker, such as https://auth.example.com
//	E2E_MCP_URL               MCP server with the tools of examples/mcpserver
//	E2E_USERNAME              somebody who can sign in with
//	E2E_PASSWORD              this password and no second factor
//	E2E_INITIAL_ACCESS_TOKEN  of a profile like the shipped one named trusted
//	E2E_ONE_USE_TOKEN         another one, with one use left
//	E2E_INTROSPECTION_ID      what the MCP server sends to /introspect, as
//	E2E_INTROSPECTION_SECRET  INTROSPECTION_CLIENTS has it
package e2e
