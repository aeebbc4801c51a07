package telemetry

import (
	"context"
	"log/slog"
	"slices"
	"time"
)

// Namespace is the namespace of all metrics in CloudWatch.
const Namespace = "dcr-broker"

// Issuer is the attribute that every line of the logger has to have: the host
// of the issuer (config.Config.Logger). It is the first dimension of every
// metric, so that deployments in one account and region do not share alarms.
const Issuer = "issuer"

// Metric is a metric in CloudWatch.
type Metric struct {
	Name string
	// Unit is one of CloudWatch's: Count, Milliseconds, Percent.
	Unit string
	// Dimensions are keys of SetAttr; a key without a value has the value
	// "none". Every metric also has the dimension Issuer, which the logger sets.
	Dimensions []string
	// Means is the meaning of the metric, for the table in the documentation.
	Means string
}

// The metrics.
var (
	Registrations    = &Metric{"Registrations", "Count", []string{Profile, Outcome}, "requests to register, by outcome"}
	Limited          = &Metric{"RegistrationsLimited", "Count", nil, "requests to `/register` that were refused because a limit was used up: of the hour, of the profile's app clients, or of our calls of Cognito in a second"}
	DedupeHits       = &Metric{"DedupeHits", "Count", []string{Profile}, "open registrations that existed already"}
	Tokens           = &Metric{"Tokens", "Count", []string{GrantType, Outcome}, "requests for tokens, by grant and error"}
	Consents         = &Metric{"Consents", "Count", []string{Decision}, "decisions on the consent page, and consents that were remembered"}
	AppClientsMade   = &Metric{"AppClientsMade", "Count", nil, "app clients made at Cognito"}
	AppClientsGone   = &Metric{"AppClientsRemoved", "Count", nil, "app clients removed from Cognito, or found missing there"}
	StylesUsedUp     = &Metric{"BrandingStylesUsedUp", "Count", nil, "app clients that got no branding style, because the pool has no more"}
	AppClientsHeld   = &Metric{"AppClients", "Count", nil, "app clients of this deployment in the pool"}
	AppClientQuota   = &Metric{"AppClientQuotaUsed", "Percent", nil, "all app clients in the pool, also others', as a share of its quota"}
	StylesLeft       = &Metric{"BrandingStylesLeft", "Count", nil, "branding styles that this deployment can still use, if no other program uses any"}
	JanitorBacklog   = &Metric{"JanitorBacklog", "Count", nil, "records that were due and that the janitor had no time for"}
	JanitorFailures  = &Metric{"JanitorFailures", "Count", nil, "records with which the janitor failed; it tries them again"}
	JanitorRuns      = &Metric{"JanitorRuns", "Count", nil, "runs of the janitor that finished"}
	JanitorStopped   = &Metric{"JanitorStopped", "Count", nil, "runs that stopped because table and pool do not fit together"}
	CognitoLatency   = &Metric{"CognitoLatency", "Milliseconds", nil, "calls of Cognito's API"}
	CognitoOAuthTime = &Metric{"CognitoOAuthLatency", "Milliseconds", nil, "requests to the endpoints of the user pool's domain"}
	DynamoDBLatency  = &Metric{"DynamoDBLatency", "Milliseconds", nil, "calls of DynamoDB"}
	CognitoThrottles = &Metric{"CognitoThrottles", "Count", nil, "calls of Cognito's API and OAuth endpoints that Cognito throttled, or that the broker gave up because its own rate was used up"}
	CognitoHeldBack  = &Metric{"CognitoHeldBack", "Count", nil, "how often a call of Cognito's API waited for the next second, to stay below its rate"}
	DynamoThrottles  = &Metric{"DynamoDBThrottles", "Count", nil, "calls that DynamoDB throttled"}
)

// All are the metrics, in the order of the documentation.
var All = []*Metric{
	Registrations, Limited, DedupeHits, Tokens, Consents, AppClientsMade, AppClientsGone, StylesUsedUp,
	AppClientsHeld, AppClientQuota, StylesLeft, JanitorBacklog, JanitorFailures, JanitorRuns, JanitorStopped,
	CognitoLatency, CognitoOAuthTime, DynamoDBLatency, CognitoThrottles, CognitoHeldBack, DynamoThrottles,
}

// Count adds n to a metric of the activity of ctx. With n = 0 the metric
// appears in the line, with the value 0.
func Count(ctx context.Context, m *Metric, n float64) {
	a := Of(ctx)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.metrics()[m] += n
}

// Set sets the value of a metric of the activity of ctx; the last value wins.
func Set(ctx context.Context, m *Metric, v float64) {
	a := Of(ctx)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.metrics()[m] = v
}

// metrics returns a.counted to write into. The caller holds a.mu.
func (a *Activity) metrics() map[*Metric]float64 {
	if a.counted == nil {
		a.counted = make(map[*Metric]float64)
	}
	return a.counted
}

// Log writes the activity's line whatever the log level. The line has attrs,
// the request's id, its attributes, for each service the number of calls and
// the sum of their milliseconds, and the metrics. CloudWatch reads the metrics
// if the log is JSON and these attributes are at its top level.
func (a *Activity) Log(ctx context.Context, log *slog.Logger, msg string, attrs ...slog.Attr) {
	write(ctx, log, msg, append(attrs, a.end(time.Now())...))
}

func (a *Activity) end(now time.Time) []slog.Attr {
	a.mu.Lock()
	defer a.mu.Unlock()
	attrs := make([]slog.Attr, 0, 2+len(a.notes)+len(a.calls)+len(a.counted))
	attrs = append(attrs, slog.String("request_id", a.id))
	attrs = append(attrs, a.notes...)
	values := make(map[*Metric]any)
	for m, n := range a.counted {
		values[m] = n
	}
	for s, c := range a.calls {
		if m := throttlesOf[s]; m != nil && c.throttled > 0 {
			// Two services may have the same metric of throttled calls.
			n, _ := values[m].(float64)
			values[m] = n + float64(c.throttled)
		}
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
	}
	return embedded(attrs, values, now)
}

var (
	latencyOf   = map[Service]*Metric{Cognito: CognitoLatency, CognitoOAuth: CognitoOAuthTime, DynamoDB: DynamoDBLatency}
	throttlesOf = map[Service]*Metric{Cognito: CognitoThrottles, CognitoOAuth: CognitoThrottles, DynamoDB: DynamoThrottles}
)

// embedded adds the metrics in CloudWatch's embedded metric format to attrs,
// and "none" for each dimension that attrs does not have.
func embedded(attrs []slog.Attr, values map[*Metric]any, now time.Time) []slog.Attr {
	if len(values) == 0 {
		return attrs
	}
	type definition struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []definition
	}
	directives := make([]directive, 0, len(values))
	for _, m := range All {
		v, ok := values[m]
		if !ok {
			continue
		}
		for _, key := range m.Dimensions {
			isKey := func(n slog.Attr) bool { return n.Key == key }
			if !slices.ContainsFunc(attrs, isKey) {
				attrs = append(attrs, slog.String(key, "none"))
			}
		}
		dimensions := [][]string{slices.Concat([]string{Issuer}, m.Dimensions)}
		directives = append(directives, directive{Namespace, dimensions, []definition{{m.Name, m.Unit}}})
		attrs = append(attrs, slog.Any(m.Name, v))
	}
	return append(attrs, slog.Any("_aws", struct {
		Timestamp         int64 // milliseconds
		CloudWatchMetrics []directive
	}{now.UnixMilli(), directives}))
}
