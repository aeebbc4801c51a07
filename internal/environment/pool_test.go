package environment

import (
	"slices"
	"strings"
	"testing"
)

// What is left of a deployment is found by little of its environment, and what
// the rest says does not matter.
func TestPool(t *testing.T) {
	env := map[string]string{"AWS_REGION": "eu-central-1", "USER_POOL_ID": "eu-central-1_AbCdEfGhI", "DEPLOYMENT_ID": "prod", "ISSUER": "nonsense", "POLICY": "/nowhere"}
	c, err := Pool(getenv(env))
	if err != nil || c.UserPoolID != "eu-central-1_AbCdEfGhI" || c.Deployment != "prod" || c.Table != "" {
		t.Errorf("Pool = %+v, %v, want pool and deployment, and no table", c, err)
	}
	env["TABLE_NAME"] = "dcr"
	if c, err := Pool(getenv(env)); err != nil || c.Table != "dcr" {
		t.Errorf("Pool = %+v, %v, want the table", c, err)
	}
	_, err = Pool(getenv(map[string]string{"USER_POOL_ID": "x"}))
	want := []string{"AWS_REGION: must be set", `USER_POOL_ID: "x" is not a user pool id such as us-east-1_AbCdEfGhI`, "DEPLOYMENT_ID: must be set"}
	if err == nil || !slices.Equal(strings.Split(err.Error(), "\n"), want) {
		t.Errorf("Pool = %v, want %q", err, want)
	}
}
