// Package lambdahttp is an adapter: it serves an http.Handler on AWS Lambda
// behind an API Gateway HTTP API (payload format 2.0). The handler sees the
// same requests and gives the same responses as with net/http.
//
// aws-lambda-go-api-proxy does the conversion. This package adds: it escapes
// the path that API Gateway delivers decoded, restores headers that the proxy
// splits at commas, ignores header changes after WriteHeader, drops the body of
// a response to HEAD, and responds if a handler panics or writes nothing. An
// invocation never fails because of a request or a handler.
//
// Differences from net/http remain: several lines of one header arrive joined
// by a comma, "%2F" in a path becomes "/", responses are not streamed, there
// are no trailers, and after a panic the client gets a 500, where net/http
// closes the connection. Stage names in paths and payload format 1.0 are left
// out.
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

// grace is the time between the end of a request's context and the end of the
// process by Lambda, in which a handler can still respond. API Gateway's own
// response to a timeout is not OAuth JSON.
const grace = 250 * time.Millisecond

// Func is a Lambda function for events of an HTTP API. It is safe for concurrent
// use.
type Func func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error)

// New returns a Func that serves events with h. Its error is always nil. The
// request's context ends shortly before the function's timeout.
func New(h http.Handler) Func {
	proxy := httpadapter.NewV2(withEvent(h))
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
		if err := prepare(&e); err != nil {
			return refuse(ctx, id, err), nil
		}
		res, err := proxy.ProxyWithContext(context.WithValue(ctx, invocationKey{}, inv), e)
		if err != nil {
			return refuse(ctx, id, err), nil
		}
		return res, nil
	}
}

// requestID returns the request id that API Gateway logs, or Lambda's own if
// there is none.
func requestID(ctx context.Context, e *events.APIGatewayV2HTTPRequest) string {
	if e.RequestContext.RequestID != "" {
		return e.RequestContext.RequestID
	}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// prepare changes the parts of an event that the proxy cannot process: on such
// an event it writes its own lines to the log. restore puts the original values
// into the request. prepare returns an error if the event is not an HTTP
// request.
func prepare(e *events.APIGatewayV2HTTPRequest) error {
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

// escapedPath escapes the path, which API Gateway has decoded. The proxy parses
// it again: it would fail on "/%zz", read the text after "?" as the query, and
// cut the path off at "#".
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

// invocation has the event as it was before prepare changed it.
type invocation struct {
	event events.APIGatewayV2HTTPRequest
	id    string
}

type invocationKey struct{}

// withEvent runs h with the request of the original event, and sends the
// response that net/http would send.
func withEvent(h http.Handler) http.Handler {
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

// serve returns an error if h panics. Then no part of the response has been
// sent.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request, id string) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler: // intended by the handler, not logged
			err = http.ErrAbortHandler
		default:
			err = fmt.Errorf("handler panicked: %v", v)
			slog.ErrorContext(r.Context(), "handler panicked", "request_id", id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// refuse responds to an event that is not an HTTP request, for example an event
// whose body is not valid base64.
func refuse(ctx context.Context, id string, cause error) events.APIGatewayV2HTTPResponse {
	slog.WarnContext(ctx, "event is not an HTTP request", "request_id", id, "error", cause)
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
