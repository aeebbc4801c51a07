package cognito

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
)

// The quota counts all app clients on all pages.
func TestCount(t *testing.T) {
	c, pool := emulatedWith(t, func(cfg *emulator.Config) { cfg.NoRateLimit = true })
	if _, err := c.Create(t.Context(), marker, public()); err != nil {
		t.Fatal(err)
	}
	for i := range 70 {
		name := fmt.Sprintf("foreign client %d", i)
		if i == 69 {
			name = "ours in another pool dcr@other." + marker
		}
		if _, err := c.api.CreateUserPoolClient(t.Context(), &cip.CreateUserPoolClientInput{UserPoolId: &c.pool, ClientName: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
	}
	ours, all, err := c.Count(t.Context())
	if ours != 1 || all != 71 || err != nil {
		t.Errorf("Count = %d, %d, %v, want 1 of 71", ours, all, err)
	}
	pool.Faults().Inject(opList.name, emulator.Fault{Effect: emulator.FailBefore, Exception: "NotAuthorizedException"})
	if _, _, err := c.Count(context.Background()); err == nil {
		t.Error("Count returns no error although listing is forbidden")
	}
}
