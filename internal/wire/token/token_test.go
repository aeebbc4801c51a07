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
	notRead := errors.New("not read")
	p := &wire.Parts{Configuration: func(context.Context) (*configuration.Configuration, error) {
		if conf == nil {
			return nil, notRead
		}
		return conf, nil
	}}
	for _, tt := range []struct {
		inForce *configuration.Configuration
		want    bool
		err     error
	}{
		{nil, false, notRead},
		{&configuration.Configuration{ForwardResource: true}, true, nil},
		{new(configuration.Configuration), false, nil},
	} {
		conf = tt.inForce
		if got, err := forwardResource(t.Context(), p); got != tt.want || err != tt.err {
			t.Errorf("forwardResource under %+v = %t, %v, want %t, %v", conf, got, err, tt.want, tt.err)
		}
	}
}
