package records

import (
	"context"
	"errors"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// rolloutID is the id of the rollout. No document has it, because theirs begin
// with a number.
const rolloutID = "rollout"

// A rollout is the item of the configuration.Rollout.
type rollout struct {
	ID      string               `json:"-" store:"key"`
	Version int64                `json:"-" store:"version"`
	Done    int                  `json:"done,omitzero"`
	Digest  string               `json:"digest,omitempty"`
	Runs    map[string]time.Time `json:"runs,omitempty"`
	Unknown []byte               `json:"-" store:"unknown"`
}

var rollouts = newKind[rollout](kindConfig, nil)

// Rollout returns the stored rollout, or the zero Rollout if none is stored.
func (c *Configuration) Rollout(ctx context.Context) (*configuration.Rollout, error) {
	r, err := read(ctx, c.store, "Rollout", rollouts, rolloutID)
	if errors.Is(err, broker.ErrNotFound) {
		return new(configuration.Rollout), nil
	}
	if err != nil {
		return nil, err
	}
	return &configuration.Rollout{Done: r.Done, Digest: r.Digest, Runs: r.Runs, Version: r.Version}, nil
}

// ReplaceRollout stores r if the stored rollout has the version r.Version, and
// sets the new version in r. Otherwise it returns broker.ErrConflict.
func (c *Configuration) ReplaceRollout(ctx context.Context, r *configuration.Rollout) error {
	const op = "ReplaceRollout"
	record := &rollout{ID: rolloutID, Version: r.Version, Done: r.Done, Digest: r.Digest, Runs: r.Runs}
	var err error
	if r.Version == 0 {
		err = create(ctx, c.store, op, rollouts, record)
	} else {
		err = replace(ctx, c.store, op, rollouts, record, nil)
	}
	if errors.Is(err, broker.ErrExists) || errors.Is(err, broker.ErrNotFound) {
		return broker.ErrConflict
	}
	if err == nil {
		r.Version = record.Version
	}
	return err
}
