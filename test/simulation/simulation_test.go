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

	users          = 40
	resource       = "https://mcp.example.com/mcp"
	resourceSecret = "the secret of the resource server"
)

const policyDocument = `{"version":1,"open_registration":"open","profiles":{
	"open":{"redirect_uris":{"presets":["claude"],"loopback":true},"limits":{"app_clients":1},"consent":"remember",
		"lifetimes":{"unconfirmed":"3d","inactive":"5d","absolute":"60d"}},
	"trusted":{"redirect_uris":{"any_https":true},"consent":"remember","limits":{"app_clients":40},"lifetimes":{"inactive":"5d","absolute":"60d"}}}}`

// TestInMemory simulates 100,000 registrations in 90 days, with the local
// Cognito.
func TestInMemory(t *testing.T) {
	n := *whole
	if testing.Short() || raceEnabled {
		n = min(n, 5_000)
	}
	simulate(t, size{registrations: n, used: 0.012, sweeps: time.Hour}, func(*testing.T) stores {
		inner := memory.NewStore(nil)
		faulty := fake.NewStore(inner)
		return stores{inner, faulty, faulty.Faults}
	})
}

// TestOnDynamoDB simulates fewer registrations, with a larger share of them in
// use but few at once, and one sweep a day, because each call of moto takes
// milliseconds. Its faults are in requests to DynamoDB.
func TestOnDynamoDB(t *testing.T) {
	endpoint := dynamodbtest.Endpoint(t)
	simulate(t, size{registrations: 300, used: 0.05, atOnce: 3, sweeps: day}, func(t *testing.T) stores {
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
	atOnce        int           // most clients in use at one time; 0 means any number
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
				w.arrive(size)
			}
			w.pass(size.sweeps)
			if (n+1)%max(1, steps/9) == 0 {
				w.checkStored()
			}
			if t.Failed() {
				return
			}
		}
		w.settle()
		w.check()
		t.Logf("seed %d: %+v; %+v", s, w.count, w.total)
	})
}

// member is a client in use, with its own view of its registration.
type member struct {
	id       string
	tok      credential.Token // registration access token; zero if it has none
	redirect string           // redirect URI of its requests
	user     string           // sub of its user
	session  *session         // nil while nobody is signed in
	every    time.Duration    // interval of uses; 0 means never
	next     time.Time
	until    time.Time // no uses after this time
	// issued and recorded are what the broker should have stored: the time of
	// the registration, and of its last use.
	issued   time.Time
	recorded time.Time
	over     bool // deleted, disabled, or removed as expected
	off      bool // switched off or deleted, by operator or client
}

// arrive registers a client, which may become one of the clients in use.
func (w *world) arrive(size size) {
	name, registered, redirect := fmt.Sprintf("Client %d", w.count.registered), "http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"
	var tok credential.Token
	switch {
	case w.chance(0.02):
		tok = w.iat
		name, registered = fmt.Sprintf("App %d", w.count.registered), "https://app.example.com/cb"
		redirect = registered
	case w.chance(0.3):
		name, registered = "Claude", "https://claude.ai/api/mcp/auth_callback"
		redirect = registered
	}
	req, err := dcr.Decode(fmt.Appendf(nil, `{"client_name":%q,"redirect_uris":[%q],"token_endpoint_auth_method":"none"}`, name, registered))
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
	if (!tok.IsZero() && w.chance(0.5) || w.chance(size.used)) && (size.atOnce == 0 || w.inUse() < size.atOnce) {
		w.adopt(&member{
			id: info.ClientID, tok: credential.Presented(info.RegistrationAccessToken), issued: info.IssuedAt, redirect: redirect,
			user: fmt.Sprintf("user-%d", w.intN(users)),
		})
	}
}

// adopt makes m one of the clients in use, for some time.
func (w *world) adopt(m *member) {
	for _, other := range w.members {
		if other.id == m.id {
			return // identical registrations are the same client
		}
	}
	m.every = 10*time.Hour + w.upTo(44*time.Hour)
	m.next = w.now()
	m.until = w.now().Add(w.upTo(40 * day))
	w.members = append(w.members, m)
	w.count.used++
}

// inUse returns the number of clients in use now.
func (w *world) inUse() int {
	n := 0
	for _, m := range w.members {
		if !m.over && w.now().Before(m.until) {
			n++
		}
	}
	return n
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
	if len(w.members) > 0 && w.chance(0.15) {
		w.happen(w.members[w.intN(len(w.members))])
	}
	time.Sleep(d - 5*time.Minute)
	w.sweeps()
	time.Sleep(5 * time.Minute)
	if n := w.cognito.Count(); n > quota {
		w.t.Errorf("%s: %d app clients, but the quota of the pool is %d", w.now(), n, quota)
	}
}

// use is a sign-in, or a refresh if the client holds a refresh token.
func (w *world) use(m *member) {
	if m.session != nil {
		w.refresh(m.session)
		return
	}
	if r := w.registration(m); r != nil {
		w.signIn(m, r)
	}
}

// registration returns the registration of m, or nil if it cannot be used. Then it
// checks that m has not lost it while it was in use.
func (w *world) registration(m *member) *broker.Registration {
	r, err := w.inner.Registration(w.t.Context(), m.id)
	if errors.Is(err, broker.ErrNotFound) || err == nil && r.State != broker.RegistrationActive {
		w.lost(m, err)
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	m.issued = r.IssuedAt
	return r
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
