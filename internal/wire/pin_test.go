package wire

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/httpapi"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// changing returns another configuration at each read.
func changing() func(context.Context) (*configuration.Configuration, error) {
	n := 0
	return func(context.Context) (*configuration.Configuration, error) {
		n++
		return &configuration.Configuration{Version: n}, nil
	}
}

func TestOneRequestUsesOneConfiguration(t *testing.T) {
	get := Pinned(changing())
	version := func(ctx context.Context) int {
		conf, err := get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return conf.Version
	}
	request := 0
	h := PinEach(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		request++
		var wg sync.WaitGroup
		for range 4 { // a request may do several things at a time
			wg.Go(func() {
				if got := version(r.Context()); got != request {
					t.Errorf("request %d got the configuration %d", request, got)
				}
			})
		}
		wg.Wait()
	}))
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	// Without a pin each read gets the one in force.
	if a, b := version(t.Context()), version(t.Context()); a == b {
		t.Errorf("two reads without a pin got the configuration %d", a)
	}
}

// A call that needs the newest configuration gets it, and so do all later calls of
// the request. If it cannot be read, the request keeps the one that it has.
func TestTheNewestConfigurationReplacesThePinnedOne(t *testing.T) {
	n, failing := 0, false
	get := Pinned(func(ctx context.Context) (*configuration.Configuration, error) {
		if failing {
			return nil, errors.New("not read")
		}
		if broker.WantsNewest(ctx) {
			n++
		}
		return &configuration.Configuration{Version: n}, nil
	})
	ctx := Pin(t.Context())
	failing = true
	if conf, err := get(broker.Newest(ctx)); err == nil || conf != nil {
		t.Errorf("get = %v, %v, want an error", conf, err)
	}
	failing = false
	for _, step := range []struct {
		ctx     context.Context
		failing bool
		want    int // -1 is an error
	}{
		{ctx, false, 0}, {broker.Newest(ctx), false, 1}, {ctx, false, 1}, {broker.Newest(ctx), true, -1}, {ctx, true, 1},
		{broker.Newest(t.Context()), false, 2}, {ctx, false, 1}, // another request
	} {
		failing = step.failing
		got := -1
		if conf, err := get(step.ctx); err == nil {
			got = conf.Version
		}
		if got != step.want {
			t.Errorf("get = version %d, want %d", got, step.want)
		}
	}
}

// A request that could not read the configuration may read it again.
func TestAnErrorIsNotPinned(t *testing.T) {
	readErr := errors.New("not read")
	conf := new(configuration.Configuration)
	get := Pinned(func(context.Context) (*configuration.Configuration, error) {
		if readErr != nil {
			return nil, readErr
		}
		return conf, nil
	})
	ctx := Pin(t.Context())
	if got, err := get(ctx); err != readErr {
		t.Errorf("get = %v, %v, want the error", got, err)
	}
	readErr = nil
	if got, err := get(ctx); got != conf || err != nil {
		t.Errorf("get = %v, %v, want the configuration", got, err)
	}
}

func TestHandlerPinsEachRequest(t *testing.T) {
	read := func(func(string) string) (*environment.Environment, error) { return new(environment.Environment), nil }
	pinned := false
	h, err := Handler(read, func(rt *httpapi.Router, _ *Parts) error {
		rt.Handle(http.MethodGet, "/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, pinned = r.Context().Value(pinKey{}).(*pin)
			w.WriteHeader(http.StatusNoContent)
		}))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if !pinned {
		t.Error("the context of the request has no pin")
	}
}
