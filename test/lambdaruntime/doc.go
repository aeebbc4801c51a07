// Package lambdaruntime runs the bootstrap of a Lambda function as Lambda does:
// as a process that asks a runtime API for events and posts its answers there
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). It is for
// tests and benchmarks, and needs nothing of AWS.
//
// Left out: extensions, response streaming, several invocations at a time,
// freezing the process between invocations, limits of memory and payload.
package lambdaruntime
