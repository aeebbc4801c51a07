package world

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/dcr-broker/dcr-broker/internal/adapter/cognitoauth"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// PoolID is the id of the user pool of a Cognito.
const PoolID = "us-east-1_local00001"

// Cognito is a local Cognito with the checks of the real one.
type Cognito struct {
	*emulator.Cognito
	// URL is its origin.
	URL  string
	http aws.HTTPClient // of API; nil is the default
	host string         // follows the sign-in names of users
	t    testing.TB
}

// passwords are the passwords of the users by name.
var passwords = map[string]string{"alice": "Correct-Horse-9", "bob": "Battery-Staple-9"}

// NewCognito returns a local Cognito without a rate limit, with the users alice
// and bob, of whom only alice has a verified address and is in the group staff. If
// c has EmailUsernames, they sign in with their addresses. If c has a BaseURL, it
// does not listen, and only its API can be called.
func NewCognito(t testing.TB, c emulator.Config) *Cognito {
	t.Helper()
	w := &Cognito{t: t, URL: c.BaseURL}
	if c.EmailUsernames {
		w.host = "@example.com"
	}
	w.http = inProcess{w}
	if c.BaseURL == "" {
		w.http = nil
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.ServeHTTP(rw, r) }))
		t.Cleanup(server.Close)
		w.URL = server.URL
	}
	c.BaseURL, c.PoolID, c.NoRateLimit, c.Key = w.URL, PoolID, true, fake.SigningKey()
	c.Users = []emulator.User{
		{Name: "alice" + w.host, Password: passwords["alice"], Email: "alice@example.com", Groups: []string{"staff"}},
		{Name: "bob" + w.host, Password: passwords["bob"], Email: "bob@example.com", Unverified: true},
	}
	var err error
	if w.Cognito, err = emulator.New(c); err != nil {
		t.Fatalf("local Cognito: %v", err)
	}
	return w
}

// inProcess calls a Cognito without a network, as in a synctest bubble.
type inProcess struct{ *Cognito }

func (c inProcess) Do(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	c.ServeHTTP(rec, r)
	return rec.Result(), nil
}

// API returns a client of Cognito's API.
func (c *Cognito) API() *cip.Client {
	return cip.New(cip.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(c.URL), HTTPClient: c.http,
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
}

// OAuth returns a client of Cognito's OAuth endpoints that waits for d; 0 is its
// default.
func (c *Cognito) OAuth(d time.Duration) *cognitoauth.Client {
	return c.OAuthAt(c.URL+"/oauth2/token", d)
}

// OAuthAt is OAuth with another token endpoint.
func (c *Cognito) OAuthAt(tokenEndpoint string, d time.Duration) *cognitoauth.Client {
	return cognitoauth.New(cognitoauth.Config{
		AuthorizeEndpoint: c.URL + "/oauth2/authorize", TokenEndpoint: tokenEndpoint,
		RevocationEndpoint: c.URL + "/oauth2/revoke", UserInfoEndpoint: c.URL + "/oauth2/userInfo", LogoutEndpoint: c.URL + "/logout", Timeout: d,
	})
}

// SignIn signs a user in at the sign-in page with this address, in b. It returns
// the address to which Cognito sends the browser back.
func (c *Cognito) SignIn(b *emulator.Browser, page, user string) string {
	c.t.Helper()
	to, err := b.SignIn(c.t.Context(), page, user+c.host, passwords[user])
	if err != nil {
		c.t.Fatal(err)
	}
	return to.String()
}

// CreateAppClient makes an app client with a secret and the settings of the
// broker's own ones, with this callback URL or for client_credentials.
func (c *Cognito) CreateAppClient(callback string, scopes ...string) broker.AppCredentials {
	c.t.Helper()
	in := &cip.CreateUserPoolClientInput{
		UserPoolId: aws.String(PoolID), ClientName: aws.String("test"), GenerateSecret: true, AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{"client_credentials"}, AllowedOAuthScopes: scopes, SupportedIdentityProviders: []string{"COGNITO"},
		ExplicitAuthFlows: []types.ExplicitAuthFlowsType{"ALLOW_REFRESH_TOKEN_AUTH"}, EnableTokenRevocation: aws.Bool(true),
	}
	if callback != "" {
		in.AllowedOAuthFlows, in.CallbackURLs = []types.OAuthFlowType{"code"}, []string{callback}
	}
	out, err := c.API().CreateUserPoolClient(c.t.Context(), in)
	if err != nil {
		c.t.Fatal(err)
	}
	return broker.AppCredentials{ID: *out.UserPoolClient.ClientId, Secret: *out.UserPoolClient.ClientSecret}
}
