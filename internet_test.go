package dcrbroker

import (
	"os/exec"
	"strings"
	"testing"
)

// The functions that face the internet in brokered mode hold no right on
// Cognito's API, and these could not use one: they have no code that calls it.
// The register function has, for direct mode; in brokered mode it does not call
// it, see TestRegistrationCallsNothingAtCognito in package e2e.
func TestFunctionsThatFaceTheInternetLinkNoCognitoAPI(t *testing.T) {
	for _, function := range []string{"authorize", "token", "metadata"} {
		out, err := exec.Command("go", "list", "-deps", "./functions/"+function).Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.Lines(string(out)) {
			if strings.Contains(dep, "cognitoidentityprovider") || strings.TrimSpace(dep) == module+"internal/adapter/cognito" {
				t.Errorf("functions/%s links %s", function, strings.TrimSpace(dep))
			}
		}
	}
}
