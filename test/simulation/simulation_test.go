package simulation

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/adapter/memory"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/policy"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

var (
	seed  = flag.Uint64("seed", 1, "seed of the random numbers; 0 means a different one each time")
	whole = flag.Int("registrations", 100_000, "number of registrations of the simulation in memory")
)

const (
	day  = 24 * time.Hour
	span = 90 * day

	// The values in policyDocument.
	inactive = 5 * day
	absolute = 60 * day
	quota    = 60
)

const policyDocument = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"],"loopback":true},"limits":{"app_clients":1},
		"lifetimes":{"unconfirmed":"3d","inactive":"5d","absolute":"60d"}},
	"trusted":{"redirect_uris":{"any_https":true},"limits":{"app_clients":40},"lifetimes":{"inactive":"5d","absolute":"60d"}}}}`

// TestInMemory simulates 100,000 registrations in 90 days, with the local
// Cognito.
func TestInMemory(t *testing.T) {
	n := *whole
	if testing.Short() || raceEnabled {
		n = min(n, 5_000)
	}
	simulate(t, size{registrations: n, used: 0.014, sweeps: time.Hour}, func(*testing.T) stores {
		inner := memory.NewStore(nil)
		faulty := fake.NewStore(inner)
		return stores{inner, faulty, faulty.Faults}
	})
}

// TestOnDynamoDB simulates fewer registrations, with a larger share of them in
// use, and one sweep a day, because each call of moto takes milliseconds. Its
// faults are in requests to DynamoDB.
func TestOnDynamoDB(t *testing.T) {
	endpoint := dynamodbtest.Endpoint(t)
	simulate(t, size{registrations: 300, used: 0.05, sweeps: day}, func(t *testing.T) stores {
		transport := &http.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		options := dynamodb.Options{
			BaseEndpoint: aws.String(endpoint), Region: "eu-central-1", HTTPClient: &http.Client{Transport: transport},
			Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		}
		client := dynamodb.New(options)
		table := "simulation-" + credential.NewID()
		if err := dynamo.CreateTable(t.Context(), client, table); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &table}); err != nil {
				t.Error(err)
			}
		})
		faults := fake.NewFaults("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "DescribeTable")
		options.APIOptions = append(options.APIOptions, failingBy(faults))
		return stores{dynamo.New(client, table, time.Now), dynamo.New(dynamodb.New(options), table, time.Now), faults}
	})
}

// failingBy returns a change of the SDK's stack by which its operations fail as
// faults decides. The SDK does not repeat an operation that failed in this way.
func failingBy(faults *fake.Faults) func(*middleware.Stack) error {
	fail := func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, meta middleware.Metadata, err error) {
		err = faults.Do(middleware.GetOperationName(ctx), func() error {
			out, meta, err = next.HandleInitialize(ctx, in)
			return err
		})
		return out, meta, err
	}
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Faults", fail), middleware.After)
	}
}

// size is how much happens in a simulation.
type size struct {
	registrations int
	used          float64       // share of the open registrations that are used
	sweeps        time.Duration // between two sweeps
}

// simulate lets span pass in a synctest bubble and then checks the final state.
func simulate(t *testing.T, size size, open func(*testing.T) stores) {
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			if t.Failed() {
				t.Logf("run it again with -seed=%d", s)
			}
		}()
		w := newWorld(t, rand.New(rand.NewPCG(s, 0)), open(t))
		steps := int(span / size.sweeps)
		for n := range steps {
			for range size.registrations*(n+1)/steps - size.registrations*n/steps {
				w.arrive(size.used)
			}
			w.pass(size.sweeps)
			if t.Failed() {
				return
			}
		}
		w.settle()
		w.check()
		t.Logf("seed %d: %d registrations, %d used, %d faults; %+v", s, w.count.registered, w.count.used, w.count.faults, w.total)
	})
}

// member is a client in use, with its own view of its registration.
type member struct {
	id    string
	tok   credential.Token // registration access token; zero if it has none
	every time.Duration    // interval of uses; 0 means never
	next  time.Time
	until time.Time // no uses after this time
	// issued and recorded are what the broker should have stored: the time of
	// the registration, and of its last use.
	issued   time.Time
	recorded time.Time
	over     bool // deleted, disabled, or removed as expected
	off      bool // switched off or deleted, by operator or client
}

// arrive registers a client. used is the chance that it is ever used, if it is
// an open registration.
func (w *world) arrive(used float64) {
	body := fmt.Sprintf(`{"client_name":"Client %d","redirect_uris":["http://127.0.0.1/cb"],"token_endpoint_auth_method":"none"}`, w.count.registered)
	var tok credential.Token
	switch {
	case w.chance(0.02):
		tok = w.iat
		body = fmt.Sprintf(`{"client_name":"App %d","redirect_uris":["https://app.example.com/cb"],"token_endpoint_auth_method":"none"}`, w.count.registered)
	case w.chance(0.3):
		body = `{"client_name":"Claude","redirect_uris":["https://claude.ai/api/mcp/auth_callback"],"token_endpoint_auth_method":"none"}`
	}
	req, err := dcr.Decode([]byte(body))
	if err != nil {
		w.t.Fatal(err)
	}
	var info *dcr.ClientInformation
	err = w.try(func(ctx context.Context) (err error) {
		info, err = w.Register(ctx, req, tok)
		return err
	})
	if err != nil {
		w.refused("Register", err)
		return
	}
	w.count.registered++
	if !tok.IsZero() && w.chance(0.5) || w.chance(used) {
		w.adopt(&member{id: info.ClientID, tok: credential.Presented(info.RegistrationAccessToken), issued: info.IssuedAt})
	}
}

// adopt makes m one of the clients in use, for some time.
func (w *world) adopt(m *member) {
	for _, other := range w.members {
		if other.id == m.id {
			return // identical registrations are the same client
		}
	}
	m.every = 6*time.Hour + w.upTo(30*time.Hour)
	m.next = w.now()
	m.until = w.now().Add(w.upTo(40 * day))
	w.members = append(w.members, m)
	w.count.used++
}

// pass lets d pass: users, clients and operators act, and then the janitor
// runs, sometimes two runs at once.
func (w *world) pass(d time.Duration) {
	for _, m := range w.members {
		if m.over || m.every == 0 || w.now().Before(m.next) || w.now().After(m.until) {
			continue
		}
		m.next = w.now().Add(m.every)
		w.use(m)
	}
	if len(w.members) > 0 && w.chance(0.05) {
		w.happen(w.members[w.intN(len(w.members))])
	}
	time.Sleep(d - 5*time.Minute)
	w.sweeps()
	time.Sleep(5 * time.Minute)
	if n := w.cognito.Count(); n > quota {
		w.t.Errorf("%s: %d app clients, but the quota of the pool is %d", w.now(), n, quota)
	}
}

// use is an authorization or a refresh: it needs the app client, and the broker
// records it.
func (w *world) use(m *member) {
	var r *broker.Registration
	err := w.try(func(ctx context.Context) (err error) {
		r, err = w.Client(ctx, m.id)
		return err
	})
	if errors.Is(err, broker.ErrNotFound) {
		w.lost(m, err)
		return
	}
	if err != nil {
		return
	}
	if m.issued = r.IssuedAt; w.chance(0.3) {
		profile, _ := w.policy.Profile(r.Profile)
		err := w.try(func(ctx context.Context) error { return w.Provision(ctx, policy.AppClientKey(r, profile)) })
		if err != nil && !errors.Is(err, broker.ErrNotFound) {
			w.refused("Provision", err)
		}
		w.grant(r)
	}
	if err := w.try(func(ctx context.Context) error { return w.Touch(ctx, r) }); err == nil {
		m.recorded = broker.Seconds(w.now())
	}
}

// lost checks that a client whose registration is gone was not in use.
func (w *world) lost(m *member, err error) {
	m.over = true
	if m.off || w.now().Sub(m.issued) >= absolute {
		return
	}
	last := m.recorded
	if last.IsZero() {
		last = m.issued
	}
	// An open registration that is never used expires after three days.
	life := inactive
	if m.recorded.IsZero() && m.tok.IsZero() {
		life = 3 * day
	}
	if idle := w.now().Sub(last); idle < life-time.Hour {
		w.t.Errorf("%s: client %s is lost (%v), it was used %s ago", w.now(), m.id, err, idle)
	}
}

// happen is a random event: of the client, the operator, or outside the broker.
func (w *world) happen(m *member) {
	if m.over {
		return
	}
	ctx := w.t.Context()
	switch w.intN(6) {
	case 0: // the client deletes its registration
		if m.tok.IsZero() {
			return
		}
		m.off = true // even if the call fails
		_ = w.try(func(ctx context.Context) error { return w.Delete(ctx, m.id, m.tok) })
	case 1: // the operator disables it, and enables it again
		m.off = true
		_ = w.try(func(ctx context.Context) error { _, err := w.Disable(ctx, m.id, "ops"); return err })
		if w.chance(0.5) {
			time.Sleep(time.Minute)
			if _, err := w.Enable(ctx, m.id, "ops"); err == nil {
				m.off, m.recorded = false, broker.Seconds(w.now())
			}
		}
	case 2:
		m.off = true
		_ = w.try(func(ctx context.Context) error { _, err := w.DeleteClient(ctx, m.id, "ops"); return err })
	case 3: // an administrator deletes an app client
		w.cognito.DropOne(w.rnd)
	case 4: // a request that timed out long ago creates an app client
		w.cognito.Stray()
	case 5:
		_ = w.try(func(ctx context.Context) error { _, err := w.ApplyProfile(ctx, "trusted", "operator"); return err })
	}
}

// sweeps runs the janitor, sometimes twice at once.
func (w *world) sweeps() {
	run := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
		defer cancel()
		done, err := w.Sweep(ctx, janitor.Options{})
		w.add(done)
		if errors.Is(err, janitor.ErrForeignTable) || errors.Is(err, janitor.ErrTooMany) {
			w.t.Errorf("%s: Sweep: %v", w.now(), err)
		}
		return err
	}
	if w.chance(0.05) {
		other := make(chan error, 1)
		go func() { other <- run(w.t.Context()) }()
		_ = w.try(run)
		<-other
		return
	}
	_ = w.try(run)
}

// refused fails the test unless the error is one that a client can act on.
func (w *world) refused(what string, err error) {
	if e, ok := errors.AsType[*dcr.Error](err); !ok || e.Code != dcr.Unavailable && e.Code != dcr.InvalidClientMetadata {
		w.t.Errorf("%s: %s: %v", w.now(), what, err)
	}
}
