package registration

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Hour has the counters of one hour that count one registration: one for its
// voucher, and one for the rule that allows its redirect URI, so that one busy
// rule does not lock out the others. Counters without a limit are left out.
type Hour struct {
	begin time.Time
	// left is the time until the end of the hour.
	left     time.Duration
	counters []hourCounter
}

type hourCounter struct {
	broker.Counter
	// whose names the counted registrations for the client.
	whose string
	// source has shares of budget. The zero source has none.
	source source
	budget int
}

// skew is how much the clocks of two processes may differ.
const skew = 5 * time.Minute

// Hour returns the counters of the registration. Repeated registrations need none.
func (a *Admission) Hour() Hour {
	h := Hour{begin: a.At.Truncate(time.Hour)}
	end := h.begin.Add(time.Hour)
	h.left = end.Sub(a.At)
	add := func(kind, of string, limit int, c hourCounter) {
		if limit == 0 {
			return
		}
		// The subject of a JWT and a redirect rule may be long, and have any characters.
		id := credential.DerivedID(sha256.Sum256([]byte(of)))
		c.Key = fmt.Sprintf("%s/%s/%s/%d", kind, a.Profile.Name(), id, h.begin.Unix())
		c.Limit, c.ExpiresAt = limit, end.Add(skew)
		h.counters = append(h.counters, c)
	}
	limits, rule := a.Profile.Limits(), a.Profile.RedirectRule(a.Metadata)
	if a.Voucher.Open() {
		budget := limits.CreationsPerHour
		reserved := min(a.Profile.Reserved(a.Metadata), budget/4)
		add("creations", rule, budget-reserved, hourCounter{whose: "of this kind of redirect URI", source: a.source, budget: budget})
		return h
	}
	// The voucher counts first: one that is over its limit must not use up the
	// hour of a rule, and so keep others out.
	add("creations_by", string(a.Voucher), limits.CreationsPerHourPerToken, hourCounter{whose: "with this initial access token"})
	add("creations", rule, limits.CreationsPerHour, hourCounter{whose: "of this kind of redirect URI"})
	return h
}

// Take counts the registration. It is the last step before the effects that it
// limits, because it cannot be taken back: a registration that fails afterwards,
// or that is sent twice, may count once too often (ADR 3).
func (h Hour) Take(ctx context.Context, store broker.Budgets) error {
	for _, c := range h.counters {
		var err error
		if c.Shares, err = c.source.shares(ctx, h.begin, c.budget); err != nil {
			return Unavailable(fmt.Errorf("source of a registration: %w", err))
		}
		err = store.Count(ctx, c.Counter)
		if errors.Is(err, broker.ErrShareExhausted) {
			c.whose = "from this network address"
		}
		if errors.Is(err, broker.ErrExhausted) {
			telemetry.Count(ctx, telemetry.Limited, 1)
			e := dcr.Errorf(dcr.TooManyRequests, "too many registrations %s in this hour", c.whose)
			e.RetryAfter = h.left
			return e
		}
		if err != nil {
			return Unavailable(fmt.Errorf("creations of this hour: %w", err))
		}
	}
	return nil
}

// UseStore counts the uses of vouchers.
type UseStore interface {
	broker.InitialAccessTokens
	broker.Budgets
}

// A Use is a use of a voucher that can be taken. The zero value is no use.
type Use struct {
	broker.Use
	// max is the number of uses of a JWT, and expires is when the store may
	// forget them. For an initial access token the store knows both.
	max     int
	expires time.Time
}

// Take takes the use for member, if uses are counted.
func (u Use) Take(ctx context.Context, store UseStore, member string) error {
	var err error
	switch {
	case u.Token != "":
		err = store.UseInitialAccessToken(ctx, u.Token, member)
	case u.Budget != "":
		err = store.TakeBudget(ctx, broker.Budget{Key: u.Budget, Limit: u.max, ExpiresAt: u.expires}, member)
	}
	if errors.Is(err, broker.ErrExhausted) || errors.Is(err, broker.ErrNotFound) {
		return dcr.Errorf(dcr.InvalidToken, "the initial access token has been spent or revoked")
	}
	if err != nil {
		return Unavailable(fmt.Errorf("use of initial access token: %w", err))
	}
	return nil
}

// ReturnUse returns the use that member may have taken.
func ReturnUse(ctx context.Context, store UseStore, u broker.Use, member string) error {
	var err error
	switch {
	case u.Token != "":
		err = store.ReturnInitialAccessToken(ctx, u.Token, member)
	case u.Budget != "":
		err = store.ReturnBudget(ctx, u.Budget, member)
	}
	if err != nil {
		return fmt.Errorf("give back use of initial access token %s%s: %w", u.Token, u.Budget, err)
	}
	return nil
}
