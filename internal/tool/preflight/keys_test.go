package preflight

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/pkg/broker/seal"
)

// The keys are read where the functions read them: at KEYS_ENDPOINT, if it is
// set.
func TestKeysFromAnEndpoint(t *testing.T) {
	document := string(seal.Generate())
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"SecretString": document})
	}))
	t.Cleanup(srv.Close)
	r := &run{Options: Options{
		Environment: &environment.Environment{Server: brokered, Brokered: environment.Brokered{Keys: "secretsmanager:dcr/keys", KeysEndpoint: srv.URL}},
		SDK: aws.Config{Region: "us-east-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		})},
	}}
	r.keys(t.Context())
	if got, want := r.text(), "ok keys: secretsmanager:dcr/keys"; !strings.HasPrefix(got, want) {
		t.Errorf("checks = %q, want %q", got, want)
	}
}
