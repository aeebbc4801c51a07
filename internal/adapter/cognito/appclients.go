package cognito

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/telemetry"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// Config is the pool, the deployment and the settings of the app clients.
type Config struct {
	// Pool is the id of the user pool, as in "eu-central-1_AbCdEfGhI".
	Pool string
	// Deployment is the id of this deployment, see checkDeployment. App clients
	// that were made under another id are neither changed nor listed.
	Deployment string
	// Settings returns the settings in force. It is called for each app client
	// that is created or updated, and for each list.
	Settings func(context.Context) (Settings, error)
	Counters Counters
	// Now is the clock.
	Now func() time.Time
	// Timeout is how long one call to Cognito may take; 0 means 5 seconds.
	// Waiting for admission does not count.
	Timeout time.Duration
	// Sleep returns early, with an error, when the context is done; nil means
	// broker.Pause.
	Sleep func(context.Context, time.Duration) error
}

// AppClients are the app clients of a deployment in one user pool. It is safe
// for concurrent use. It implements the ports of direct, provision and janitor.
type AppClients struct {
	api         *cip.Client
	pool        string
	deployment  string
	getSettings func(context.Context) (Settings, error)
	counters    Counters
	timeout     time.Duration
	now         func() time.Time
	sleep       func(context.Context, time.Duration) error
}

// New returns the app clients of c, or an error with all faults of c. It makes
// no calls.
func New(api *cip.Client, c Config) (*AppClients, error) {
	var faults []error
	if !isPool(c.Pool) {
		faults = append(faults, fmt.Errorf("user pool id %q: want one like eu-central-1_AbCdEfGhI", c.Pool))
	}
	if c.Counters == nil {
		faults = append(faults, errors.New("counters: needed to keep below Cognito's rate"))
	}
	if c.Now == nil {
		faults = append(faults, errors.New("now: needed as the clock"))
	}
	if c.Timeout < 0 {
		faults = append(faults, fmt.Errorf("timeout: %s is negative", c.Timeout))
	}
	if c.Settings == nil {
		faults = append(faults, errors.New("settings: needed for each app client"))
	}
	faults = append(faults, checkDeployment(c.Deployment))
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("cognito: %w", err)
	}
	a := &AppClients{
		api:         api,
		pool:        c.Pool,
		deployment:  c.Deployment,
		getSettings: c.Settings,
		counters:    c.Counters,
		timeout:     cmp.Or(c.Timeout, 5*time.Second),
		now:         c.Now,
		sleep:       c.Sleep,
	}
	if a.sleep == nil {
		a.sleep = broker.Pause
	}
	return a, nil
}

// settings returns the settings in force, or a NotAppliedError.
func (c *AppClients) settings(ctx context.Context) (Settings, error) {
	s, err := c.getSettings(ctx)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return Settings{}, &broker.NotAppliedError{Err: fmt.Errorf("cognito: settings of app clients: %w", err)}
	}
	return s, nil
}

// operation describes an operation of the API.
type operation struct {
	name  string
	doing string
	// metadata: the request carries the client's metadata.
	metadata bool
	// one: the request names an app client.
	one bool
	// repeatable: a repeated request has the same effect as one.
	repeatable bool
}

var (
	opCreate   = operation{name: "CreateUserPoolClient", doing: "create app client", metadata: true}
	opUpdate   = operation{name: "UpdateUserPoolClient", doing: "update app client", metadata: true, one: true}
	opDelete   = operation{name: "DeleteUserPoolClient", doing: "delete app client", one: true, repeatable: true}
	opDescribe = operation{name: "DescribeUserPoolClient", doing: "read app client", one: true, repeatable: true}
	opList     = operation{name: "ListUserPoolClients", doing: "list app clients", repeatable: true}
)

// Create implements direct.Pool.
func (c *AppClients) Create(ctx context.Context, marker string, m dcr.ClientMetadata) (broker.NewAppClient, error) {
	if err := checkMarker(marker); err != nil {
		return broker.NewAppClient{}, &broker.NotAppliedError{Err: fmt.Errorf("cognito: create app client: %w", err)}
	}
	settings, err := c.settings(ctx)
	if err != nil {
		return broker.NewAppClient{}, err
	}
	out, err := call(ctx, c, opCreate, c.api.CreateUserPoolClient, createInput(c.target(marker), m, settings))
	if err != nil {
		return broker.NewAppClient{}, err
	}
	if out.UserPoolClient == nil || aws.ToString(out.UserPoolClient.ClientId) == "" {
		return broker.NewAppClient{}, opCreate.failed(noAnswer(), errNoAppClient)
	}
	return broker.NewAppClient{
		ID:     aws.ToString(out.UserPoolClient.ClientId),
		Secret: aws.ToString(out.UserPoolClient.ClientSecret),
	}, nil
}

// Update implements direct.Pool. It reads the app client first: to see
// that it belongs to this deployment, for check, and because Cognito resets
// absent fields.
func (c *AppClients) Update(ctx context.Context, id, marker string, m dcr.ClientMetadata, check func(secret string) error) error {
	present, err := c.describe(ctx, id, marker)
	if err != nil {
		return notApplied(err)
	}
	secret := aws.ToString(present.ClientSecret)
	if check != nil {
		if err := check(secret); err != nil {
			return &broker.NotAppliedError{Err: err}
		}
	}
	// Cognito cannot add or remove the secret of an app client. Without this
	// check the client would have an authentication method that always fails.
	if confidential(m) != (secret != "") {
		return &broker.NotAppliedError{Err: fmt.Errorf("cognito: update app client: %s would change between public and confidential", id)}
	}
	settings, err := c.settings(ctx)
	if err != nil {
		return err
	}
	_, err = call(ctx, c, opUpdate, c.api.UpdateUserPoolClient, updateInput(c.target(marker), present, m, settings))
	return err
}

// Delete implements direct.Pool.
func (c *AppClients) Delete(ctx context.Context, id, marker string) error {
	_, err := c.describe(ctx, id, marker)
	if errors.Is(err, broker.ErrNotFound) {
		return nil
	}
	if err != nil {
		return notApplied(err)
	}
	in := &cip.DeleteUserPoolClientInput{UserPoolId: aws.String(c.pool), ClientId: aws.String(id)}
	_, err = call(ctx, c, opDelete, c.api.DeleteUserPoolClient, in)
	if errors.Is(err, broker.ErrNotFound) {
		return nil // deleted after the read
	}
	return err
}

// List implements janitor.Pool. It stops after an error. At the end it
// sets the metric AppClientQuotaUsed.
func (c *AppClients) List(ctx context.Context) iter.Seq2[broker.ListedAppClient, error] {
	return func(yield func(broker.ListedAppClient, error) bool) {
		in := &cip.ListUserPoolClientsInput{UserPoolId: aws.String(c.pool), MaxResults: aws.Int32(60)}
		all := 0
		for {
			page, err := call(ctx, c, opList, c.api.ListUserPoolClients, in)
			if err != nil {
				yield(broker.ListedAppClient{}, err)
				return
			}
			all += len(page.UserPoolClients)
			for _, d := range page.UserPoolClients {
				deployment, marker, ok := parseMarker(aws.ToString(d.ClientName))
				if !ok || deployment != c.deployment {
					continue
				}
				if !yield(broker.ListedAppClient{ID: aws.ToString(d.ClientId), Marker: marker}, nil) {
					return
				}
			}
			// A page may be short or empty although it is not the last.
			if aws.ToString(page.NextToken) == "" {
				if s, err := c.getSettings(ctx); err == nil {
					telemetry.Set(ctx, telemetry.AppClientQuota, 100*float64(all)/float64(cmp.Or(s.Quota, defaultQuota)))
				}
				return
			}
			in.NextToken = page.NextToken
		}
	}
}

var errNoAppClient = errors.New("the response has no app client")

// describe returns the app client id if it belongs to this deployment and
// carries the marker. If it does not exist, the error is broker.ErrNotFound.
func (c *AppClients) describe(ctx context.Context, id, marker string) (*types.UserPoolClientType, error) {
	present, err := c.read(ctx, id)
	if err != nil {
		return nil, err
	}
	name := aws.ToString(present.ClientName)
	if d, m, ok := parseMarker(name); !ok || d != c.deployment || m != marker {
		return nil, fmt.Errorf("cognito: app client %s is named %q and does not carry marker %q of deployment %q: it was not changed", id, name, marker, c.deployment)
	}
	return present, nil
}

// read returns the app client id, also one that the broker did not make. If
// it does not exist, the error is broker.ErrNotFound.
func (c *AppClients) read(ctx context.Context, id string) (*types.UserPoolClientType, error) {
	in := &cip.DescribeUserPoolClientInput{UserPoolId: aws.String(c.pool), ClientId: aws.String(id)}
	out, err := call(ctx, c, opDescribe, c.api.DescribeUserPoolClient, in)
	if errors.Is(err, broker.ErrNotFound) {
		// Cognito returns the same error if the pool does not exist. With a
		// wrong pool id in the configuration the records of app clients must
		// not be deleted.
		probe := &cip.ListUserPoolClientsInput{UserPoolId: aws.String(c.pool), MaxResults: aws.Int32(1)}
		if _, err := call(ctx, c, opList, c.api.ListUserPoolClients, probe); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	if out.UserPoolClient == nil {
		return nil, opDescribe.failed(noAnswer(), errNoAppClient)
	}
	return out.UserPoolClient, nil
}

func (c *AppClients) target(marker string) target {
	return target{pool: c.pool, deployment: c.deployment, marker: marker}
}

// call admits and sends a request, and classifies its error. If the request is
// repeatable and may succeed in the next second, it is sent once more.
func call[I, O any](ctx context.Context, c *AppClients, op operation, send func(context.Context, *I, ...func(*cip.Options)) (*O, error), in *I) (*O, error) {
	if err := c.admit(ctx, op); err != nil {
		return nil, err
	}
	out, first := once(ctx, c, op, send, in)
	if first == nil || !op.repeatable || !mayRepeat(first) {
		return out, first
	}
	if err := c.sleep(ctx, nextSecond(c.now()).Sub(c.now())); err != nil {
		return nil, first
	}
	if err := c.admit(ctx, op); err != nil {
		return nil, first
	}
	out, second := once(ctx, c, op, send, in)
	// The second attempt was not applied, but the first may have been.
	if isNotApplied(second) && !isNotApplied(first) && !errors.Is(second, broker.ErrNotFound) {
		return nil, first
	}
	return out, second
}

// mayRepeat reports whether the same request may succeed a second later. A
// request that ran into its timeout is not repeated.
func mayRepeat(err error) bool {
	e, ok := errors.AsType[*dcr.Error](err)
	return ok && e.Code == dcr.Unavailable && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func once[I, O any](ctx context.Context, c *AppClients, op operation, send func(context.Context, *I, ...func(*cip.Options)) (*O, error), in *I) (*O, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var transport recorder
	out, err := send(ctx, in, func(o *cip.Options) {
		// The SDK would repeat a create after a lost response, which makes a
		// second app client, and would bypass admission.
		o.Retryer = aws.NopRetryer{}
		transport.next, o.HTTPClient = o.HTTPClient, &transport
	})
	if err != nil {
		return nil, op.failure(transport.sent, err)
	}
	return out, nil
}

// recorder is an HTTP client that records whether a request may have been sent.
type recorder struct {
	next cip.HTTPClient
	sent bool
}

// Do implements cip.HTTPClient.
func (w *recorder) Do(r *http.Request) (*http.Response, error) {
	resp, err := w.next.Do(r)
	op, ok := errors.AsType[*net.OpError](err)
	w.sent = w.sent || !ok || op.Op != "dial"
	return resp, err
}
