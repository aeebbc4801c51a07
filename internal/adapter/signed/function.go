package signed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// request and answer are the JSON that is sent and received.
type request struct {
	Key string `json:"key"`
}

type answer struct {
	// Status is ready, not_found or unavailable.
	Status            string `json:"status"`
	Description       string `json:"description,omitempty"`
	RetryAfterSeconds int    `json:"retry_after_seconds,omitempty"`
	// AppClientLimit and BrandingLimit are whether the error is ErrAppClientLimit or
	// ErrBrandingLimit of package broker.
	AppClientLimit bool `json:"app_client_limit,omitempty"`
	BrandingLimit  bool `json:"branding_limit,omitempty"`
}

// Handler returns the work of the private function for p. Its error is a fault
// of the broker; the caller learns nothing about it.
func Handler(p broker.Provisioner) func(context.Context, request) (answer, error) {
	return func(ctx context.Context, in request) (answer, error) {
		err := p.Provision(ctx, in.Key)
		if err == nil {
			return answer{Status: "ready"}, nil
		}
		if errors.Is(err, broker.ErrNotFound) {
			return answer{Status: "not_found"}, nil
		}
		e, ok := errors.AsType[*dcr.Error](err)
		if !ok || e.Code != dcr.Unavailable {
			return answer{}, err
		}
		return answer{
			Status:            "unavailable",
			Description:       e.Description,
			RetryAfterSeconds: int((e.RetryAfter + time.Second - 1) / time.Second),
			AppClientLimit:    errors.Is(err, broker.ErrAppClientLimit),
			BrandingLimit:     errors.Is(err, broker.ErrBrandingLimit),
		}, nil
	}
}

// Function is a broker.Provisioner that invokes the private function and waits
// for it. It is safe for concurrent use.
type Function struct {
	lambda Service
	name   string
}

var _ broker.Provisioner = (*Function)(nil)

// NewFunction returns the Provisioner behind the function with this name or
// ARN.
func NewFunction(sdk aws.Config, name string) *Function {
	return &Function{lambda: New("lambda", sdk), name: name}
}

// Provision implements broker.Provisioner. It repeats a failed invocation: if
// the function is invoked twice, it still makes only one app client.
func (f *Function) Provision(ctx context.Context, key string) error {
	payload, err := json.Marshal(request{Key: key})
	if err != nil {
		return err
	}
	out, err := f.lambda.send(ctx, message{
		Method: http.MethodPost,
		URL:    f.lambda.Endpoint() + "/2015-03-31/functions/" + httpbinding.EscapePath(f.name, true) + "/invocations",
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   payload,
	})
	if err != nil {
		return unavailable(fmt.Errorf("invoke %s: %w", f.name, err))
	}
	if failed := out.Header.Get("X-Amz-Function-Error"); failed != "" {
		return unavailable(fmt.Errorf("function %s: %s: %.500s", f.name, failed, out.Body))
	}
	var a answer
	if err := json.Unmarshal(out.Body, &a); err != nil {
		return unavailable(fmt.Errorf("function %s: %w", f.name, err))
	}
	return a.err()
}

func (a answer) err() error {
	switch a.Status {
	case "ready":
		return nil
	case "not_found":
		return broker.ErrNotFound
	case "unavailable":
		e := dcr.Errorf(dcr.Unavailable, "%s", a.Description)
		e.RetryAfter = time.Duration(a.RetryAfterSeconds) * time.Second
		switch {
		case a.BrandingLimit:
			return errors.Join(e, broker.ErrBrandingLimit)
		case a.AppClientLimit:
			return errors.Join(e, broker.ErrAppClientLimit)
		}
		return e
	}
	return unavailable(fmt.Errorf("unknown status %.40q", a.Status))
}

// unavailable returns an error with which the client may try again, and the
// cause for the log. The function may have done its work; the next try finds
// out.
func unavailable(cause error) error {
	e := dcr.Errorf(dcr.Unavailable, "the app client could not be prepared")
	e.RetryAfter = 5 * time.Second
	return errors.Join(e, cause)
}
