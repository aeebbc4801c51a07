package devstack

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/signed"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

// around is surroundings for functions that reach this machine as 127.0.0.1,
// and browsers as localhost.
func around(table, aws string) SurroundingsOptions {
	return SurroundingsOptions{
		BackChannel: "127.0.0.1:0", Host: "127.0.0.1", Issuer: "http://localhost:3000", Table: table,
		AWS: aws, Lambda: "http://127.0.0.1:3001", Provision: "ProvisionFunction",
		Getenv: func(name string) string {
			return map[string]string{"LOG_LEVEL": "error", "ISSUER": "https://other.example"}[name]
		},
	}
}

func TestSurroundingsFollowTheEnvironment(t *testing.T) {
	o := around("surroundings-"+strings.ToLower(t.Name()), dynamodbtest.Endpoint(t))
	s, err := Surround(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := environment.All(func(name string) string { return s.Environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	if c.Issuer != o.Issuer || c.Mode != broker.ModeBrokered || s.Environment["LOG_LEVEL"] != "error" {
		t.Errorf("Issuer %s, Authorization %s, LOG_LEVEL %s; want %s, brokered, error", c.Issuer, c.Mode, s.Environment["LOG_LEVEL"], o.Issuer)
	}
	if !strings.HasPrefix(c.CognitoDomain, "http://localhost:") || !strings.HasPrefix(c.CognitoBackChannel, "http://127.0.0.1:") {
		t.Errorf("CognitoDomain %s, CognitoBackChannel %s; want localhost for browsers, 127.0.0.1 for functions", c.CognitoDomain, c.CognitoBackChannel)
	}
	for _, url := range []string{c.CognitoDiscovery, s.Cognito + "/" + poolID + "/.well-known/jwks.json", strings.TrimSuffix(s.MCP, "/mcp") + "/.well-known/oauth-protected-resource/mcp"} {
		res, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("GET %s = %s, want 200", url, res.Status)
		}
	}

	fetch, err := signed.Document(c.Keys, emulatedAWS(c.KeysEndpoint))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := seal.Parse(keys); err != nil {
		t.Errorf("the keys: %v", err)
	}

	store := dynamo.New(dynamodb.NewFromConfig(emulatedAWS(c.DynamoDBEndpoint)), c.Table, time.Now)
	for token, uses := range map[string]int{s.InitialAccessToken: 0, s.OneUseToken: 1} {
		id, err := credential.InitialAccessTokenID(credential.Presented(token))
		if err != nil {
			t.Fatal(err)
		}
		rec, err := store.InitialAccessToken(t.Context(), id)
		if err != nil || rec.MaxUses != uses || rec.Profile != "trusted" {
			t.Errorf("initial access token = %+v, %v, want one of the profile trusted with %d uses", rec, err, uses)
		}
	}
}

// The functions of sam local get their configuration from the table.
func TestSurroundStoresTheConfiguration(t *testing.T) {
	for name, file := range map[string]string{
		"the example": "",
		"a file":      in(t, broker.ModeBrokered, with(`"support_contact":"mailto:help@example.com"`)).file,
	} {
		t.Run(name, func(t *testing.T) {
			o := around("surroundings-configuration-"+credential.NewID(), dynamodbtest.Endpoint(t))
			o.Configuration = file
			s, err := Surround(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c, err := environment.All(func(name string) string { return s.Environment[name] })
			if err != nil {
				t.Fatal(err)
			}
			stored := dynamo.New(dynamodb.NewFromConfig(emulatedAWS(c.DynamoDBEndpoint)), c.Table, time.Now).Configuration()
			versions, err := stored.Versions(t.Context())
			if err != nil || len(versions) != 1 {
				t.Fatalf("%d versions, %v, want 1", len(versions), err)
			}
			got, err := configuration.Load(t.Context(), stored, versions[0], c.Deployment())
			if err != nil {
				t.Fatal(err)
			}
			_, want, err := document{file, s.MCP, c.Deployment()}.load()
			if err != nil {
				t.Fatal(err)
			}
			if got.Digest != want.Digest || len(got.Resources) != 1 || got.Resources[0].URL != s.MCP {
				t.Errorf("the table has a configuration with the resources %+v, want that of the file, with %s", got.Resources, s.MCP)
			}
		})
	}
}

func TestSurroundReportsFaultsOfTheConfiguration(t *testing.T) {
	o := around("none", "http://127.0.0.1:1")
	o.Configuration = in(t, broker.ModeBrokered, "{}").file
	s, err := Surround(t.Context(), o)
	if _, ok := errors.AsType[*configurationError](err); !ok || s != nil {
		t.Errorf("Surround = %v, %v, want a configurationError", s, err)
	}
}

func TestSurroundNamesTheServerWhosePortIsInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	o := around("none", "http://127.0.0.1:1")
	o.BackChannel = taken.Addr().String()
	_, err = Surround(t.Context(), o)
	a, ok := errors.AsType[*AddressError](err)
	if !ok || a.Server != "back-channel" || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Surround = %v, want an AddressError of the back channel", err)
	}
}

func TestSurroundRequiresAnOriginForAWS(t *testing.T) {
	o := around("none", "127.0.0.1")
	if _, err := Surround(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"127.0.0.1"`) {
		t.Errorf("Surround = %v, want an error about AWS", err)
	}
}
