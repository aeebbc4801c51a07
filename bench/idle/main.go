// Idle is a tool: a Lambda function that does nothing. Its start-up time is
// that of Go, aws-lambda-go and the machine, without the broker's code.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() { lambda.Start(func() {}) }
