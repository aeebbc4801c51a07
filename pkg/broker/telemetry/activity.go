package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Activity is one request that is being answered, or one run of a function. All
// of it is safe for concurrent use, and a nil Activity takes everything and keeps
// nothing, so that code which is measured need not know whether it is.
type Activity struct {
	id string

	mu      sync.Mutex
	notes   []slog.Attr
	calls   map[Service]*calls
	counted map[*Metric]float64
}

// calls are those of one service.
type calls struct {
	milliseconds []float64
	throttled    int
}

type activityKey struct{}

// Begin returns a context in which what happens belongs to a new activity.
func Begin(ctx context.Context, id string) (context.Context, *Activity) {
	a := &Activity{id: id, calls: make(map[Service]*calls), counted: make(map[*Metric]float64)}
	return context.WithValue(ctx, activityKey{}, a), a
}

// Of returns the activity that ctx belongs to, or nil.
func Of(ctx context.Context) *Activity {
	a, _ := ctx.Value(activityKey{}).(*Activity)
	return a
}

// ID is the request's id, empty for a nil Activity.
func (a *Activity) ID() string {
	if a == nil {
		return ""
	}
	return a.id
}

// The keys of notes.
const (
	ClientID  = "client_id"
	Profile   = "profile"
	GrantType = "grant_type"
	Decision  = "decision"
	Outcome   = "outcome"
)

// Note says something about the activity of ctx; the last value of a key holds.
// What a stranger chose must not be noted before it is known to be one of ours,
// as the id of a registration that was found is: some notes are dimensions of
// metrics, and each value of these costs money.
func Note(ctx context.Context, key, value string) { Of(ctx).note(key, value) }

func (a *Activity) note(key, value string) {
	if a == nil || value == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.notes {
		if a.notes[i].Key == key {
			a.notes[i].Value = slog.StringValue(value)
			return
		}
	}
	a.notes = append(a.notes, slog.String(key, value))
}

// Service is one that the broker calls.
type Service string

// The services that are told apart. CognitoOAuth are the endpoints of the user
// pool's domain, Cognito is its API, which admits 5 calls a second of each kind.
const (
	Cognito      Service = "cognito"
	CognitoOAuth Service = "cognito_oauth"
	DynamoDB     Service = "dynamodb"
	Other        Service = "other"
)

// services in the order in which they are logged.
var services = []Service{Cognito, CognitoOAuth, DynamoDB, Other}

// maxTimings is how many values of a metric one line may have (CloudWatch's limit
// is 100). What a run calls beyond that is in the sums.
const maxTimings = 100

// Called records a call of a service, or one attempt of it, as it ended.
func Called(ctx context.Context, s Service, took time.Duration, throttled bool) {
	a := Of(ctx)
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.calls[s]
	if c == nil {
		c = new(calls)
		a.calls[s] = c
	}
	c.milliseconds = append(c.milliseconds, float64(took.Microseconds())/1000)
	if throttled {
		c.throttled++
	}
}
