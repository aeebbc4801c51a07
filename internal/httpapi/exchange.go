package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

// exchange is what the router knows of a request while it is being answered.
type exchange struct {
	id      string
	log     *slog.Logger
	outcome string
}

type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{id: requestID(r.Context()), log: slog.New(slog.DiscardHandler)}
}

type requestIDKey struct{}

// WithRequestID returns a context in which the router uses id as the request's
// id instead of making one, so that it is the one the platform logs.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

func requestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(string); ok {
		return id
	}
	return credential.NewID()
}

// Logger returns the logger of the request, with the request's id.
func Logger(r *http.Request) *slog.Logger {
	x := exchangeOf(r)
	return x.log.With("request_id", x.id)
}

// Audit writes the line of something that the request has changed.
func Audit(r *http.Request, a telemetry.Audit) { a.Log(r.Context(), exchangeOf(r).log) }

// recorder sees whether and how the handler has answered, and drops the body of
// an answer to HEAD, which net/http does by itself but a Lambda adapter does
// not.
type recorder struct {
	http.ResponseWriter
	head   bool
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
