package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/dcr-broker/dcr-broker/config"
	"github.com/dcr-broker/dcr-broker/internal/adapter/dynamo"
	"github.com/dcr-broker/dcr-broker/internal/environment"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	wireregister "github.com/dcr-broker/dcr-broker/internal/wire/register"
	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/clients"
	"github.com/dcr-broker/dcr-broker/pkg/broker/configure"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/dynamodbtest"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/golden"
	"github.com/dcr-broker/dcr-broker/test/must"
	"github.com/rogpeppe/go-internal/testscript"
)

var casts = flag.String("casts", "", "directory for the output that make casts draws")

// The scripts run dcrctl, and golden, which is dcrctl with output that is the
// same in every run.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"dcrctl": main, "golden": normalized})
}

// normalized is the command golden.
func normalized() {
	var out, errs bytes.Buffer
	code := run(context.Background(), os.Args[1:], &out, &errs, os.Getenv)
	fmt.Fprint(os.Stdout, normalize(out.String()))
	fmt.Fprint(os.Stderr, normalize(errs.String()))
	os.Exit(code)
}

// normalize replaces times, random values and local addresses by constants. In
// columns the constants have the same length as the values.
func normalize(s string) string {
	s = regexp.MustCompile(`20\d\d-\d\d-\d\d([ T])\d\d:\d\d:\d\d`).ReplaceAllString(s, `2026-01-02${1}15:04:05`)
	s = regexp.MustCompile(`(\.\d+)?(Z|[+-]\d\d:\d\d)"`).ReplaceAllString(s, `Z"`)
	s = regexp.MustCompile(`(client_id_issued_at": )\d+`).ReplaceAllString(s, "${1}1767366245")
	s = regexp.MustCompile(`token [a-z2-7]{11}\.\.\.`).ReplaceAllString(s, "token xxxxxxxxxxx...")
	s = regexp.MustCompile(`dcr_(iat|rat|cs)_[a-z2-7]+`).ReplaceAllString(s, "dcr_${1}_SECRET")
	s = regexp.MustCompile(`\b(dcr_)?[a-z0-9]{26}\b`).ReplaceAllStringFunc(s, func(id string) string {
		return id[:len(id)-26] + strings.Repeat("x", 26)
	})
	s = regexp.MustCompile(`dcrctl-x{26}`).ReplaceAllString(s, "dcrctl-"+strings.Repeat("x", 26))
	return regexp.MustCompile(`http://(localhost|127\.0\.0\.1):\d+`).ReplaceAllString(s, "http://localhost:0")
}

// Commands that need neither table nor user pool.
func TestScriptsWithoutAWS(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/local", UpdateScripts: *golden.Update, ContinueOnError: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exitcode": exitCode},
		Setup: func(e *testscript.Env) error {
			e.Setenv("FIXTURES", fixtures(t))
			e.Setenv("GORACE", os.Getenv("GORACE"))
			return os.WriteFile(filepath.Join(e.WorkDir, "broker.json"), config.Example(), 0o600)
		},
	})
}

func fixtures(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../testdata/registrations")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// Each script has a table and a user pool of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	endpoint := dynamodbtest.Endpoint(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *golden.Update, ContinueOnError: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("CASTS", *casts)
			return newWorld(t, e, endpoint)
		},
		Cmds: scriptCommands,
		Condition: func(name string) (bool, error) {
			if name != "casts" {
				return false, fmt.Errorf("there is no condition %q", name)
			}
			return *casts != "", nil
		},
	})
}

// scriptCommands are the commands that scripts have besides dcrctl and golden.
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"register": register, "grant": makeGrant, "appclient": makeAppClient, "fault": injectFault, "pool": countClients, "capture": capture,
	"exitcode": exitCode, "interrupted": interrupted, "newtable": newTable, "touch": touch, "settable": setTable, "gone": makeGone,
	"scans": countScans, "clear": clearFaults, "lifetime": accessTokenLifetime, "meanwhile": meanwhile, "during": during,
	"pad": pad, "losebody": loseBody, "alterbody": alterBody,
	"signin": signInAt, "motopool": motoPool, "stack": makeStack, "cloudformation": answerOfCloudFormation,
}

// world is the user pool and the database that a script works on.
type world struct {
	pool   *emulator.Cognito
	server *httptest.Server
	dynamo *dynamodb.Client
	// scans is the number of Scans since the command scans was last used.
	scans atomic.Int64
	// answered is called after Cognito has carried out an operation.
	answered atomic.Pointer[hook]
	// running is the broker, once the script has started it.
	running *process
}

type worldKey struct{}

func newWorld(t *testing.T, e *testscript.Env, endpoint string) error {
	w := &world{server: httptest.NewUnstartedServer(nil)}
	address := "http://" + w.server.Listener.Addr().String()
	login := 2
	direct := strings.Contains(filepath.Base(e.WorkDir), "direct")
	if direct {
		login = 1
	}
	var err error
	w.pool, err = emulator.New(emulator.Config{
		BaseURL: address, ManagedLogin: login, Key: fake.SigningKey(), NoRateLimit: true,
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read", "write"}}},
		// As template.yaml makes a pool: user names are UUIDs.
		EmailUsernames: true, BareIDTokens: true,
		Users: []emulator.User{{Name: "ada@example.com", Password: "Correct-horse-1"}},
	})
	if err != nil {
		return err
	}
	w.server.Config.Handler = w
	w.server.Start()
	e.Defer(w.server.Close)

	table := httptest.NewServer(w.dynamoDB(must.ParseURL(t, endpoint)))
	e.Defer(table.Close)

	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	keys := filepath.Join(e.WorkDir, "keys.json")
	body := fmt.Sprintf(`{"version":1,"seal":"k1","keys":{"k1":%q},"mac":%q}`, key, key)
	if err := os.WriteFile(keys, []byte(body), 0o600); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_STS": endpoint, "DYNAMODB_ENDPOINT": table.URL, "COGNITO_ENDPOINT": address,
		"ISSUER": "https://auth.example.com", "USER_POOL_ID": "us-east-1_local00001", "COGNITO_DOMAIN": "https://pool.example.com",
		"COGNITO_BACK_CHANNEL": address, "DEPLOYMENT_ID": "test", "KEYS": "keys.json",
		"LOGIN_VERSION": strconv.Itoa(login), "FIXTURES": fixtures(t), "LANG": "C", "LC_ALL": "",
		"GORACE": os.Getenv("GORACE"), // dcrctl is the test's own binary here
	} {
		e.Setenv(name, value)
	}
	if direct {
		e.Setenv("AUTHORIZATION", "direct")
	}
	sdk, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion("us-east-1"))
	if err != nil {
		return err
	}
	w.dynamo = dynamodb.NewFromConfig(sdk, func(o *dynamodb.Options) { o.BaseEndpoint = aws.String(endpoint) })
	e.Values[worldKey{}] = w
	name := "dcrctl-" + credential.NewID()
	e.Setenv("TABLE_NAME", name)
	if err := dynamo.CreateTable(t.Context(), w.dynamo, name); err != nil {
		return err
	}
	document := config.Example()
	if err := os.WriteFile(filepath.Join(e.WorkDir, "broker.json"), document, 0o600); err != nil {
		return err
	}
	mode := broker.ModeBrokered
	if direct {
		mode = broker.ModeDirect
	}
	writer, err := configure.New(configure.Config{
		Store:      dynamo.New(w.dynamo, name, time.Now).Configuration(),
		Deployment: broker.Deployment{ID: "test", Mode: mode, Issuer: "https://auth.example.com", LoginVersion: login},
		Now:        time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	_, err = writer.Apply(t.Context(), document, "the test", 0)
	return err
}

// dynamoDB returns a proxy to DynamoDB that counts Scans.
func (w *world) dynamoDB(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		if strings.HasSuffix(r.In.Header.Get("X-Amz-Target"), ".Scan") {
			w.scans.Add(1)
		}
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
}

// scriptDeployment returns the deployment that the script's environment
// describes, for use in the process of the test.
func scriptDeployment(ts *testscript.TestScript) *deployment {
	c, err := environment.AppClients(getenv(ts))
	ts.Check(err)
	sdk, err := awsconfig.LoadDefaultConfig(context.Background(), awsconfig.WithRegion("us-east-1"))
	ts.Check(err)
	d, err := deploymentOf(c, sdk, slog.New(slog.DiscardHandler), "ops")
	ts.Check(err)
	return d
}

// getenv returns the script's environment, with absolute paths, since the process
// of the test has another working directory.
func getenv(ts *testscript.TestScript) func(string) string {
	return func(name string) string {
		v := ts.Getenv(name)
		if v != "" && (name == "KEYS" || name == "CONFIGURATION") && !strings.Contains(v, ":") {
			return ts.MkAbs(v)
		}
		return v
	}
}

// interrupted OPERATION COMMAND...: runs the command and interrupts it as soon as
// Cognito has answered that operation once. The command must report that.
func interrupted(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := ts.Value(worldKey{}).(*world)
	w.answered.Store(&hook{operation: args[0], call: cancel})
	defer w.answered.Store(nil)
	var out, errs bytes.Buffer
	code := run(ctx, args[1:], &out, &errs, getenv(ts))
	if code != failed || !strings.Contains(errs.String(), "Interrupted") {
		ts.Fatalf("the interrupted command ended with %d and\n%s%s\nwant 1 and \"Interrupted\"", code, out.String(), errs.String())
	}
}

// A hook is called after Cognito has carried out an operation.
type hook struct {
	operation string
	call      func()
	// holds is whether the command gets Cognito's answer only after call.
	holds bool
}

func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.pool.ServeHTTP(rw, r)
	if h := w.answered.Load(); h != nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+h.operation) {
		if f, ok := rw.(http.Flusher); ok && !h.holds {
			f.Flush()
		}
		h.call()
	}
}

// exitcode N COMMAND...: the command must end with exit code N. The script's !
// only tests that it is not 0.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	code := 0
	err := ts.Exec(args[1], args[2:]...)
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(code) != want {
		ts.Fatalf("%s ended with %d, want %s", strings.Join(args[1:], " "), code, want)
	}
}

// register FILE [PROFILE]: registers a client, openly or with an initial access
// token, and sets CLIENT.
func register(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: register FILE [PROFILE]")
	}
	d := scriptDeployment(ts)
	req, err := dcr.Decode([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	var tok credential.Token
	if len(args) == 2 {
		var rec *credential.InitialAccessToken
		tok, rec, err = credential.NewInitialAccessToken(credential.Terms{Profile: args[1], CreatedBy: "the test", Label: "made by the script", MaxUses: 1}, time.Now())
		ts.Check(err)
		ts.Check(d.store.CreateInitialAccessToken(context.Background(), rec))
		ts.Setenv("TOKEN_ID", rec.ID)
	}
	g, err := wireregister.New(d.parts)
	ts.Check(err)
	info, err := g.Register(context.Background(), req, tok)
	ts.Check(err)
	ts.Setenv("CLIENT", info.ClientID)
}

// touch CLIENT: records a use of the client.
func touch(ts *testscript.TestScript, _ bool, args []string) {
	d := scriptDeployment(ts)
	r, err := d.store.Registration(context.Background(), args[0])
	ts.Check(err)
	ts.Check(clients.New(broker.ModeBrokered, d.store, time.Now).Touch(context.Background(), r))
}

// grant ID CLIENT SUB EMAIL: stores a grant.
func makeGrant(ts *testscript.TestScript, _ bool, args []string) {
	d := scriptDeployment(ts)
	r, err := d.store.Registration(context.Background(), args[1])
	ts.Check(err)
	now := broker.Seconds(time.Now())
	ts.Check(d.store.CreateGrant(context.Background(), &broker.Grant{
		ID: args[0], ClientID: args[1], Generation: r.Generation, User: broker.User{Sub: args[2], Username: "name-of-" + args[2], Email: args[3]},
		Scopes: []string{"mcp/read"}, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
	}))
}

// appclient NAME REDIRECT_URI: creates an app client that is not the broker's,
// and sets APP_CLIENT.
func makeAppClient(ts *testscript.TestScript, _ bool, args []string) {
	d := scriptDeployment(ts)
	api := cip.NewFromConfig(d.parts.SDK, func(o *cip.Options) { o.BaseEndpoint = aws.String(d.config.CognitoEndpoint) })
	out, err := api.CreateUserPoolClient(context.Background(), &cip.CreateUserPoolClientInput{
		UserPoolId: &d.config.UserPoolID, ClientName: &args[0], AllowedOAuthFlowsUserPoolClient: true,
		AllowedOAuthFlows: []types.OAuthFlowType{types.OAuthFlowTypeCode}, AllowedOAuthScopes: []string{"openid", "mcp/read"},
		CallbackURLs: []string{args[1]}, SupportedIdentityProviders: []string{"COGNITO"},
	})
	ts.Check(err)
	ts.Setenv("APP_CLIENT", *out.UserPoolClient.ClientId)
}

// fault OPERATION EXCEPTION: all later calls of the operation fail.
func injectFault(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value(worldKey{}).(*world).pool.Faults().Inject(args[0], emulator.Fault{Effect: emulator.FailBefore, Exception: args[1]})
}

// pool N: the pool must have N app clients.
func countClients(ts *testscript.TestScript, _ bool, args []string) {
	if n := strconv.Itoa(len(ts.Value(worldKey{}).(*world).pool.AppClients())); n != args[0] {
		ts.Fatalf("the pool has %s app clients, want %s", n, args[0])
	}
}

// scans N: the commands must have read the whole table N times since scans was
// last used. A small table is one page.
func countScans(ts *testscript.TestScript, _ bool, args []string) {
	if n := strconv.FormatInt(ts.Value(worldKey{}).(*world).scans.Swap(0), 10); n != args[0] {
		ts.Fatalf("the table was scanned %s times, want %s", n, args[0])
	}
}

// capture NAME PATTERN: sets NAME to the text in the last command's output that
// matches.
func capture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("the output does not match %s", args[1])
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// newTable creates an empty table and sets TABLE_NAME, as if the first table
// were lost.
func newTable(ts *testscript.TestScript, _ bool, args []string) {
	table := "dcrctl-" + credential.NewID()
	ts.Check(dynamo.CreateTable(context.Background(), ts.Value(worldKey{}).(*world).dynamo, table))
	ts.Setenv("TABLE_NAME", table)
}

// settable ID: marks the table as the deployment's.
func setTable(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(scriptDeployment(ts).store.SetTableOwner(context.Background(), &broker.TableOwner{ID: args[0]}))
}

// gone N: stores N records of app clients that were deleted at Cognito.
func makeGone(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	d, made := scriptDeployment(ts), broker.Seconds(time.Now()).Add(-2*time.Hour)
	for i := range n {
		profile := fmt.Sprint("p", i)
		ts.Check(d.store.CreateAppClient(context.Background(), &broker.AppClient{
			Key: broker.SharedAppClientKey(profile), Kind: broker.KindShared, State: broker.AppClientReady, Marker: broker.NewMarker(made),
			CognitoID: "gone" + profile, Profile: profile, CreatedAt: made,
		}))
	}
}
