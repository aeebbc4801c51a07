// Package signed is an adapter: it sends requests to AWS services. The broker
// uses only one or two operations of each. The SDK signs the requests and
// decides about retries, but this package builds them: an SDK client sets up
// all operations of its service at every start of a function, which took up to
// a third of the start (docs/performance.md). The package leaves out the
// operations' inputs and outputs.
package signed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// maxAnswer is the maximum number of bytes that are read of a response; the
// rest is cut off.
const maxAnswer = 512<<10 + 1

// Service is a service of AWS. It is safe for concurrent use.
type Service struct {
	name     string // as in the credential scope of a signature
	json     string // version of AWS's JSON protocol
	measured telemetry.Service
	endpoint string // without a trailing slash
	sdk      aws.Config
	client   aws.HTTPClient
	retryer  aws.Retryer
}

// New returns the service in the region of sdk, or at the endpoint of sdk if it
// has one. It opens no connection.
func New(name string, sdk aws.Config) Service {
	s := Service{name: name, json: "1.1", measured: telemetry.Other, endpoint: "https://" + name + "." + sdk.Region + ".amazonaws.com", sdk: sdk, client: sdk.HTTPClient}
	if name == "dynamodb" {
		s.json, s.measured = "1.0", telemetry.DynamoDB
	}
	if sdk.BaseEndpoint != nil {
		s.endpoint = strings.TrimSuffix(*sdk.BaseEndpoint, "/")
	}
	if s.client == nil {
		s.client = awshttp.NewBuildableClient()
	}
	if sdk.Retryer != nil {
		s.retryer = sdk.Retryer()
	} else {
		s.retryer = retry.NewStandard()
	}
	if sdk.RetryMaxAttempts > 0 {
		s.retryer = retry.AddWithMaxAttempts(s.retryer, sdk.RetryMaxAttempts)
	}
	return s
}

// Endpoint returns the origin of the service.
func (s Service) Endpoint() string { return s.endpoint }

// Call sends an operation in AWS's JSON protocol.
func (s Service) Call(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	a, err := s.send(ctx, message{
		Method: http.MethodPost, URL: s.endpoint + "/", Body: body,
		Header: http.Header{"Content-Type": {"application/x-amz-json-" + s.json}, "X-Amz-Target": {target}},
	})
	if err != nil {
		return err
	}
	return json.Unmarshal(a.Body, out)
}

// message is a request that may be sent several times.
type message struct {
	Method string
	// URL is below Endpoint. Its path is escaped with httpbinding.EscapePath.
	URL    string
	Header http.Header // may be nil
	Body   []byte
}

// reply is a response with status 200.
type reply struct {
	Header http.Header
	Body   []byte
}

// send sends the request and returns the response. Like the SDK, it repeats a
// request that may succeed another time. A smithy.APIError means that the
// service refused the request. After any other error it is unknown whether the
// request had an effect.
func (s Service) send(ctx context.Context, r message) (reply, error) {
	for attempt := 1; ; attempt++ {
		a, err := s.sendOnce(ctx, r)
		if err == nil || attempt >= s.retryer.MaxAttempts() || !s.retryer.IsErrorRetryable(err) {
			return a, err
		}
		delay, delayErr := s.retryer.RetryDelay(attempt, err)
		if delayErr != nil || broker.Pause(ctx, delay) != nil {
			return reply{}, err
		}
	}
}

// traceKey is the context key under which aws-lambda-go stores the trace header
// of the invocation.
const traceKey = "x-amzn-trace-id"

func (s Service) sendOnce(ctx context.Context, in message) (reply, error) {
	start := time.Now()
	defer func() { telemetry.Called(ctx, s.measured, time.Since(start), false) }()
	r, err := http.NewRequestWithContext(ctx, in.Method, in.URL, bytes.NewReader(in.Body))
	if err != nil {
		return reply{}, err
	}
	for name, values := range in.Header {
		r.Header[name] = values
	}
	// The SDK's clients set this header too: an invoked function then belongs
	// to the trace of the invoking one.
	if trace, ok := ctx.Value(traceKey).(string); ok && trace != "" {
		r.Header.Set("X-Amzn-Trace-Id", trace)
	}
	if err := s.sign(ctx, r, in.Body); err != nil {
		return reply{}, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return reply{}, &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return reply{}, &smithyhttp.RequestSendError{Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return reply{}, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: refusal(resp.Header, body)}
	}
	return reply{resp.Header, body}, nil
}

func (s Service) sign(ctx context.Context, r *http.Request, body []byte) error {
	if s.sdk.Credentials == nil {
		return errors.New("no credentials")
	}
	cred, err := s.sdk.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	return v4.NewSigner().SignHTTP(ctx, cred, r, hash, s.name, s.sdk.Region, time.Now())
}

// refusal returns the error in a response: in JSON, with the code in the body
// or a header, or as text.
func refusal(h http.Header, body []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message, which encoding/json also matches
	}
	if json.Unmarshal(body, &e) != nil { // the response of a proxy
		e.Message = string(body[:min(len(body), 300)])
	}
	if e.Type == "" {
		e.Type = h.Get("X-Amzn-Errortype")
	}
	// The name may come with its namespace, or with a URL.
	code := e.Type[strings.LastIndexByte(e.Type, '#')+1:]
	code, _, _ = strings.Cut(code, ":")
	if code == "" {
		code = "unknown"
	}
	return &smithy.GenericAPIError{Code: code, Message: e.Message}
}
