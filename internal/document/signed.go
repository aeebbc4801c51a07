package document

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
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// service is one of AWS's. Requests to it are signed and repeated by what the
// SDK has for that, but made here: the clients of SSM, Secrets Manager and S3
// would take a third of the time in which the register function starts, for one
// operation each (docs/performance.md).
type service struct {
	name     string // as in the credential scope of a signature
	endpoint string // without a trailing slash
	sdk      aws.Config
	client   aws.HTTPClient
	retryer  aws.Retryer
}

// newService returns the service in the region of sdk, in the partition that
// has user pools, or at the endpoint of sdk if it has one.
func newService(name string, sdk aws.Config) service {
	s := service{name: name, endpoint: "https://" + name + "." + sdk.Region + ".amazonaws.com", sdk: sdk, client: sdk.HTTPClient}
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

// call sends an operation in AWS's JSON 1.1 protocol.
func (s service) call(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, err := s.send(ctx, http.MethodPost, s.endpoint+"/", target, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// send returns the body of the answer. It repeats a request that may succeed
// another time. target is "" if it is none of the JSON protocol.
func (s service) send(ctx context.Context, method, url, target string, body []byte) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		answer, err := s.sendOnce(ctx, method, url, target, body)
		if err == nil || attempt >= s.retryer.MaxAttempts() || !s.retryer.IsErrorRetryable(err) {
			return answer, err
		}
		delay, delayErr := s.retryer.RetryDelay(attempt, err)
		if delayErr != nil {
			return nil, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

func (s service) sendOnce(ctx context.Context, method, url, target string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if target != "" {
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", target)
	}
	if err := s.sign(ctx, r, body); err != nil {
		return nil, err
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	defer resp.Body.Close()
	// SSM and Secrets Manager wrap a document in JSON, which may double it.
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 2*MaxSize+1))
	if err != nil {
		return nil, &smithyhttp.RequestSendError{Err: err}
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: refusal(answer)}
	}
	return answer, nil
}

func (s service) sign(ctx context.Context, r *http.Request, body []byte) error {
	if s.sdk.Credentials == nil {
		return errors.New("no credentials")
	}
	cred, err := s.sdk.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", hash) // S3 wants it, the others ignore it
	// The path is escaped as S3 wants it, see objectURL; the others' is "/".
	return v4.NewSigner().SignHTTP(ctx, cred, r, hash, s.name, s.sdk.Region, time.Now(), func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true
	})
}

// refusal is what a service says in JSON or XML.
func refusal(body []byte) error {
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &e) != nil { // S3's, or not of AWS at all
		return &smithy.GenericAPIError{Code: "unknown", Message: string(body[:min(len(body), 300)])}
	}
	// The name may come with its namespace.
	code := e.Type[strings.LastIndexByte(e.Type, '#')+1:]
	return &smithy.GenericAPIError{Code: code, Message: e.Message}
}

// objectURL names the bucket in the host if a certificate of S3's covers that
// name, which none does for a bucket with a dot. An endpoint of one's own is
// rarely reached by a host per bucket.
func (s service) objectURL(bucket, key string) string {
	path := "/" + httpbinding.EscapePath(key, false)
	if s.sdk.BaseEndpoint != nil || strings.Contains(bucket, ".") {
		return s.endpoint + "/" + bucket + path
	}
	return strings.Replace(s.endpoint, "://", "://"+bucket+".", 1) + path
}
