package cognito

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/test/contract"
	"github.com/dcr-broker/dcr-broker/test/localserver"
)

// The emulator and the adapter have the same authors, and so may share a wrong
// idea of Cognito. moto's Cognito is by others.
func TestAppClientsContractAtMoto(t *testing.T) {
	api := cip.New(cip.Options{Region: "us-east-1", Credentials: testCredentials, BaseEndpoint: aws.String(localserver.MotoCognito.Origin(t))})
	contract.TestAppClients(t, func(t *testing.T) contract.Pool {
		made, err := api.CreateUserPool(t.Context(), &cip.CreateUserPoolInput{PoolName: aws.String("contract")})
		if err != nil {
			t.Fatal(err)
		}
		clock := newClock()
		c, err := New(api, Config{
			Pool: aws.ToString(made.UserPool.Id), Deployment: here.deployment, Settings: fixed(DefaultSettings()), Counters: &counters{},
			Now: clock.Now, Sleep: clock.sleep,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
}
