package environment

import (
	"slices"
	"strings"
	"testing"
)

// A few variables are enough to find the remains of a deployment. The others
// may be invalid.
func TestInventory(t *testing.T) {
	env := map[string]string{"AWS_REGION": "eu-central-1", "USER_POOL_ID": "eu-central-1_AbCdEfGhI", "DEPLOYMENT_ID": "prod", "ISSUER": "nonsense", "LOG_LEVEL": "loud"}
	c, err := Inventory(getenv(env))
	if err != nil || c.UserPoolID != "eu-central-1_AbCdEfGhI" || c.DeploymentID != "prod" || c.Table != "" {
		t.Errorf("Inventory = %+v, %v, want pool and deployment, and no table", c, err)
	}
	env["TABLE_NAME"] = "dcr"
	if c, err := Inventory(getenv(env)); err != nil || c.Table != "dcr" {
		t.Errorf("Inventory = %+v, %v, want the table", c, err)
	}
	_, err = Inventory(getenv(map[string]string{"USER_POOL_ID": "x"}))
	want := []string{"AWS_REGION: must be set", `USER_POOL_ID: "x" is not a user pool id such as us-east-1_AbCdEfGhI`, "DEPLOYMENT_ID: must be set"}
	if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), want) {
		t.Errorf("Inventory = %v, want %q", err, want)
	}
}
