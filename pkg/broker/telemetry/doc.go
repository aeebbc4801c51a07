// Package telemetry is what the broker says of what it does: one line for each
// request or run, with the durations of the calls that it made and what CloudWatch
// counts (embedded metric format), and an audit line for everything that changed.
//
// It writes nothing by itself but to the logger that it is given, knows no
// service of AWS, and opens no connection. Nothing that it is given may be a
// secret; docs/operations.md lists the lines, the metrics and the events.
package telemetry
