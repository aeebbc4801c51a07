package janitor

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
	// maxStyles is how many branding styles a user pool can have.
	maxStyles = 20
)

// observe sets the metrics of a sweep that has ended, with err or without.
func (r *Run) observe(ctx context.Context, err error) {
	telemetry.Set(ctx, telemetry.JanitorFailures, float64(r.done.Failed))
	telemetry.Set(ctx, telemetry.JanitorBacklog, float64(r.done.Backlog))
	if err == nil && !r.done.Unfinished {
		telemetry.Count(ctx, telemetry.JanitorRuns, 1)
	}
}

// observeStyles sets how many branding styles may be left, by the records.
func (r *Run) observeStyles(ctx context.Context, records []*broker.AppClient) {
	if !r.c.Branding {
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
func (r *Run) tooLateToCount(ctx context.Context) bool {
	return ctx.Err() != nil || !r.end.IsZero() && !time.Now().Before(r.end.Add(sweepMargin-countMargin))
}
