package janitor

import (
	"context"
	"errors"
	"iter"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
)

// growth yields the shared app clients of the policy's profiles that lack
// scopes of their profile. Profiles of direct mode have no shared app client.
func (r *Run) growth() iter.Seq2[item, error] {
	var profiles []*policy.Profile
	for _, name := range r.Policy.Profiles() {
		if p, ok := r.Policy.Profile(name); ok && p.AppClient() == policy.SharedAppClient {
			profiles = append(profiles, p)
		}
	}
	return itemsOf(profiles, func(p *policy.Profile) item {
		key := broker.SharedAppClientKey(p.Name())
		return item{key: key, plan: func(ctx context.Context) (*step, error) {
			a, err := r.c.Store.AppClient(ctx, key)
			if errors.Is(err, broker.ErrNotFound) {
				return nil, nil
			}
			if err != nil || a.State != broker.AppClientReady || !r.c.Grower.Lacks(a, p) {
				return nil, err
			}
			return &step{
				Step: growStep(a),
				dry:  Report{Grown: 1},
				do: func(ctx context.Context) (done Report, err error) {
					grown, err := r.c.Grower.Grow(ctx, a, p)
					if grown {
						done.Grown = 1
					}
					return done, err
				},
			}, nil
		}}
	})
}

func growStep(a *broker.AppClient) Step {
	return Step{Action: ActionGrow, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID}
}

// Growing reports that the app client a gets its missing scopes. A Reconciler
// calls it before it adds them, because it finds them only while it checks a.
func (r *Run) Growing(a *broker.AppClient) { r.report(growStep(a)) }
