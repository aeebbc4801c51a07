package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/dcr-broker/dcr-broker/internal/adapter/lambdahttp"
)

// request is a request that is sent repeatedly to a deployment of its own.
type request struct {
	name   string
	event  string // of events/
	status int    // expected
	// deploy returns the handler, and the values that replace the event's
	// placeholders. root is the directory of the module.
	deploy func(root string) (*deployment, error)
	// fresh is the number of requests after which a new deployment is needed,
	// because the old one rejects more; 0 means never.
	fresh int

	// The limits; 0 means none. Requests that include work of the AWS SDK or
	// net/http have no limit, because that is not the broker's own time.
	under     time.Duration // by the median
	maxAllocs int64
}

// way returns a sender of a request to a deployment.
type way func(*deployment, events.APIGatewayV2HTTPRequest) (sender, error)

// ways are by the last part of the benchmark's name: called as net/http calls
// the handler, or with an event's JSON in and an answer's JSON out, as Lambda
// does.
var ways = map[string]way{"handler": overHTTP, "event": overLambda}

// sender sends a request once, and returns the status of the answer.
type sender func() (status int, err error)

// open returns a sender of the request, which uses the sets of examples in
// turn.
func (req request) open(root string, open way) (sender, *clock, error) {
	d, err := req.deploy(root)
	if err != nil {
		return nil, nil, err
	}
	var senders []sender
	for _, examples := range d.examples {
		e, err := readEvent(root, req.event, examples)
		if err != nil {
			return nil, nil, err
		}
		send, err := open(d, e)
		if err != nil {
			return nil, nil, err
		}
		senders = append(senders, send)
	}
	next := 0
	return func() (int, error) {
		send := senders[next%len(senders)]
		next++
		return send()
	}, d.clock, nil
}

// overHTTP calls the handler as net/http does, with an http.ResponseWriter that
// discards the body.
func overHTTP(b *deployment, e events.APIGatewayV2HTTPRequest) (sender, error) {
	template, body, err := httpRequest(e)
	if err != nil {
		return nil, err
	}
	return func() (int, error) {
		r := *template
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		w := &discard{header: make(http.Header)}
		b.handler.ServeHTTP(w, &r)
		return w.status, nil
	}, nil
}

// httpRequest returns the event's request, and separately its body.
func httpRequest(e events.APIGatewayV2HTTPRequest) (*http.Request, []byte, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, nil, err
		}
	}
	r, err := http.NewRequest(e.RequestContext.HTTP.Method, (&url.URL{Path: e.RawPath, RawQuery: e.RawQueryString}).String(), nil)
	if err != nil {
		return nil, nil, err
	}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return r, body, nil
}

// discard is an http.ResponseWriter that stores only header and status.
type discard struct {
	header http.Header
	status int
}

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(status int)      { w.status = status }
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }

// overLambda calls the handler as aws-lambda-go does between two calls of the
// runtime API.
func overLambda(b *deployment, e events.APIGatewayV2HTTPRequest) (sender, error) {
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	// The wrapper reads the status, so that the answer need not be parsed.
	status := 0
	call := lambdahttp.New(b.handler)
	handler := lambda.NewHandler(func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		res, err := call(ctx, e)
		status = res.StatusCode
		return res, err
	})
	return func() (int, error) {
		_, err := handler.Invoke(context.Background(), payload)
		return status, err
	}, nil
}

// readEvent reads an event, and replaces its placeholders with real values.
// None of the values needs escaping.
func readEvent(root, name string, examples map[string]string) (events.APIGatewayV2HTTPRequest, error) {
	var e events.APIGatewayV2HTTPRequest
	path := filepath.Join(root, "events", name+".json")
	b, err := os.ReadFile(path)
	if err != nil {
		return e, err
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("%s: %w", path, err)
	}
	body := e.Body
	if e.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return e, fmt.Errorf("%s: %w", path, err)
		}
		body = string(decoded)
	}
	var pairs []string
	for example, real := range examples {
		pairs = append(pairs, example, real)
	}
	real := strings.NewReplacer(pairs...)
	body = real.Replace(body)
	e.RawQueryString = real.Replace(e.RawQueryString)
	for _, values := range []map[string]string{e.Headers, e.QueryStringParameters} {
		for name, value := range values {
			values[name] = real.Replace(value)
		}
	}
	for i, cookie := range e.Cookies {
		e.Cookies[i] = real.Replace(cookie)
	}
	if body != "" {
		e.Headers["content-length"] = fmt.Sprint(len(body))
	}
	if e.IsBase64Encoded {
		body = base64.StdEncoding.EncodeToString([]byte(body))
	}
	e.Body = body
	return e, nil
}
