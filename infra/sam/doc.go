// Package sam tests template.yaml as CloudFormation has it: transformed by AWS's
// own translator, for several sets of parameters. `make test-template` runs it.
package sam
