package cognito

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// verdict is what an error means to the broker and to the client.
type verdict struct {
	applied    string   // "no" or "unknown"
	code       dcr.Code // empty: only the operator can act, a logged 500
	retryAfter time.Duration
	notFound   bool
}

var (
	throttled   = verdict{"no", dcr.Unavailable, 2 * time.Second, false}
	changing    = verdict{"no", dcr.Unavailable, time.Second, false}
	poolFull    = verdict{"no", dcr.Unavailable, 5 * time.Minute, false}
	notSent     = verdict{"no", dcr.Unavailable, 5 * time.Second, false}
	unknown     = verdict{"unknown", dcr.Unavailable, 5 * time.Second, false}
	clients     = verdict{"no", dcr.InvalidClientMetadata, 0, false}
	operators   = verdict{"no", "", 0, false}
	noSuchThing = verdict{"no", "", 0, true}
)

// modelled has the verdict on every error that the service model lists for the
// operations. The key has the operation's name in front if operations differ.
var modelled = map[string]verdict{
	"ConcurrentModificationException":   changing,
	"FeatureUnavailableInTierException": operators,
	"InternalErrorException":            unknown,
	"InvalidOAuthFlowException":         operators,
	"InvalidParameterException":         clients,
	"LimitExceededException":            poolFull,
	"NotAuthorizedException":            operators,
	"OperationNotEnabledException":      operators,
	"ResourceNotFoundException":         noSuchThing,
	"ScopeDoesNotExistException":        operators,
	"TooManyRequestsException":          throttled,

	// Create and List name no app client, so the pool does not exist.
	"CreateUserPoolClient ResourceNotFoundException": operators,
	"ListUserPoolClients ResourceNotFoundException":  operators,
	// These requests have no values from a client.
	"DeleteUserPoolClient InvalidParameterException":   operators,
	"DescribeUserPoolClient InvalidParameterException": operators,
	"ListUserPoolClients InvalidParameterException":    operators,
}

const awsText = "text of AWS with an internal name"

// Every error that the SDK can return for these operations has a verdict. This
// test fails for a new error of a later SDK until the table has a verdict on
// it.
func TestEveryModelledErrorIsMappedOnPurpose(t *testing.T) {
	listed := modelledErrors(t)
	seen := map[string]bool{}
	for _, op := range []operation{opCreate, opUpdate, opDelete, opDescribe, opList} {
		if len(listed[op.name]) < 6 {
			t.Fatalf("%s: the SDK lists %q, want at least the errors that all operations have", op.name, listed[op.name])
		}
		for _, code := range listed[op.name] {
			t.Run(op.name+"/"+code, func(t *testing.T) {
				key := op.name + " " + code
				want, ok := modelled[key]
				if !ok {
					key = code
					want, ok = modelled[key]
				}
				if !ok {
					t.Fatalf("no verdict on %s: add one", code)
				}
				seen[key] = true
				status := http.StatusBadRequest
				if code == "InternalErrorException" {
					status = http.StatusInternalServerError
				}
				checkVerdict(t, send(t, op, reply(status, code, awsText)), want)
			})
		}
	}
	for key := range modelled {
		if !seen[key] {
			t.Errorf("the verdict on %s is never used: the SDK does not list it", key)
		}
	}
}

func TestOtherErrorsAreMappedOnPurpose(t *testing.T) {
	tests := []struct {
		name string
		do   doerFunc
		want verdict
	}{
		// Errors that all AWS services share and no model lists.
		{"throttled by the front", reply(400, "ThrottlingException", "Rate exceeded"), throttled},
		{"throttled with 429", reply(429, "SomethingNew", ""), throttled},
		{"limit that is a rate", reply(400, "LimitExceededException", "Rate exceeded for CreateUserPoolClient"), throttled},
		{"limit that only sounds like a rate", reply(400, "LimitExceededException", "separate limit"), poolFull},
		{"IAM", reply(400, "AccessDeniedException", awsText), operators},
		{"credentials expired", reply(400, "ExpiredTokenException", awsText), operators},
		{"signature", reply(403, "InvalidSignatureException", awsText), operators},
		{"unknown error for our request", reply(400, "SomethingNewException", awsText), operators},
		{"service unavailable", reply(503, "ServiceUnavailableException", awsText), unknown},
		{"request time-out", reply(408, "RequestTimeoutException", awsText), unknown},
		{"bad gateway, not JSON", respond(502, "<html>"), unknown},
		{"answer cut short", respond(200, `{"UserPoolClient": {"Cli`), unknown},
		{"answer without an app client", respond(200, `{}`), unknown},
		{"answer without an id", respond(200, `{"UserPoolClient": {}}`), unknown},
		{"redirect", respond(302, ``), unknown},
		// The transport.
		{"connection reset", fails(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), unknown},
		{"end of file", fails(io.ErrUnexpectedEOF), unknown},
		{"connection refused", fails(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), notSent},
		{"no such host", fails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}), notSent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkVerdict(t, send(t, opCreate, tt.do), tt.want)
		})
	}
}

func TestSigningErrorIsForTheOperator(t *testing.T) {
	c := open(t, fails(errors.New("never asked")), func(o *cip.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credentials: " + awsText)
		})
	})
	_, err := c.Create(t.Context(), marker, public())
	checkVerdict(t, err, operators)
}

// The bubble's clock stands still until the request is sent, so the time-out
// never comes before it.
func TestACreateThatTimesOutMayHaveBeenApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c.timeout = time.Millisecond
		_, err := c.Create(t.Context(), marker, public())
		checkVerdict(t, err, unknown)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Create = %v, want one that names the time-out", err)
		}
	})
}

func TestACancelledContextSendsNothing(t *testing.T) {
	c := open(t, func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent, want none")
		return nil, io.EOF
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Create(ctx, marker, public())
	checkVerdict(t, err, notSent)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want it to be context.Canceled", err)
	}
}

func checkVerdict(t *testing.T, err error, want verdict) {
	t.Helper()
	if full := errors.Is(err, broker.ErrAppClientLimit); full != (want == poolFull) {
		t.Errorf("%v is ErrAppClientLimit: %t, want %t", err, full, want == poolFull)
	}
	if err == nil {
		t.Fatal("no error")
	}
	got := verdict{applied: "unknown", notFound: errors.Is(err, broker.ErrNotFound)}
	if _, ok := errors.AsType[*broker.NotAppliedError](err); ok {
		got.applied = "no"
	}
	if e, ok := errors.AsType[*dcr.Error](err); ok {
		got.code, got.retryAfter = e.Code, e.RetryAfter
		if strings.Contains(e.Description, awsText) || e.Description == "" {
			t.Errorf("description %q, want a text without AWS's text", e.Description)
		}
	}
	if got != want {
		t.Errorf("%v: got %+v, want %+v", err, got, want)
	}
	if !strings.HasPrefix(err.Error(), "cognito: ") {
		t.Errorf("error %q does not name its package", err)
	}
}

// send makes one call of op whose request is answered by do.
func send(t *testing.T, op operation, do doerFunc) error {
	t.Helper()
	c := open(t, do)
	id, pool := aws.String("1example23456789"), aws.String(here.pool)
	var err error
	switch op.name {
	case opCreate.name:
		_, err = c.Create(t.Context(), marker, public())
	case opUpdate.name:
		_, err = call(t.Context(), c, op, c.api.UpdateUserPoolClient, &cip.UpdateUserPoolClientInput{UserPoolId: pool, ClientId: id})
	case opDelete.name:
		_, err = call(t.Context(), c, op, c.api.DeleteUserPoolClient, &cip.DeleteUserPoolClientInput{UserPoolId: pool, ClientId: id})
	case opDescribe.name:
		_, err = call(t.Context(), c, op, c.api.DescribeUserPoolClient, &cip.DescribeUserPoolClientInput{UserPoolId: pool, ClientId: id})
	case opList.name:
		for _, e := range c.List(t.Context()) {
			err = e
		}
	default:
		t.Fatalf("send does not know %s", op.name)
	}
	if err != nil && !strings.Contains(err.Error(), op.doing) {
		t.Errorf("error %q does not contain %q", err, op.doing)
	}
	return err
}

// open returns app clients whose requests are answered by do, with a clock that
// sleeping moves.
func open(t *testing.T, do doerFunc, options ...func(*cip.Options)) *AppClients {
	t.Helper()
	o := cip.Options{Region: "us-east-1", Credentials: testCredentials, HTTPClient: do}
	for _, set := range options {
		set(&o)
	}
	clock := newClock()
	c, err := New(cip.New(o), Config{
		Pool: here.pool, Deployment: here.deployment, Settings: fixed(DefaultSettings()), Counters: &counters{}, Now: clock.Now, Sleep: clock.sleep,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reply(status int, code, message string) doerFunc {
	body, _ := json.Marshal(map[string]string{"__type": code, "message": message})
	return respond(status, string(body))
}

func respond(status int, body string) doerFunc {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
			Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
}

func fails(err error) doerFunc {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

// modelledErrors reads in the SDK's source the errors of each operation that
// the broker calls. That source is generated from the service model.
func modelledErrors(t *testing.T) map[string][]string {
	t.Helper()
	pkg, err := build.Import("github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider", ".", build.FindOnly)
	if err != nil {
		t.Fatalf("find the SDK's source: %v", err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, "deserializers.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string][]string{}
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		op, ok := strings.CutPrefix(f.Name.Name, "awsAwsjson11_deserializeOpError")
		if !ok {
			continue
		}
		names := map[string]bool{}
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if s, err := strconv.Unquote(l.Value); err == nil && strings.HasSuffix(s, "Exception") {
					names[s] = true
				}
			}
			return true
		})
		listed[op] = slices.Sorted(maps.Keys(names))
	}
	return listed
}
