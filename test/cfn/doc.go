// Package cfn is a test kit: it reads CloudFormation templates in JSON, so that
// tests can check the resources of a template and compare two templates from
// different tools. It converts all forms of references to one, and leaves out
// any other evaluation: scripts/sam-tools.sh transform or the CDK first resolve
// conditions and insert parameters. Input that it does not support is an error
// or stays unchanged; it never guesses.
package cfn
