package janitor

import (
	"context"
	"errors"
	"fmt"
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
				do:   func(ctx context.Context) (Report, error) { return r.grow(ctx, a, p) },
			}, nil
		}}
	})
}

// grow gives a, the shared app client of the profile, the scopes that it lacks. If
// another process changes the record at the same time, such as an operator who
// applies a newer policy, the settings that reached Cognito last may be those of
// this sweep. So grow repeats the update, for the newest record and policy, until
// the record has what Cognito has.
func (r *Run) grow(ctx context.Context, a *broker.AppClient, p *policy.Profile) (Report, error) {
	for range broker.Attempts {
		grown, err := r.c.Grower.Grow(ctx, a, p)
		if !broker.IsOnly(err, broker.ErrConflict) {
			var done Report
			if grown {
				done.Grown = 1
			}
			return done, err
		}
		stored, readErr := r.c.Store.AppClient(ctx, a.Key)
		if errors.Is(readErr, broker.ErrNotFound) {
			return Report{}, nil
		}
		if readErr != nil {
			return Report{}, errors.Join(err, readErr)
		}
		if stored.State != broker.AppClientReady || stored.Marker != a.Marker {
			return Report{}, nil
		}
		pol, readErr := r.c.Policy(broker.Newest(ctx))
		if readErr != nil {
			return Report{}, errors.Join(err, fmt.Errorf("policy: %w", readErr))
		}
		newest, ok := pol.Profile(p.Name())
		if !ok || newest.AppClient() != policy.SharedAppClient {
			newest = p
		}
		a, p = stored, newest
	}
	return Report{}, fmt.Errorf("app client %s is changed all the time, and Cognito may lack scopes of its record", a.Key)
}

func growStep(a *broker.AppClient) Step {
	return Step{Action: ActionGrow, Key: a.Key, ClientID: a.ClientID, CognitoID: a.CognitoID}
}

// Growing reports that the app client a gets its missing scopes. A Reconciler
// calls it before it adds them, because it finds them only while it checks a.
func (r *Run) Growing(a *broker.AppClient) { r.report(growStep(a)) }
