// Package telemetry is a value: the log lines, metrics and audit events of the
// broker. It writes one line for each request or run, with the durations of its
// calls and its metrics (CloudWatch's embedded metric format), and an audit
// line for every change.
//
// It writes to the caller's logger only: it calls no service of AWS and opens
// no connection. Callers must not pass secrets. docs/operations.md lists the
// lines, the metrics and the events.
package telemetry
