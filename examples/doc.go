// Package examples is a test of the templates in its directories, after
// CloudFormation's transform. `make test-template` runs it. docs/mcp-server.md
// describes the examples.
package examples
