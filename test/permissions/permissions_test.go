package permissions

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// A call that the tests observe must not be declared as a fault.
func TestFaultsAreNotRecorded(t *testing.T) {
	for _, f := range faults {
		if slices.Contains(Recorded(f.mode, f.function), f.Permission) {
			t.Errorf("%s, %s: %s is declared as a fault, but recorded", f.mode, f.function, f.Permission)
		}
		if !slices.Contains(Functions(f.mode), f.function) || f.reason == "" {
			t.Errorf("%s mode has no function %s, or no reason is given: %+v", f.mode, f.function, f)
		}
	}
}

func TestFaultsNameExistingCode(t *testing.T) {
	for _, f := range faults {
		file, name, ok := strings.Cut(f.code, " ")
		source, err := os.ReadFile("../../" + file)
		if !ok || err != nil || !regexp.MustCompile(`(?m)^func (\([^)]*\) )?`+name+`\(`).Match(source) {
			t.Errorf("%s: %q names no function (%v)", f.Permission, f.code, err)
		}
	}
}

func TestRecordedFunctionsExistInTheirMode(t *testing.T) {
	for mode, functions := range recorded {
		for function := range functions {
			if !slices.Contains(Functions(mode), function) {
				t.Errorf("%s is recorded in %s mode, which has no such function", function, mode)
			}
		}
	}
	if len(Recorded(broker.ModeBrokered, "provision")) == 0 || len(Recorded(broker.ModeDirect, "register")) == 0 {
		t.Error("a mode is not recorded")
	}
}

func TestOf(t *testing.T) {
	for _, p := range []Permission{{"logs:PutLogEvents", Logs}, {"dynamodb:GetItem", Table}} {
		if !slices.Contains(Of(broker.ModeBrokered, "metadata", false), p) {
			t.Errorf("metadata has no permission %s", p)
		}
	}
	all := Of(broker.ModeDirect, "register", false)
	if !slices.IsSortedFunc(all, Permission.Compare) || !slices.Contains(all, Permission{"cognito-idp:ListUserPoolClients", Pool}) {
		t.Errorf("register: %v, want them in order and with declared faults", all)
	}
	for _, function := range Functions(broker.ModeBrokered) {
		for _, traced := range []bool{true, false} {
			if got := slices.Contains(Of(broker.ModeBrokered, function, traced), Permission{"xray:PutTraceSegments", Traces}); got != traced {
				t.Errorf("%s, traced: %t, may send traces: %t", function, traced, got)
			}
		}
		if got := slices.Contains(Of(broker.ModeBrokered, function, false), Permission{"sqs:SendMessage", DeadLetters}); got != (function == "janitor") {
			t.Errorf("%s may send failed runs: %t", function, got)
		}
	}
}

// In brokered mode no function that faces the internet may call Cognito's API,
// only provision and janitor may (docs/adr/0011-private-provision-function.md).
func TestPublicFunctionsHaveNoPermissionOnCognito(t *testing.T) {
	for _, function := range []string{"register", "metadata", "token", "authorize"} {
		for _, p := range Of(broker.ModeBrokered, function, true) {
			if strings.HasPrefix(p.Action, "cognito-idp:") {
				t.Errorf("%s: %s", function, p)
			}
		}
	}
	for _, p := range Of(broker.ModeBrokered, "provision", true) {
		if strings.HasPrefix(p.Action, "cognito-idp:") && !strings.HasPrefix(p.Action, "cognito-idp:Create") {
			t.Errorf("provision: %s, want only create and brand", p)
		}
	}
}

func TestParseRejectsInvalidPermissions(t *testing.T) {
	for _, document := range []string{`{"direct":{"token":["dynamodb:GetItem"]}}`, `[]`} {
		if _, err := Parse([]byte(document)); err == nil {
			t.Errorf("Parse(%s): no error", document)
		}
	}
}
