// Package e2e tests a whole deployment over HTTP: protocol scripts, which are
// tables of exchanges, and the walk of an MCP client (package walk).
//
// By itself it starts the stack of package devstack in its own process. With
// E2E_BASE_URL it tests the broker at that origin instead, which must have the
// policy that ships with the broker; every client that it registers there is
// deleted again. A run makes about 20 open registrations, of the 100 an hour that
// the shipped policy allows for one redirect host. What cannot be known from the
// origin comes in other variables, and the tests that need one which is not set
// are skipped and say so:
//
//	E2E_BASE_URL              origin of the broker, such as https://auth.example.com
//	E2E_MCP_URL               MCP server with the tools of internal/samplemcp
//	E2E_USERNAME              somebody who can sign in with
//	E2E_PASSWORD              this password and no second factor
//	E2E_INITIAL_ACCESS_TOKEN  of a profile like the shipped one named trusted
//	E2E_ONE_USE_TOKEN         another one, with one use left
package e2e
