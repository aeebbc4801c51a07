package signed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

var testCredentials = aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}

func config(client aws.HTTPClient) aws.Config {
	return aws.Config{
		Region: "us-east-1", HTTPClient: client, Retryer: promptly,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return testCredentials, nil }),
	}
}

// promptly returns the SDK's own retryer, but without pauses.
func promptly() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// Services sign the path escaped twice. The difference shows with characters
// that need escaping, as in the ARN of a function.
func TestPathsAreSignedLikeTheService(t *testing.T) {
	const path = "/functions/arn%3Aaws%3Alambda/invocations"
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.RequestURI != path || string(body) != "{}" || err != nil {
			t.Errorf("%s arrived with %q, %v, want %s with {}", r.RequestURI, body, err, path)
		}
		at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := http.NewRequest(r.Method, "http://"+r.Host, nil)
		if err != nil {
			t.Fatal(err)
		}
		again.URL.Opaque = "//" + r.Host + "/functions/arn%253Aaws%253Alambda/invocations" // signed unchanged
		again.ContentLength = r.ContentLength
		if err := v4.NewSigner().SignHTTP(t.Context(), testCredentials, again, fmt.Sprintf("%x", sha256.Sum256(body)), "lambda", "us-east-1", at, func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }); err != nil {
			t.Fatal(err)
		}
		if got, want := r.Header.Get("Authorization"), again.Header.Get("Authorization"); got != want {
			t.Errorf("signature %q, want %q", got, want)
		}
	}))
	defer srv.Close()
	sdk := config(nil)
	sdk.BaseEndpoint = &srv.URL
	s := New("lambda", sdk)
	if _, err := s.send(t.Context(), message{Method: http.MethodPost, URL: s.Endpoint() + path, Body: []byte("{}")}); err != nil {
		t.Error(err)
	}
}

// A request that may succeed another time is repeated, at most as often as the
// SDK does.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name     string
		status   int
		header   string // X-Amzn-Errortype
		body     string
		code     string
		requests int
	}{
		{"named in JSON", 400, "", `{"__type":"com.amazonaws.lambda#ThrottlingException","message":"said"}`, "ThrottlingException", 3},
		{"named in the header", 429, "TooManyRequestsException", `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Message":"said"}`, "TooManyRequestsException", 3},
		{"with a URL", 404, "ResourceNotFoundException:http://internal.amazon.com/", `{"Type":"User","Message":"said"}`, "ResourceNotFoundException", 1},
		{"server error", 500, "", "said", "unknown", 3},
		{"from a proxy", 403, "", "said", "unknown", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			requests := 0
			s := New("lambda", config(doer(func(r *http.Request) (*http.Response, error) {
				requests++
				if body, err := io.ReadAll(r.Body); string(body) != "in" || err != nil {
					t.Errorf("request %d has the body %q, %v, want in", requests, body, err)
				}
				h := make(http.Header)
				h.Set("X-Amzn-Errortype", tt.header)
				return &http.Response{StatusCode: tt.status, Header: h, Body: io.NopCloser(strings.NewReader(tt.body))}, nil
			})))
			_, err := s.send(t.Context(), message{Method: http.MethodPost, URL: s.Endpoint(), Body: []byte("in")})
			e, ok := errors.AsType[smithy.APIError](err)
			if !ok || e.ErrorCode() != tt.code || e.ErrorMessage() != "said" {
				t.Errorf("Send = %v, want %s: said", err, tt.code)
			}
			if requests != tt.requests {
				t.Errorf("%d requests, want %d", requests, tt.requests)
			}
		})
	}
}

func TestNoRetryAfterTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	requests := 0
	sdk := config(doer(func(*http.Request) (*http.Response, error) {
		requests++
		cancel()
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}))
	sdk.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Hour, nil })
		})
	}
	s := New("lambda", sdk)
	if a, err := s.send(ctx, message{Method: http.MethodGet, URL: s.Endpoint()}); err == nil || requests != 1 {
		t.Errorf("Send = %v, %v after %d requests, want an error after one", a, err, requests)
	}
}
