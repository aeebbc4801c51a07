package usecase

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// hourly is the budgets of registrations an hour that one registration takes a
// place in: one for its redirect host, so that one noisy host does not lock out
// the others, and one for what vouches for it. Those without a limit are left
// out.
type hourly []hourBudget

type hourBudget struct {
	broker.Budget
	// whose says to the client what is counted.
	whose string
}

func creations(p *policy.Profile, v voucher, m dcr.ClientMetadata, now time.Time) hourly {
	hour := now.Truncate(time.Hour)
	budget := func(kind, of string, limit int, whose string) hourly {
		if limit == 0 {
			return nil
		}
		key := fmt.Sprintf("%s/%s/%s/%d", kind, p.Name(), of, hour.Unix())
		return hourly{{broker.Budget{Key: key, Limit: limit, ExpiresAt: hour.Add(2 * time.Hour)}, whose}}
	}
	all := budget("creations", policy.RedirectHost(m), p.Limits().CreationsPerHour, "for this redirect host")
	if v.id == "" {
		return all
	}
	// The subject of a JWT may be long, and have any characters.
	by := credential.DerivedID(sha256.Sum256([]byte(v.id)))
	return append(all, budget("creations_by", by, p.Limits().CreationsPerHourPerToken, "with this initial access token")...)
}

// takeHour takes a place in each. If that fails, giveBackHour is for the caller.
func (s *Service) takeHour(ctx context.Context, hour hourly, member string, now time.Time) error {
	for _, b := range hour {
		err := s.store.TakeBudget(ctx, b.Budget, member)
		if errors.Is(err, broker.ErrExhausted) {
			e := dcr.Errorf(dcr.TooManyRequests, "too many registrations %s in this hour", b.whose)
			e.RetryAfter = now.Truncate(time.Hour).Add(time.Hour).Sub(now)
			return e
		}
		if err != nil {
			return unavailable(fmt.Errorf("creations of this hour: %w", err))
		}
	}
	return nil
}

// giveBackHour is not repeated by anybody, since the budgets end by themselves.
func (s *Service) giveBackHour(ctx context.Context, hour hourly, member string) error {
	var err error
	for _, b := range hour {
		err = errors.Join(err, s.store.ReturnBudget(ctx, b.Key, member))
	}
	return err
}
