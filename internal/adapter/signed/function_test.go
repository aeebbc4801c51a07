package signed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

type provisioner func(key string) error

func (p provisioner) Provision(_ context.Context, key string) error { return p(key) }

// function returns a Provisioner that invokes p as AWS Lambda does: over HTTP,
// with errors in Lambda's format.
func function(t *testing.T, p broker.Provisioner) *Function {
	t.Helper()
	handle := Handler(p)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/2015-03-31/functions/dcr-provision/invocations" {
			http.NotFound(w, r)
			return
		}
		var in request
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Errorf("payload: %v", err)
		}
		out, err := handle(r.Context(), in)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			io.WriteString(w, `{"errorMessage":"secret cause"}`)
			return
		}
		json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(srv.Close)
	return NewFunction(sdk(srv.URL), "dcr-provision")
}

func sdk(url string) aws.Config {
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}
}

// The caller gets an error of the Provisioner as if it ran in the same process.
func TestProvisionReturnsTheErrorOfTheFunction(t *testing.T) {
	busy := &dcr.Error{Code: dcr.Unavailable, Description: "too many at the moment", RetryAfter: 1500 * time.Millisecond}
	for _, tt := range []struct {
		name     string
		err      error
		retry    time.Duration // 0 means no *dcr.Error
		notFound bool
		full     bool
		branding bool
	}{
		{"ready", nil, 0, false, false, false},
		{"nothing to make", fmt.Errorf("client x: %w", broker.ErrNotFound), 0, true, false, false},
		{"busy", &broker.NotAppliedError{Err: busy}, 2 * time.Second, false, false, false},
		{"pool full", &broker.NotAppliedError{Err: errors.Join(busy, broker.ErrAppClientLimit)}, 2 * time.Second, false, true, false},
		{"branding styles used up", errors.Join(busy, broker.ErrBrandingLimit), 2 * time.Second, false, false, true},
		{"a fault of the broker", errors.New("secret cause"), 5 * time.Second, false, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := ""
			f := function(t, provisioner(func(key string) error {
				asked = key
				return tt.err
			}))
			err := f.Provision(t.Context(), "profile/open")
			if asked != "profile/open" {
				t.Errorf("got key %q, want profile/open", asked)
			}
			if (err == nil) != (tt.err == nil) {
				t.Fatalf("Provision = %v, want %v", err, tt.err)
			}
			e, told := errors.AsType[*dcr.Error](err)
			if told != (tt.retry > 0) || told && (e.RetryAfter != tt.retry || e.Code != dcr.Unavailable) {
				t.Errorf("got %v, want Unavailable after %s", e, tt.retry)
			}
			if told && strings.Contains(e.Description, "secret") {
				t.Errorf("the client would see %q", e.Description)
			}
			if errors.Is(err, broker.ErrNotFound) != tt.notFound || errors.Is(err, broker.ErrAppClientLimit) != tt.full || errors.Is(err, broker.ErrBrandingLimit) != tt.branding {
				t.Errorf("Provision = %v, want not found %t, pool full %t, branding limit %t", err, tt.notFound, tt.full, tt.branding)
			}
		})
	}
}

func TestAMissingFunctionIsUnavailable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	for _, what := range []string{"no such function", "no connection"} {
		err := NewFunction(sdk(url), "dcr-provision").Provision(t.Context(), "profile/open")
		if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable {
			t.Errorf("%s: %v, want Unavailable", what, err)
		}
		srv.Close()
	}
}

// An operator may name the function by its ARN, whose colons Lambda takes
// escaped.
func TestAFunctionNamedByItsARN(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const want = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A111122223333%3Afunction%3Adcr-provision/invocations"
		if r.Method != http.MethodPost || r.RequestURI != want {
			t.Errorf("%s %s, want POST %s", r.Method, r.RequestURI, want)
		}
		io.WriteString(w, `{"status":"ready"}`)
	}))
	t.Cleanup(srv.Close)
	if err := NewFunction(sdk(srv.URL), "arn:aws:lambda:us-east-1:111122223333:function:dcr-provision").Provision(t.Context(), "profile/open"); err != nil {
		t.Error(err)
	}
}
