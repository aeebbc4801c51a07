package policy

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
)

// Find returns p and its profile with this name. If p has no such profile, Find
// looks in the newest policy that source returns (broker.Newest) and returns
// that policy. The profile is nil if it has none either.
func Find(ctx context.Context, source func(context.Context) (*Policy, error), p *Policy, name string) (*Policy, *Profile, error) {
	if profile, ok := p.Profile(name); ok {
		return p, profile, nil
	}
	p, err := source(broker.Newest(ctx))
	if err != nil {
		return nil, nil, err
	}
	profile, _ := p.Profile(name)
	return p, profile, nil
}
