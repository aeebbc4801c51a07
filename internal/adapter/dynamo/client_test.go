package dynamo_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
)

// newClient returns a client that sends its requests through a transport. It
// retries like the SDK's standard retryer, but without pauses.
func newClient(endpoint string, transport http.RoundTripper) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint,
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		HTTPClient:   &http.Client{Transport: transport},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.RateLimiter = ratelimit.None
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		}),
	})
}

// newTable makes an empty table and returns its name.
func newTable(t *testing.T, endpoint string) string {
	t.Helper()
	table := "dcr-" + credential.NewID()
	client := newClient(endpoint, http.DefaultTransport)
	if err := dynamo.CreateTable(t.Context(), client, table); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table})
		// After a lost reply the repeated deletion finds no table.
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			t.Errorf("delete table: %v", err)
		}
	})
	return table
}

// openWith returns an open function for the contract suite. Its stores share a
// table and send their requests through a transport made by wrap.
func openWith(t *testing.T, wrap func(post post) post) func(*testing.T, func() time.Time) broker.Store {
	e := dynamodbtest.Endpoint(t)
	table := newTable(t, e)
	return func(_ *testing.T, now func() time.Time) broker.Store {
		return dynamo.New(newClient(e, transport(wrap(send))), table, now)
	}
}

// A post sends a request once and returns the whole reply. It may be called
// several times with the same request.
type post func(r *http.Request, body []byte) (*http.Response, error)

// once sends each request once.
func once(p post) post { return p }

// twice sends each request that may write twice and returns the second reply.
func twice(p post) post {
	return func(r *http.Request, body []byte) (*http.Response, error) {
		if !readOnly(r) {
			if _, err := p(r, body); err != nil {
				return nil, err
			}
		}
		return p(r, body)
	}
}

// firstReplyLost breaks the connection before the reply, unless the request is
// the SDK's second attempt. A request that may write reaches the server before.
func firstReplyLost(p post) post {
	return func(r *http.Request, body []byte) (*http.Response, error) {
		switch attempt(r) {
		case "":
			return nil, errors.New("the request does not say which attempt it is")
		case "1":
			if !readOnly(r) {
				if _, err := p(r, body); err != nil {
					return nil, err
				}
			}
			return nil, errReset
		}
		return p(r, body)
	}
}

// readOnly reports whether a request changes nothing. twice sends such a
// request once: the store sees no difference, and most requests of the suites
// are reads.
func readOnly(r *http.Request) bool {
	return slices.Contains([]string{"GetItem", "Query", "Scan", "DescribeTable"}, operation(r))
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// attempt returns the number of the SDK's attempt that a request is.
func attempt(r *http.Request) string {
	for field := range strings.SplitSeq(r.Header.Get("Amz-Sdk-Request"), ";") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(field), "attempt="); ok {
			return n
		}
	}
	return ""
}

// oneAtATime replaces a promise of DynamoDB that moto does not keep: no other
// request writes an item between the condition and the write. Requests of
// concurrent calls still come in any order.
var oneAtATime sync.Mutex

// send is the post that goes to the server.
func send(r *http.Request, body []byte) (*http.Response, error) {
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(reply))
	return res, nil
}

// transport returns p as an http.RoundTripper.
func transport(p post) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if err := r.Body.Close(); err != nil {
			return nil, err
		}
		return p(r, body)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// operation returns the DynamoDB operation of a request, as in "PutItem".
func operation(r *http.Request) string {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return name
}

var _ dynamo.Client = (*dynamodb.Client)(nil)
