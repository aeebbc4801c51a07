package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Activity is one request, or one run of a function. It is safe for concurrent
// use. A nil Activity discards everything, so that measured code also works
// without one.
type Activity struct {
	id string

	mu      sync.Mutex
	notes   []slog.Attr
	room    [4]slog.Attr // for notes, enough for most requests
	calls   map[Service]*calls
	counted map[*Metric]float64 // nil until the first
}

// calls are the calls of one service.
type calls struct {
	milliseconds []float64
	throttled    int
}

type activityKey struct{}

// Begin starts an activity and returns a context that belongs to it.
func Begin(ctx context.Context, id string) (context.Context, *Activity) {
	a := &Activity{id: id, calls: make(map[Service]*calls)}
	a.notes = a.room[:0]
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

// The keys for SetAttr.
const (
	ClientID  = "client_id"
	Profile   = "profile"
	GrantType = "grant_type"
	Decision  = "decision"
	Outcome   = "outcome"
)

// SetAttr sets an attribute of the activity of ctx; the last value of a key
// wins. The caller checks a value from a request first, for example a client id
// by finding its registration: some attributes are dimensions of metrics, and
// each value of a dimension costs money.
func SetAttr(ctx context.Context, key, value string) { Of(ctx).set(key, value) }

func (a *Activity) set(key, value string) {
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

// Service is a service that the broker calls.
type Service string

// The services. CognitoOAuth is the endpoints of the user pool's domain.
// Cognito is its API, which allows 5 calls a second of each kind.
const (
	Cognito      Service = "cognito"
	CognitoOAuth Service = "cognito_oauth"
	DynamoDB     Service = "dynamodb"
	Other        Service = "other"
)

// services in the order in which they are logged.
var services = []Service{Cognito, CognitoOAuth, DynamoDB, Other}

// maxTimings is the most values of a metric in one line (CloudWatch's limit is
// 100). Further calls of a run are only in the sums.
const maxTimings = 100

// Called records a finished call of a service, or one attempt of it.
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
