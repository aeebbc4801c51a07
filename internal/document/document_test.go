package document

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// origins answers as SSM, Secrets Manager and S3 do on the wire.
func origins(t *testing.T) aws.Config {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
			t.Errorf("%s %s is not signed", r.Method, r.URL)
		}
		var in map[string]any
		json.NewDecoder(r.Body).Decode(&in)
		switch target := r.Header.Get("X-Amz-Target"); {
		case target == "AmazonSSM.GetParameter" && in["Name"] == "/dcr/policy" && in["WithDecryption"] == true:
			io.WriteString(w, `{"Parameter":{"Value":"from ssm"}}`)
		case target == "secretsmanager.GetSecretValue" && in["SecretId"] == "dcr/policy":
			io.WriteString(w, `{"SecretString":"from secretsmanager"}`)
		case r.Method == "GET" && r.URL.Path == "/bucket/dir/policy.json":
			io.WriteString(w, "from s3")
		case r.Method == "GET" && r.URL.Path == "/bucket/huge":
			io.WriteString(w, strings.Repeat("x", MaxSize+1))
		default:
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"ParameterNotFound"}`)
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

func TestAt(t *testing.T) {
	sdk := origins(t)
	file := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(file, []byte("from file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reference string
		want      string // "" if it cannot be had
	}{
		{"ssm:/dcr/policy", "from ssm"},
		{"ssm:/dcr/other", ""},
		{"secretsmanager:dcr/policy", "from secretsmanager"},
		{"secretsmanager:dcr/other", ""},
		{"s3://bucket/dir/policy.json", "from s3"},
		{"s3://bucket/other", ""},
		{"s3://bucket/huge", ""},
		{file, "from file"},
		{file + ".none", ""},
	} {
		t.Run(tt.reference, func(t *testing.T) {
			fetch, err := At(tt.reference, sdk)
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

func TestAtChecksTheReference(t *testing.T) {
	for reference, ok := range map[string]bool{
		"ssm:/dcr/policy": true, "ssm:": false,
		"secretsmanager:x": true, "secretsmanager:": false,
		"s3://bucket/key": true, "s3://bucket": false, "s3://bucket/": false, "s3:///key": false,
		"policy.json": true,
	} {
		if _, err := At(reference, aws.Config{}); (err == nil) != ok {
			t.Errorf("At(%q) = %v, want ok %t", reference, err, ok)
		}
	}
}
