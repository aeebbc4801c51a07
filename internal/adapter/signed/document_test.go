package signed

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// origins starts a server that responds like Secrets Manager.
func origins(t *testing.T) aws.Config {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		checkSignature(t, r, body)
		var in map[string]any
		json.Unmarshal(body, &in)
		switch target := r.Header.Get("X-Amz-Target"); {
		case target == "secretsmanager.GetSecretValue" && in["SecretId"] == "dcr/keys":
			io.WriteString(w, `{"SecretString":"from secretsmanager"}`)
		case target == "secretsmanager.GetSecretValue" && in["SecretId"] == "dcr/binary":
			io.WriteString(w, `{"SecretBinary":"ZnJvbSBieXRlcw=="}`)
		default:
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"ResourceNotFoundException"}`)
		}
	}))
	t.Cleanup(srv.Close)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &srv.URL, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}
}

// checkSignature signs the received request again and compares.
func checkSignature(t *testing.T, r *http.Request, body []byte) {
	t.Helper()
	got := r.Header.Get("Authorization")
	_, scope, ok := strings.Cut(got, "/us-east-1/")
	name, _, _ := strings.Cut(scope, "/")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if !ok || err != nil {
		t.Errorf("%s %s is not signed: %q, %v", r.Method, r.URL, got, err)
		return
	}
	again := r.Clone(t.Context())
	again.URL.Host = r.Host
	for _, unsigned := range []string{"Authorization", "User-Agent", "Accept-Encoding"} {
		again.Header.Del(unsigned)
	}
	hash := fmt.Sprintf("%x", sha256.Sum256(body))
	cred := aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}
	if err := v4.NewSigner().SignHTTP(t.Context(), cred, again, hash, name, "us-east-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
		t.Fatal(err)
	}
	if want := again.Header.Get("Authorization"); got != want {
		t.Errorf("%s %s: signature %q, want %q", r.Method, r.URL, got, want)
	}
}

func TestDocument(t *testing.T) {
	sdk := origins(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte("from file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reference string
		want      string // "" for an error
	}{
		{"secretsmanager:dcr/keys", "from secretsmanager"},
		{"secretsmanager:dcr/other", ""},
		{"secretsmanager:dcr/binary", "from bytes"},
		{file, "from file"},
		{file + ".none", ""},
	} {
		t.Run(tt.reference, func(t *testing.T) {
			fetch, err := Document(tt.reference, sdk)
			if err != nil {
				t.Fatal(err)
			}
			got, err := fetch(t.Context())
			if string(got) != tt.want && err == nil || (err == nil) != (tt.want != "") {
				t.Errorf("fetch = %.40q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestDocumentChecksTheReference(t *testing.T) {
	for reference, ok := range map[string]bool{
		"secretsmanager:x": true, "secretsmanager:": false,
		"keys.json": true,
	} {
		if _, err := Document(reference, aws.Config{}); (err == nil) != ok {
			t.Errorf("Document(%q) = %v, want ok %t", reference, err, ok)
		}
	}
}

// A request to a throttled or failing origin is repeated, at most as often as
// the SDK does; a refused request is not.
func TestRequestIsRepeated(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		body     string
		requests int
	}{
		{"throttled", 400, `{"__type":"com.amazonaws.secretsmanager#ThrottlingException","message":"Rate exceeded"}`, 3},
		{"server error", 500, `not JSON`, 3},
		{"not found", 400, `{"__type":"ResourceNotFoundException"}`, 1},
		{"not allowed", 400, `{"__type":"AccessDeniedException","message":"no"}`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests int
			sdk := aws.Config{Region: "us-east-1", Credentials: origins(t).Credentials}
			sdk.HTTPClient = doer(func(*http.Request) (*http.Response, error) {
				requests++
				return &http.Response{StatusCode: tt.status, Body: io.NopCloser(strings.NewReader(tt.body))}, nil
			})
			sdk.Retryer = promptly
			fetch, err := Document("secretsmanager:dcr/keys", sdk)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := fetch(t.Context()); err == nil {
				t.Errorf("fetch = %q, want an error", body)
			}
			if requests != tt.requests {
				t.Errorf("%d requests, want %d", requests, tt.requests)
			}
		})
	}
}

func TestDocumentRetriesARefusedConnection(t *testing.T) {
	sdk := aws.Config{Region: "us-east-1", Credentials: origins(t).Credentials, Retryer: promptly}
	requests := 0
	sdk.HTTPClient = doer(func(*http.Request) (*http.Response, error) {
		if requests++; requests == 1 {
			return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"SecretString":"here"}`))}, nil
	})
	fetch, err := Document("secretsmanager:dcr/keys", sdk)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := fetch(t.Context()); string(body) != "here" || err != nil {
		t.Errorf("fetch = %q, %v, want here", body, err)
	}
}

func TestAddress(t *testing.T) {
	sdk := aws.Config{Region: "eu-west-1", Credentials: origins(t).Credentials, RetryMaxAttempts: 1}
	var got string
	sdk.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
		got = r.URL.String()
		return nil, errors.New("offline")
	})
	fetch, err := Document("secretsmanager:dcr/keys", sdk)
	if err != nil {
		t.Fatal(err)
	}
	fetch(t.Context())
	if want := "https://secretsmanager.eu-west-1.amazonaws.com/"; got != want {
		t.Errorf("the secret is fetched from %q, want %q", got, want)
	}
}
