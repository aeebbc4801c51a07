// Package localserver is a test kit: it returns the local server that a test
// needs in place of an AWS service, and skips or fails the test if there is none.
// It leaves out starting a server: scripts/moto.sh does.
package localserver

import (
	"os"
	"testing"
)

// Server is a local server in place of an AWS service.
type Server struct {
	// Name is the service, for messages.
	Name string
	// Variable holds the server's origin.
	Variable string
	// Require is a variable that makes a missing server an error, if it is not
	// empty. make test sets it.
	Require string
}

var (
	// DynamoDB is any local DynamoDB.
	DynamoDB = Server{"DynamoDB", "DYNAMODB_ENDPOINT", "REQUIRE_DYNAMODB"}
	// MotoCognito is the Cognito of moto, which is not the emulator of this module.
	MotoCognito = Server{"moto's Cognito", "MOTO_COGNITO_ENDPOINT", "REQUIRE_MOTO_COGNITO"}
)

// Origin returns the origin of the server. Without one it skips the test, or
// fails it if the server is required.
func (s Server) Origin(t testing.TB) string {
	t.Helper()
	return s.origin(t, os.Getenv)
}

// Available reports whether tests that call Origin run.
func (s Server) Available() bool { return os.Getenv(s.Variable) != "" }

// reporter is the part of testing.TB that ends a test.
type reporter interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func (s Server) origin(t reporter, getenv func(string) string) string {
	t.Helper()
	o := getenv(s.Variable)
	switch {
	case o != "":
	case getenv(s.Require) != "":
		t.Fatalf("this test needs %s: %s is set and %s is not", s.Name, s.Require, s.Variable)
	default:
		t.Skipf("this test needs %s: %s is not set. In the root of the repository, make test runs it, "+
			"and scripts/moto.sh run go test with the package", s.Name, s.Variable)
	}
	return o
}
