// Package dynamodbtest is a test kit: it returns the DynamoDB for a test, and
// skips or fails the test if there is none. It leaves out starting a server and
// making tables.
package dynamodbtest

import (
	"testing"

	"github.com/dcr-broker/dcr-broker/test/localserver"
)

// Endpoint returns the origin of the DynamoDB for the test. Without one it skips
// the test, or fails it if REQUIRE_DYNAMODB is set, as make test does.
func Endpoint(t testing.TB) string {
	t.Helper()
	return localserver.DynamoDB.Origin(t)
}

// Available reports whether tests that call Endpoint run.
func Available() bool { return localserver.DynamoDB.Available() }
