package lambdaruntime

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
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

// Event returns the event that API Gateway creates for a request (payload format
// 2.0). id is the id of the request.
func Event(r *http.Request, routeKey, id string) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return e, fmt.Errorf("lambdaruntime: body: %w", err)
		}
	}
	e.Version, e.RouteKey, e.RawPath, e.RawQueryString = "2.0", routeKey, r.URL.Path, r.URL.RawQuery
	e.Headers = map[string]string{"host": cmp.Or(r.Host, r.URL.Host)}
	for name, values := range r.Header {
		if name == "Cookie" {
			e.Cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
	}
	if query := r.URL.Query(); len(query) > 0 {
		e.QueryStringParameters = make(map[string]string)
		for name, values := range query {
			e.QueryStringParameters[name] = strings.Join(values, ",")
		}
	}
	if len(body) > 0 {
		e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	e.RequestContext.RouteKey, e.RequestContext.Stage, e.RequestContext.DomainName = routeKey, "$default", e.Headers["host"]
	e.RequestContext.RequestID = id
	e.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{
		Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: "203.0.113.7", UserAgent: r.UserAgent(),
	}
	return e, nil
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
