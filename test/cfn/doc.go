// Package cfn reads CloudFormation templates in JSON, so that tests can say what
// a template makes and compare two of different origin. It evaluates nothing but
// how references are written: conditions have been resolved and parameters put
// in before, by scripts/sam-tools.sh transform or by the CDK. It is for tests;
// what it does not know is an error or is left as it is, never guessed.
package cfn
