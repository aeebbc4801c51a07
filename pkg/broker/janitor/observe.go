package janitor

import (
	"context"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
)

const (
	// countMargin is the time between the end of counting the remaining records
	// and the end of the context.
	countMargin = 15 * time.Second
)

// observe sets the metrics of a sweep that has ended, with err or without.
func (r *Run) observe(ctx context.Context, err error) {
	telemetry.Set(ctx, telemetry.JanitorFailures, float64(r.done.Failed))
	telemetry.Set(ctx, telemetry.JanitorBacklog, float64(r.done.Backlog))
	if err == nil && !r.done.Unfinished {
		telemetry.Count(ctx, telemetry.JanitorRuns, 1)
	}
}

// observeStyles sets the metric of the remaining branding styles, as far as the
// records show.
func (r *Run) observeStyles(ctx context.Context, records []*broker.AppClient) {
	if !r.c.Branding {
		return
	}
	left := broker.MaxBrandingStyles
	for _, a := range records {
		if a.Branded {
			left--
		}
	}
	telemetry.Set(ctx, telemetry.StylesLeft, float64(max(left, 0)))
}

// tooLateToCount reports whether there is no more time for counting.
func (r *Run) tooLateToCount(ctx context.Context) bool {
	return ctx.Err() != nil || !r.end.IsZero() && !time.Now().Before(r.end.Add(sweepMargin-countMargin))
}
