package emulator_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// flowsClient makes a client that allows flows, with a secret or without.
func (l *local) flowsClient(secret bool, flows ...types.ExplicitAuthFlowsType) *types.UserPoolClientType {
	l.t.Helper()
	return l.create(&cip.CreateUserPoolClientInput{
		UserPoolId: aws.String(pool), ClientName: aws.String("flows"), GenerateSecret: secret, ExplicitAuthFlows: flows,
	})
}

func (l *local) initiate(client *string, flow types.AuthFlowType, params map[string]string) (*types.AuthenticationResultType, error) {
	out, err := l.sdk.InitiateAuth(l.t.Context(), &cip.InitiateAuthInput{ClientId: client, AuthFlow: flow, AuthParameters: params})
	if err != nil {
		return nil, err
	}
	return out.AuthenticationResult, nil
}

func alice() map[string]string {
	return map[string]string{"USERNAME": "alice", "PASSWORD": "Correct-Horse-9"}
}

func secretHash(secret, name, client string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(name + client))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestInitiateAuthFollowsTheClientsFlows(t *testing.T) {
	l := start(t, nil)
	broker := l.create(publicClient()) // ALLOW_ADMIN_USER_PASSWORD_AUTH and nothing else
	byDefault := l.flowsClient(false)
	password := l.flowsClient(false, "ALLOW_USER_PASSWORD_AUTH")
	legacy := l.flowsClient(false, "USER_PASSWORD_AUTH")
	const parameter = "InvalidParameterException"
	for _, tt := range []struct {
		name            string
		client          *types.UserPoolClientType
		flow            types.AuthFlowType
		exception, text string
	}{
		{"password, admin only", broker, "USER_PASSWORD_AUTH", parameter, "USER_PASSWORD_AUTH flow not enabled for this client"},
		{"SRP, admin only", broker, "USER_SRP_AUTH", parameter, "USER_SRP_AUTH flow not enabled for this client"},
		{"refresh, admin only", broker, "REFRESH_TOKEN_AUTH", parameter, "REFRESH_TOKEN_AUTH flow not enabled for this client"},
		{"custom, admin only", broker, "CUSTOM_AUTH", parameter, "CUSTOM_AUTH flow not enabled for this client"},
		{"choice, admin only", broker, "USER_AUTH", parameter, "USER_AUTH flow not enabled for this client"},
		{"the admin flow without AWS credentials", broker, "ADMIN_USER_PASSWORD_AUTH", parameter, "Initiate Auth method not supported"},
		{"password, default flows", byDefault, "USER_PASSWORD_AUTH", parameter, "flow not enabled"},
		// Cognito supports these flows; the emulator does not.
		{"SRP, default flows", byDefault, "USER_SRP_AUTH", "UnsupportedOperationException", "USER_SRP_AUTH"},
		{"an unknown flow", password, "MAGIC_LINK", parameter, "'authFlow'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := l.initiate(tt.client.ClientId, tt.flow, alice())
			wantAPIError(t, err, tt.exception, tt.text)
		})
	}
	for _, client := range []*types.UserPoolClientType{password, legacy} {
		got, err := l.initiate(client.ClientId, "USER_PASSWORD_AUTH", alice())
		if err != nil {
			t.Fatal(err)
		}
		_, access := l.claims(*got.AccessToken)
		_, id := l.claims(*got.IdToken)
		if access["scope"] != "aws.cognito.signin.user.admin" || id["email"] != "alice@example.com" || got.RefreshToken == nil || got.ExpiresIn != 3600 {
			t.Errorf("tokens: scope %v, email %v, %+v", access["scope"], id["email"], got)
		}
		if access["version"] != nil || id["at_hash"] != nil {
			t.Errorf("version %v and at_hash %v, want neither: only tokens of the pages have them", access["version"], id["at_hash"])
		}
	}
	if _, err := l.initiate(aws.String("unknown"), "USER_PASSWORD_AUTH", alice()); err == nil {
		t.Error("an unknown client signed a user in")
	}
}

func TestInitiateAuthRefusesTheUser(t *testing.T) {
	l := start(t, nil)
	legacy := l.flowsClient(false, "ALLOW_USER_PASSWORD_AUTH").ClientId
	hiding := l.create(&cip.CreateUserPoolClientInput{
		UserPoolId: aws.String(pool), ClientName: aws.String("hiding"), PreventUserExistenceErrors: "ENABLED",
		ExplicitAuthFlows: []types.ExplicitAuthFlowsType{"ALLOW_USER_PASSWORD_AUTH"},
	}).ClientId
	for _, tt := range []struct {
		name, user, password string
		client               *string
		exception, text      string
	}{
		{"wrong password", "alice", "x", legacy, "NotAuthorizedException", "Incorrect username or password."},
		{"unknown user", "carol", "x", legacy, "UserNotFoundException", "User does not exist."},
		{"unknown user, hidden", "carol", "x", hiding, "NotAuthorizedException", "Incorrect username or password."},
		{"no user", "", "x", legacy, "InvalidParameterException", "USERNAME"},
		{"no password", "alice", "", legacy, "InvalidParameterException", "PASSWORD"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := l.initiate(tt.client, "USER_PASSWORD_AUTH", map[string]string{"USERNAME": tt.user, "PASSWORD": tt.password})
			wantAPIError(t, err, tt.exception, tt.text)
		})
	}
}

func TestSecretHash(t *testing.T) {
	l := start(t, nil)
	c := l.flowsClient(true, "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH")
	public := l.flowsClient(false, "ALLOW_USER_PASSWORD_AUTH")

	_, err := l.initiate(c.ClientId, "USER_PASSWORD_AUTH", alice())
	wantAPIError(t, err, "NotAuthorizedException", "SECRET_HASH was not received")
	wrong := alice()
	wrong["SECRET_HASH"] = secretHash("other", "alice", *c.ClientId)
	_, err = l.initiate(c.ClientId, "USER_PASSWORD_AUTH", wrong)
	wantAPIError(t, err, "NotAuthorizedException", "Unable to verify secret hash for client "+*c.ClientId)
	_, err = l.initiate(public.ClientId, "USER_PASSWORD_AUTH", wrong)
	wantAPIError(t, err, "NotAuthorizedException", "Unable to verify secret hash")

	right := alice()
	right["SECRET_HASH"] = secretHash(*c.ClientSecret, "alice", *c.ClientId)
	got, err := l.initiate(c.ClientId, "USER_PASSWORD_AUTH", right)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{"REFRESH_TOKEN": *got.RefreshToken, "SECRET_HASH": right["SECRET_HASH"]}
	again, err := l.initiate(c.ClientId, "REFRESH_TOKEN_AUTH", params)
	if err != nil || again.AccessToken == nil || again.RefreshToken != nil {
		t.Errorf("refresh: %+v, %v, want new tokens and no refresh token", again, err)
	}
	params["REFRESH_TOKEN"] = "made-up"
	_, err = l.initiate(c.ClientId, "REFRESH_TOKEN_AUTH", params)
	wantAPIError(t, err, "NotAuthorizedException", "Invalid Refresh Token")
}

func TestAdminInitiateAuth(t *testing.T) {
	l := start(t, nil)
	c := l.create(publicClient())
	in := &cip.AdminInitiateAuthInput{
		UserPoolId: aws.String(pool), ClientId: c.ClientId, AuthFlow: "ADMIN_USER_PASSWORD_AUTH", AuthParameters: alice(),
	}
	out, err := l.sdk.AdminInitiateAuth(t.Context(), in)
	if err != nil || out.AuthenticationResult.AccessToken == nil {
		t.Fatalf("got %+v, %v, want tokens", out, err)
	}
	in.AuthFlow = "USER_PASSWORD_AUTH"
	_, err = l.sdk.AdminInitiateAuth(t.Context(), in)
	wantAPIError(t, err, "InvalidParameterException", "not supported")
	in.AuthFlow, in.ClientId = "ADMIN_USER_PASSWORD_AUTH", l.flowsClient(false).ClientId
	_, err = l.sdk.AdminInitiateAuth(t.Context(), in)
	wantAPIError(t, err, "InvalidParameterException", "flow not enabled for this client")
	in.UserPoolId = aws.String("us-east-1_other")
	_, err = l.sdk.AdminInitiateAuth(t.Context(), in)
	wantAPIError(t, err, "ResourceNotFoundException", "us-east-1_other")
}
