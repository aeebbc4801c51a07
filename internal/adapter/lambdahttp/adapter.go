// Package lambdahttp serves an http.Handler under AWS Lambda behind an API
// Gateway HTTP API (payload format 2.0), so that a handler sees the requests
// and gives the answers that it would under net/http.
//
// aws-lambda-go-api-proxy does the conversion. Around it, this package escapes
// the path that API Gateway delivers decoded, restores headers that the proxy
// splits at commas, fixes an answer's headers at WriteHeader, drops the body of
// an answer to HEAD, and answers when a handler panics or writes nothing. An
// invocation never fails because of what a client sent or a handler did.
//
// Differences from net/http remain: lines of one header arrive joined by a
// comma, "%2F" in a path cannot be told from "/", nothing is streamed, there are
// no trailers, and a handler that panics is answered with a 500, where net/http
// drops the connection. Stage names in paths and payload format 1.0 are not
// supported.
package lambdahttp

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/dcr-broker/dcr-broker/internal/httpapi"
)

// grace is how long before Lambda ends the process a request's context ends, so
// that a handler which heeds it can still answer. API Gateway's own answer to a
// time-out is not OAuth JSON.
const grace = 250 * time.Millisecond

// Func is a Lambda function for events of an HTTP API. It is safe for concurrent
// use.
type Func func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// New returns a Func that has h answer. Its error is always nil. The request's
// context ends shortly before the function's time-out.
func New(h http.Handler) Func {
	proxy := httpadapter.NewV2(restored(h))
	return func(ctx context.Context, e events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		id := requestID(ctx, &e)
		if id != "" {
			ctx = httpapi.WithRequestID(ctx, id)
		}
		if end, ok := ctx.Deadline(); ok {
			left := time.Until(end)
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, left-min(grace, left/4))
			defer cancel()
		}
		inv := &invocation{event: e, id: id}
		if err := tame(&e); err != nil {
			return refuse(ctx, id, err), nil
		}
		res, err := proxy.ProxyWithContext(context.WithValue(ctx, invocationKey{}, inv), e)
		if err != nil {
			return refuse(ctx, id, err), nil
		}
		return res, nil
	}
}

// requestID is the one that API Gateway logs. Lambda's own is the substitute.
func requestID(ctx context.Context, e *events.APIGatewayV2HTTPRequest) string {
	if e.RequestContext.RequestID != "" {
		return e.RequestContext.RequestID
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// tame leaves the proxy nothing to stumble over, since it writes lines of its own
// to the log when it does. restore and the handler deal with the rest. The error
// says that the event is no HTTP request.
func tame(e *events.APIGatewayV2HTTPRequest) error {
	if e.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			return err
		}
		e.Body, e.IsBase64Encoded = string(body), false
	}
	e.RawPath = escapedPath(e)
	if e.RawQueryString != "" {
		e.RawQueryString, e.QueryStringParameters = "", nil
	}
	e.RequestContext.HTTP.Method = http.MethodPost
	e.RequestContext.DomainName = ""
	return nil
}

// escapedPath undoes that API Gateway decodes the path: the proxy parses it
// again, and would fail at "/%zz", take what follows "?" for the query and cut
// the path off at "#".
func escapedPath(e *events.APIGatewayV2HTTPRequest) string {
	p := e.RawPath
	if p == "" {
		p = e.RequestContext.HTTP.Path
	}
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return (&url.URL{Path: p}).EscapedPath()
}

// invocation is what the event says, before it was changed for the proxy's sake.
type invocation struct {
	event events.APIGatewayV2HTTPRequest
	id    string
}

type invocationKey struct{}

// restored runs h on what the event says, and hands on what net/http would send.
func restored(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inv := r.Context().Value(invocationKey{}).(*invocation)
		restore(r, &inv.event)
		res := newResponse(r.Method == http.MethodHead)
		if err := serve(h, res, r, inv.id); err != nil {
			res = newResponse(r.Method == http.MethodHead)
			httpapi.WriteError(res, r, err)
		}
		res.send(w)
	})
}

// serve returns an error if h panics. Nothing of the answer has been sent then,
// whatever h wrote.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request, id string) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler: // meant, and not worth a log line
			err = http.ErrAbortHandler
		default:
			err = fmt.Errorf("handler panicked: %v", v)
			slog.ErrorContext(r.Context(), "handler panicked", "request_id", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// refuse answers an event that is no HTTP request, such as one whose body is not
// the base64 that it claims to be.
func refuse(ctx context.Context, id string, cause error) events.APIGatewayV2HTTPResponse {
	slog.WarnContext(ctx, "event is no HTTP request", "request_id", id, "error", cause)
	r := (&http.Request{}).WithContext(ctx)
	w := core.NewProxyResponseWriterV2()
	httpapi.WriteError(w, r, &httpapi.Error{
		Status:      http.StatusBadRequest,
		Code:        "invalid_request",
		Description: "the request could not be read",
		Cause:       cause,
	})
	res, err := w.GetProxyResponse()
	if err != nil { // a status was written
		panic(err)
	}
	return res
}
