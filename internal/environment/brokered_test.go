package environment

import (
	"strings"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

func TestBrokeredDefaults(t *testing.T) {
	c, err := Authorize(getenv(brokered()))
	if err != nil {
		t.Fatal(err)
	}
	want := broker.Deployment{Mode: broker.ModeBrokered, Issuer: "https://auth.example.com", LoginVersion: 1}
	if got := c.Deployment(); got != want {
		t.Errorf("Deployment() = %+v, want %+v", got, want)
	}
}

func TestBrokeredFaults(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		says        string // "" if there is no fault
	}{
		{"AUTHORIZATION", "direct", "brokered only"},
		{"KEYS", "", "must be set"},
		{"KEYS_ENDPOINT", "localhost:5000", "scheme and host"},
		{"PROVISION_FUNCTION", "", "must be set"},
		{"LAMBDA_ENDPOINT", "localhost:3001", "scheme and host"},
	} {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			env := brokered()
			env[tt.name] = tt.value
			_, err := Authorize(getenv(env))
			wantFault(t, err, tt.name, tt.says)
		})
	}
}

func TestEachBrokeredFunctionReadsItsPart(t *testing.T) {
	env := brokered()
	delete(env, "PROVISION_FUNCTION")
	delete(env, "DEPLOYMENT_ID")
	if _, err := Registration(getenv(env)); err != nil {
		t.Errorf("Registration: %v, want no fault: the function makes no app client", err)
	}
	env["DEPLOYMENT_ID"] = "prod"
	if _, err := AppClients(getenv(env)); err != nil {
		t.Errorf("AppClients: %v", err)
	}
}

func wantFault(t *testing.T, err error, name, says string) {
	t.Helper()
	if says == "" {
		if err != nil {
			t.Errorf("%v, want no fault", err)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), name+": ") && !strings.Contains(says, ": ") || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want a fault of %s with %q", err, name, says)
	}
}
