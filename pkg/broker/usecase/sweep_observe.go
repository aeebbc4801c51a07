package usecase

import (
	"context"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// countMargin is how long before the end of its context a sweep stops
	// counting what it did not get to.
	countMargin = 15 * time.Second
	// maxStyles is how many branding styles a pool can have.
	maxStyles = 20
)

// observe sets what CloudWatch is told of a run that has ended, with err or
// without.
func (s *sweep) observe(ctx context.Context, err error) {
	telemetry.Set(ctx, telemetry.JanitorFailures, float64(s.done.Failed))
	telemetry.Set(ctx, telemetry.JanitorBacklog, float64(s.done.Backlog))
	if err == nil && !s.done.Unfinished {
		telemetry.Count(ctx, telemetry.JanitorRuns, 1)
	}
}

// observeStyles sets how many branding styles may be left, by the records.
func (s *sweep) observeStyles(ctx context.Context, records []*broker.AppClient) {
	if !s.branding {
		return
	}
	left := maxStyles
	for _, a := range records {
		if a.Branded {
			left--
		}
	}
	telemetry.Set(ctx, telemetry.StylesLeft, float64(max(left, 0)))
}

// tooLateToCount reports whether the time is up for counting as well.
func (s *sweep) tooLateToCount(ctx context.Context) bool {
	return ctx.Err() != nil || !s.end.IsZero() && !time.Now().Before(s.end.Add(sweepMargin-countMargin))
}
