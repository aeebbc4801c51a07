// Package preflight looks whether what a deployment stands on is as its
// configuration says: user pool, table, keys and policy, and whether the
// credentials at hand may call what the functions call. It changes nothing: what
// would change something is called so that it cannot succeed.
//
// It says nothing of the functions' own roles, which only they have, nor of
// quotas.
package preflight

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/dcr-broker/dcr-broker/internal/environment"
)

// Status is what came of a check.
type Status string

// The statuses. A Warning is something that need not be wrong.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Fail    Status = "fail"
)

// A Check is one thing that was looked at.
type Check struct {
	// ID is what was looked at, such as pool.domain, and stays the same.
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Detail is what was found, Do what to do about it; empty if nothing.
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"`
}

// Options say what to look at.
type Options struct {
	// Config is what environment.AppClients has read.
	Config *environment.Config
	SDK    aws.Config
	// Each, if not nil, is told of each check as it comes.
	Each func(Check)
}

// run is one run.
type run struct {
	Options
	cognito *cip.Client
	dynamo  *dynamodb.Client
	checks  []Check
}

// Run looks at everything, and returns all checks. What cannot be looked at since
// something else is wrong is left out.
func Run(ctx context.Context, o Options) []Check {
	c := o.Config
	r := &run{
		Options: o,
		cognito: cip.NewFromConfig(o.SDK, func(o *cip.Options) {
			o.Region = c.Region
			if c.CognitoEndpoint != "" {
				o.BaseEndpoint = aws.String(c.CognitoEndpoint)
			}
		}),
		dynamo: dynamodb.NewFromConfig(o.SDK, func(o *dynamodb.Options) {
			o.Region = c.Region
			if c.DynamoDBEndpoint != "" {
				o.BaseEndpoint = aws.String(c.DynamoDBEndpoint)
			}
		}),
	}
	for _, look := range []func(context.Context){r.pool, r.scopes, r.identityProviders, r.cognitoCalls, r.table, r.tableCalls, r.policy, r.keys} {
		if ctx.Err() != nil {
			return r.checks
		}
		look(ctx)
	}
	return r.checks
}

// Failed reports whether one of them failed.
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
