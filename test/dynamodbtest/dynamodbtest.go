// Package dynamodbtest is a test kit: it returns the DynamoDB for a test, and
// skips or fails the test if there is none. It leaves out starting a server and
// making tables.
package dynamodbtest

import (
	"os"
	"testing"
)

const (
	// endpointVariable holds the origin of DynamoDB, as it does for the functions.
	endpointVariable = "DYNAMODB_ENDPOINT"
	// requireVariable makes a missing DynamoDB an error, if it is not empty.
	requireVariable = "REQUIRE_DYNAMODB"
)

// Endpoint returns the origin of the DynamoDB for the test. Without one it skips
// the test, or fails it if REQUIRE_DYNAMODB is set, as make test does.
func Endpoint(t testing.TB) string {
	t.Helper()
	return endpoint(t, os.Getenv)
}

// reporter is the part of testing.TB that ends a test.
type reporter interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func endpoint(t reporter, getenv func(string) string) string {
	t.Helper()
	e := getenv(endpointVariable)
	switch {
	case e != "":
	case getenv(requireVariable) != "":
		t.Fatalf("this test needs DynamoDB: %s is set and %s is not", requireVariable, endpointVariable)
	default:
		t.Skipf("this test needs DynamoDB: %s is not set. In the root of the repository, make test runs it, "+
			"and scripts/moto.sh run go test with the package", endpointVariable)
	}
	return e
}

// Available reports whether tests that call Endpoint run.
func Available() bool { return os.Getenv(endpointVariable) != "" }
