// Package lambdaruntime is a test kit: it runs the bootstrap of a Lambda
// function as Lambda does, as a process that gets events from a runtime API and
// posts its answers to it
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). It is for
// tests and benchmarks, and does not call AWS.
//
// It leaves out extensions, response streaming, concurrent invocations,
// freezing the process between invocations, and limits of memory and payload.
package lambdaruntime
