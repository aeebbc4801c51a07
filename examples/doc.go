// Package examples tests the templates beside it as CloudFormation has them.
// `make test-template` runs it. The examples are described in docs/mcp-server.md.
package examples
