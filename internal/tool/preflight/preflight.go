// Package preflight is a tool: it checks that table, configuration, user pool and
// keys of a deployment match each other and its environment, and that the
// operator's credentials allow the calls that the functions make. It changes
// nothing: a call that could change something is made so that it cannot succeed.
//
// It leaves out the functions' own roles, which only the functions can use, and
// quotas.
package preflight

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/wire"
	"github.com/dcr-broker/dcr-broker/internal/wire/pool"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configuration"
)

// Status is the outcome of a check.
type Status string

// The statuses. A Warning may be intended.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Fail    Status = "fail"
)

// A Check is the result of one check.
type Check struct {
	// ID names the check, such as pool.domain. It does not change between
	// versions.
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Detail is the finding, Do what to do about it; empty if nothing.
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

// Options select the deployment.
type Options struct {
	// Environment is the result of environment.AppClients.
	Environment *environment.Environment
	SDK         aws.Config
	// HTTP asks the issuer. nil is http.DefaultClient.
	HTTP *http.Client
	// Each is called with each check as soon as it is done. Optional.
	Each func(Check)
}

// run is one run.
type run struct {
	Options
	cognito *cip.Client
	dynamo  *dynamodb.Client
	conf    *configuration.Configuration // nil if it cannot be read
	// tableUsable is whether the table exists and has the right schema.
	tableUsable bool
	// resourceServer is the identifier of a resource server, empty if none is known.
	resourceServer string
	checks         []Check
}

// Run makes all checks and returns them. It leaves out checks that depend on
// one that failed.
func Run(ctx context.Context, o Options) []Check {
	r := newRun(o)
	for _, check := range []func(context.Context){r.table, r.tableCalls, r.configuration, r.pool, r.registration, r.metadataDocuments, r.scopes, r.identityProviders, r.cognitoCalls, r.scopeCalls, r.keys, r.edge} {
		if ctx.Err() != nil {
			return r.checks
		}
		check(ctx)
	}
	return r.checks
}

func newRun(o Options) *run {
	return &run{Options: o, cognito: pool.API(o.Environment, o.SDK), dynamo: wire.DynamoDB(o.Environment, o.SDK)}
}

// Document makes the checks that compare a configuration with the user pool, and
// returns them. The scopes are not among them.
func Document(ctx context.Context, o Options, conf *configuration.Configuration) []Check {
	r := newRun(o)
	r.conf = conf
	r.document(ctx)
	return r.checks
}

func (r *run) document(ctx context.Context) {
	r.pool(ctx)
	r.identityProviders(ctx)
	r.checks = slices.DeleteFunc(r.checks, func(c Check) bool {
		return !slices.Contains([]string{"pool", "configuration.rotation", "configuration.binding", "pool.identity-providers"}, c.ID)
	})
}

// Failed reports whether a check failed.
func Failed(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.Status == Fail })
}

func (r *run) add(status Status, id, detail, do string) {
	c := Check{ID: id, Status: status, Detail: strings.TrimSpace(detail), Do: do}
	r.checks = append(r.checks, c)
	if r.Each != nil {
		r.Each(c)
	}
}

func (r *run) ok(id, detail string)         { r.add(OK, id, detail, "") }
func (r *run) warn(id, detail, do string)   { r.add(Warning, id, detail, do) }
func (r *run) failed(id, detail, do string) { r.add(Fail, id, detail, do) }
