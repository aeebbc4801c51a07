package dcrbroker

import (
	"os/exec"
	"strings"
	"testing"
)

// In brokered mode, functions that face the internet have no permission for
// Cognito's API, and authorize, token and metadata have no code that calls it.
// register has, for direct mode; TestRegistrationCallsNothingAtCognito in
// package e2e checks that it does not call the API in brokered mode.
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
