// Package examples tests the templates in its subdirectories, as CloudFormation
// processes them. It has no other code. `make test-template` runs it.
// docs/mcp-server.md describes the examples.
package examples
