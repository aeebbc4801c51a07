package token

import (
	"context"
	"errors"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

func TestTheResourceIsForwardedIfTheConfigurationSaysSo(t *testing.T) {
	var conf *configuration.Configuration
	p := &wire.Parts{Configuration: func(context.Context) (*configuration.Configuration, error) {
		if conf == nil {
			return nil, errors.New("not read")
		}
		return conf, nil
	}}
	for _, tt := range []struct {
		inForce *configuration.Configuration
		want    bool
	}{
		{nil, false},
		{&configuration.Configuration{ForwardResource: true}, true},
		{new(configuration.Configuration), false},
	} {
		conf = tt.inForce
		if got := forwardResource(t.Context(), p); got != tt.want {
			t.Errorf("forwardResource under %+v = %t, want %t", conf, got, tt.want)
		}
	}
}
