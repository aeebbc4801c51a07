package wire

import (
	"context"
	"net/http"
	"sync"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// pin has the configuration of one request. It is nil until the request asks for
// it the first time.
type pin struct {
	mu   sync.Mutex
	conf *configuration.Configuration
}

type pinKey struct{}

// Pin returns a context for one request, or one run of the janitor. A source that
// Pinned returned has the same configuration for all calls in this context, even
// if another one comes into force meanwhile. A call in a context of broker.Newest
// gets the newest configuration, and all later calls get that one too.
func Pin(ctx context.Context) context.Context {
	return context.WithValue(ctx, pinKey{}, new(pin))
}

// PinEach returns h with a pinned context for each request.
func PinEach(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(Pin(r.Context())))
	})
}

// Pinned returns get with the effect that Pin describes. An error is not pinned.
func Pinned(get func(context.Context) (*configuration.Configuration, error)) func(context.Context) (*configuration.Configuration, error) {
	return func(ctx context.Context) (*configuration.Configuration, error) {
		p, ok := ctx.Value(pinKey{}).(*pin)
		if !ok {
			return get(ctx)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.conf != nil && !broker.WantsNewest(ctx) {
			return p.conf, nil
		}
		conf, err := get(ctx)
		if err != nil {
			return nil, err
		}
		p.conf = conf
		return conf, nil
	}
}
