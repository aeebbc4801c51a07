// Package sam tests template.yaml as CloudFormation processes it: AWS's own
// translator transforms it for several sets of parameters. It has no other
// code. `make test-template` runs it.
package sam
