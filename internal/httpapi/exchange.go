package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// exchange is the state of one request and its response.
type exchange struct {
	id      string
	log     *slog.Logger
	outcome string // the error code of the response; "" is success
}

type exchangeKey struct{}

// exchangeOf returns the exchange that the router made for the request. Without
// a router, it returns one that logs nothing.
func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{id: requestID(r.Context()), log: slog.New(slog.DiscardHandler)}
}

type requestIDKey struct{}

// WithRequestID returns a context in which the router uses id as the request's
// id and does not make one. Lambda's own log lines then have the same id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		return id
	}
	return credential.NewID()
}

// Logger returns a logger whose lines have the request's id.
func Logger(r *http.Request) *slog.Logger {
	x := exchangeOf(r)
	return x.log.With("request_id", x.id)
}

// RequestID returns the id of the request, which error pages show.
func RequestID(r *http.Request) string { return exchangeOf(r).id }
