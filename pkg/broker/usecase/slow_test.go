package usecase_test

import (
	"context"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// slowStore calls before when a registration is about to be stored.
type slowStore struct {
	broker.Store
	before func()
}

func (s *slowStore) CreateRegistration(ctx context.Context, r *broker.Registration) error {
	s.before()
	return s.Store.CreateRegistration(ctx, r)
}

// pausingStore stops where a place is given back, until it is let go on.
type pausingStore struct {
	broker.Store
	reached, goOn chan struct{}
}

func (s *pausingStore) ReturnBudget(ctx context.Context, key, member string) error {
	close(s.reached)
	<-s.goOn
	return s.Store.ReturnBudget(ctx, key, member)
}

// slowMaker calls before and after around the making of an app client, or fails.
type slowMaker struct {
	*fake.Pool
	before, after func()
	err           error
}

func (s *slowMaker) CreateBrokered(ctx context.Context, marker string, spec broker.BrokeredAppClient) (broker.NewAppClient, error) {
	if s.before != nil {
		s.before()
	}
	if s.err != nil {
		return broker.NewAppClient{}, s.err
	}
	made, err := s.Pool.CreateBrokered(ctx, marker, spec)
	if s.after != nil {
		s.after()
	}
	return made, err
}

// retiringStore calls before when a registration is about to be retired.
type retiringStore struct {
	broker.Store
	before func()
}

func (s *retiringStore) RetireRegistration(ctx context.Context, r *broker.Registration) error {
	s.before()
	return s.Store.RetireRegistration(ctx, r)
}
