package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Namespace is that of all metrics in CloudWatch.
const Namespace = "dcr-broker"

// Issuer is the attribute that every line of the logger has to have, the host of
// the issuer (config.Config.Logger). It is the first dimension of every metric, so
// that deployments in one account and region do not share alarms.
const Issuer = "issuer"

// Metric is something that CloudWatch counts.
type Metric struct {
	Name string
	// Unit is one of CloudWatch's: Count, Milliseconds, Percent.
	Unit string
	// Dimensions are keys of notes. One that was not noted is "none". Every
	// metric has the dimension Issuer besides, which is the logger's.
	Dimensions []string
	// Means is what it says to an operator, for the table in the documentation.
	Means string
}

// The metrics. Those without an Activity's help are Gauges of a run.
var (
	Registrations    = &Metric{"Registrations", "Count", []string{Profile, Outcome}, "requests to register, by what became of them"}
	DedupeHits       = &Metric{"DedupeHits", "Count", []string{Profile}, "open registrations that were there already"}
	Tokens           = &Metric{"Tokens", "Count", []string{GrantType, Outcome}, "requests for tokens, by grant and error"}
	Consents         = &Metric{"Consents", "Count", []string{Decision}, "decisions on the consent page, and consents that were remembered"}
	AppClientsMade   = &Metric{"AppClientsMade", "Count", nil, "app clients made at Cognito"}
	AppClientsGone   = &Metric{"AppClientsRemoved", "Count", nil, "app clients removed from Cognito, or found to be gone"}
	StylesUsedUp     = &Metric{"BrandingStylesUsedUp", "Count", nil, "app clients that got no branding style, because the pool has no more"}
	AppClientsHeld   = &Metric{"AppClients", "Count", nil, "app clients of this deployment in the pool"}
	AppClientQuota   = &Metric{"AppClientQuotaUsed", "Percent", nil, "app clients in the pool, everybody's, against its quota"}
	StylesLeft       = &Metric{"BrandingStylesLeft", "Count", nil, "branding styles that this deployment could still use, if nobody else has any"}
	JanitorBacklog   = &Metric{"JanitorBacklog", "Count", nil, "records that were due and that the janitor did not get to"}
	JanitorFailures  = &Metric{"JanitorFailures", "Count", nil, "records with which the janitor failed; it tries them again"}
	JanitorRuns      = &Metric{"JanitorRuns", "Count", nil, "runs of the janitor that came to their end"}
	JanitorStopped   = &Metric{"JanitorStopped", "Count", nil, "runs that were stopped because something is wrong with table or pool"}
	CognitoLatency   = &Metric{"CognitoLatency", "Milliseconds", nil, "calls of Cognito's API"}
	CognitoOAuthTime = &Metric{"CognitoOAuthLatency", "Milliseconds", nil, "requests to the endpoints of the user pool's domain"}
	DynamoDBLatency  = &Metric{"DynamoDBLatency", "Milliseconds", nil, "calls of DynamoDB"}
	CognitoThrottles = &Metric{"CognitoThrottles", "Count", nil, "calls that Cognito refused for their number, or that we gave up since no more were free"}
	CognitoHeldBack  = &Metric{"CognitoHeldBack", "Count", nil, "how often a call of Cognito's API waited for the next second, to stay below its rate"}
	DynamoThrottles  = &Metric{"DynamoDBThrottles", "Count", nil, "calls that DynamoDB refused for their number"}
)

// All are the metrics, in the order of the documentation.
var All = []*Metric{
	Registrations, DedupeHits, Tokens, Consents, AppClientsMade, AppClientsGone, StylesUsedUp,
	AppClientsHeld, AppClientQuota, StylesLeft, JanitorBacklog, JanitorFailures, JanitorRuns, JanitorStopped,
	CognitoLatency, CognitoOAuthTime, DynamoDBLatency, CognitoThrottles, CognitoHeldBack, DynamoThrottles,
}

// Count adds n to a metric of the activity of ctx. Zero makes it appear, which
// for a gauge matters.
func Count(ctx context.Context, m *Metric, n float64) {
	a := Of(ctx)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counted[m] += n
}

// Set gives a gauge of the activity of ctx its value; the last one holds.
func Set(ctx context.Context, m *Metric, v float64) {
	a := Of(ctx)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counted[m] = v
}

// Log writes the activity's one line, whatever the level of the log is: attrs, the
// request's id, its notes, for each service that was called the number of calls
// and their milliseconds in all, and what makes CloudWatch count it, if the log
// goes there as JSON with these attributes at its top.
func (a *Activity) Log(ctx context.Context, log *slog.Logger, msg string, attrs ...slog.Attr) {
	write(ctx, log, msg, append(attrs, a.end(time.Now())...))
}

func (a *Activity) end(now time.Time) []slog.Attr {
	a.mu.Lock()
	defer a.mu.Unlock()
	attrs := []slog.Attr{slog.String("request_id", a.id)}
	attrs = append(attrs, a.notes...)
	values := make(map[*Metric]any)
	for m, n := range a.counted {
		values[m] = n
	}
	for _, s := range services {
		c := a.calls[s]
		if c == nil {
			continue
		}
		sum := 0.0
		for _, ms := range c.milliseconds {
			sum += ms
		}
		attrs = append(attrs, slog.Group(string(s), slog.Int("calls", len(c.milliseconds)), slog.Float64("ms", sum)))
		if m := latencyOf[s]; m != nil {
			values[m] = c.milliseconds[:min(len(c.milliseconds), maxTimings)]
		}
		if m := throttlesOf[s]; m != nil && c.throttled > 0 {
			values[m] = a.counted[m] + float64(c.throttled)
		}
	}
	return append(attrs, a.embedded(values, now)...)
}

var (
	latencyOf   = map[Service]*Metric{Cognito: CognitoLatency, CognitoOAuth: CognitoOAuthTime, DynamoDB: DynamoDBLatency}
	throttlesOf = map[Service]*Metric{Cognito: CognitoThrottles, DynamoDB: DynamoThrottles}
)

// embedded is the metrics in CloudWatch's embedded metric format.
func (a *Activity) embedded(values map[*Metric]any, now time.Time) []slog.Attr {
	if len(values) == 0 {
		return nil
	}
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	var attrs []slog.Attr
	var directives []directive
	for _, m := range All {
		v, ok := values[m]
		if !ok {
			continue
		}
		for _, key := range m.Dimensions {
			noted := func(n slog.Attr) bool { return n.Key == key }
			if !slices.ContainsFunc(a.notes, noted) && !slices.ContainsFunc(attrs, noted) {
				attrs = append(attrs, slog.String(key, "none"))
			}
		}
		dimensions := [][]string{append([]string{Issuer}, m.Dimensions...)}
		directives = append(directives, directive{Namespace, dimensions, []definition{{m.Name, m.Unit}}})
		attrs = append(attrs, slog.Any(m.Name, v))
	}
	return append(attrs, slog.Any("_aws", struct {
		Timestamp         int64 // milliseconds
		CloudWatchMetrics []directive
	}{now.UnixMilli(), directives}))
}
