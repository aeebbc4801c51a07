package lambdaruntime

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Request returns the request for which API Gateway creates the event, with the
// origin of another server. It fails for an event that no request can cause.
func Request(ctx context.Context, origin string, e events.APIGatewayV2HTTPRequest) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("lambdaruntime: body: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, e.RequestContext.HTTP.Method, origin, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("lambdaruntime: %w", err)
	}
	r.URL.Path, r.URL.RawQuery = e.RawPath, e.RawQueryString
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("Content-Length") // net/http sets it
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	r.Host = r.Header.Get("Host")
	return r, nil
}

// Answer is the response that a client of API Gateway gets.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// ParseAnswer decodes the result of a function as API Gateway does, including
// base64 of the body.
func ParseAnswer(payload []byte) (*Answer, error) {
	var res events.APIGatewayV2HTTPResponse
	if err := json.Unmarshal(payload, &res); err != nil {
		return nil, fmt.Errorf("lambdaruntime: answer: %w", err)
	}
	a := &Answer{res.StatusCode, make(http.Header), []byte(res.Body)}
	if res.IsBase64Encoded {
		var err error
		if a.Body, err = base64.StdEncoding.DecodeString(res.Body); err != nil {
			return nil, fmt.Errorf("lambdaruntime: answer: body: %w", err)
		}
	}
	for name, value := range res.Headers {
		a.Header.Set(name, value)
	}
	for _, c := range res.Cookies {
		a.Header.Add("Set-Cookie", c)
	}
	return a, nil
}
