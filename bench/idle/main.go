// Command idle is a Lambda function that does nothing. Its start is what Go,
// aws-lambda-go and the machine cost before a line of ours runs.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() {}) }
