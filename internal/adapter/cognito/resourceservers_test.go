package cognito

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cip "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// servers returns the resource servers of an emulated pool that has mcp/read.
// around, if set, gets each request to Cognito with the function that sends it.
func servers(t *testing.T, around func(operation string, send func())) (*ResourceServers, *emulator.Cognito) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	address := "http://" + srv.Listener.Addr().String()
	pool, err := emulator.New(emulator.Config{
		BaseURL: address, Key: fake.SigningKey(), NoRateLimit: true,
		ResourceServers: []emulator.ResourceServer{{Identifier: "mcp", Scopes: []string{"read"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = pool
	srv.Start()
	t.Cleanup(srv.Close)
	credentials := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
	})
	api := cip.New(cip.Options{Region: "us-east-1", BaseEndpoint: &address, Credentials: credentials})
	return onPool(api, "us-east-1_local00001", around), pool
}

func onPool(api *cip.Client, pool string, around func(operation string, send func())) *ResourceServers {
	options := api.Options()
	options.Retryer = aws.NopRetryer{}
	if next := options.HTTPClient; around != nil {
		options.HTTPClient = doerFunc(func(r *http.Request) (resp *http.Response, err error) {
			_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
			around(operation, func() { resp, err = next.Do(r) })
			return resp, err
		})
	}
	s := NewResourceServers(cip.New(options), pool)
	s.sleep = func(context.Context, time.Duration) error { return nil }
	return s
}

func wantScopes(t *testing.T, s *ResourceServers, want ...string) {
	t.Helper()
	have, err := s.list(t.Context())
	if got := scopesOf(have); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("the pool has %q, %v, want %q", got, err, want)
	}
}

func TestCreateScopes(t *testing.T) {
	s, _ := servers(t, nil)
	long := strings.Repeat("ä", 300)
	wanted := []Scope{
		{"openid", ""}, {"mcp/read", "Read"}, {"mcp/write", "Write"}, {"https://mcp.example.com/mcp/call", long}, {"files/read", ""},
	}
	missing, err := s.Missing(t.Context(), []string{"openid", "mcp/read", "mcp/write", "files/read"})
	if want := []string{"mcp/write", "files/read"}; err != nil || !slices.Equal(missing, want) {
		t.Errorf("Missing = %q, %v, want %q", missing, err, want)
	}
	created, err := s.Create(t.Context(), wanted, 25)
	if want := []string{"files/read", "https://mcp.example.com/mcp/call", "mcp/write"}; err != nil || !slices.Equal(created, want) {
		t.Errorf("Create = %q, %v, want %q", created, err, want)
	}
	wantScopes(t, s, "mcp/read", "mcp/write", "https://mcp.example.com/mcp/call", "files/read")
	for scope, want := range map[string]string{"https://mcp.example.com/mcp/call": long[:2*maxDescription], "files/read": "files/read", "mcp/write": "Write"} {
		i := strings.LastIndexByte(scope, '/')
		out, err := s.api.DescribeResourceServer(t.Context(), &cip.DescribeResourceServerInput{UserPoolId: &s.pool, Identifier: aws.String(scope[:i])})
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range out.ResourceServer.Scopes {
			if aws.ToString(got.ScopeName) == scope[i+1:] && aws.ToString(got.ScopeDescription) != want {
				t.Errorf("the description of %s is %q, want %q", scope, *got.ScopeDescription, want)
			}
		}
	}
	if created, err := s.Create(t.Context(), wanted, 25); err != nil || len(created) != 0 {
		t.Errorf("the second Create = %q, %v, want nothing to create", created, err)
	}
}

// Whatever fails, not applied or applied with the reply lost, the next call
// creates the rest and removes nothing.
func TestCreateScopesWhateverFails(t *testing.T) {
	wanted := []Scope{{"mcp/write", "Write"}, {"files/read", "Read"}}
	for _, op := range []string{"ListResourceServers", "DescribeResourceServer", "UpdateResourceServer", "CreateResourceServer"} {
		for _, effect := range []emulator.Effect{emulator.FailBefore, emulator.FailAfter, emulator.CutBefore, emulator.CutAfter, emulator.Throttle} {
			s, pool := servers(t, nil)
			pool.Faults().Inject(op, emulator.Fault{Effect: effect, Times: 1})
			created, err := s.Create(t.Context(), wanted, 25)
			if op != "ListResourceServers" && (err != nil || len(created) != 2) {
				t.Errorf("%s fails with %d: Create = %q, %v, want both scopes", op, effect, created, err)
			}
			if _, err := s.Create(t.Context(), wanted, 25); err != nil {
				t.Errorf("%s fails with %d: Create again = %v", op, effect, err)
			}
			wantScopes(t, s, "mcp/read", "mcp/write", "files/read")
		}
	}
	t.Run("for good", func(t *testing.T) {
		s, pool := servers(t, nil)
		pool.Faults().Inject("UpdateResourceServer", emulator.Fault{Effect: emulator.FailBefore, Exception: "NotAuthorizedException"})
		created, err := s.Create(t.Context(), wanted, 25)
		if _, denied := errors.AsType[*types.NotAuthorizedException](err); !denied || !slices.Equal(created, []string{"files/read"}) {
			t.Errorf("Create = %q, %v, want files/read created and the denied call", created, err)
		}
		if n := pool.Calls("UpdateResourceServer"); n != 1 {
			t.Errorf("the denied call was made %d times, want once", n)
		}
	})
}

// Two programs update one resource server at the same time: each has read it
// before the other writes. Nothing is lost.
func TestTwoProgramsCreateScopes(t *testing.T) {
	aWrote, bWrote, held := make(chan struct{}), make(chan struct{}), false
	a, _ := servers(t, nil)
	b := onPool(a.api, a.pool, func(operation string, send func()) {
		if operation == "UpdateResourceServer" && !held {
			held = true
			<-aWrote // b has read, and a writes now
			send()
			close(bWrote)
			return
		}
		send()
	})
	first := true
	a.sleep = func(context.Context, time.Duration) error {
		if first { // b writes while a waits
			first = false
			close(aWrote)
			<-bWrote
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Create(t.Context(), []Scope{{"mcp/b", "B"}}, 25)
		done <- err
	}()
	created, err := a.Create(t.Context(), []Scope{{"mcp/a", "A"}}, 25)
	if err != nil || !slices.Equal(created, []string{"mcp/a"}) {
		t.Errorf("Create = %q, %v, want mcp/a", created, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	wantScopes(t, a, "mcp/read", "mcp/a", "mcp/b")
}

func TestTooManyScopes(t *testing.T) {
	s, pool := servers(t, nil)
	var many []Scope
	for i := range 100 {
		many = append(many, Scope{fmt.Sprint("mcp/s", i), ""})
	}
	_, err := s.Create(t.Context(), many, 25)
	if _, limit := errors.AsType[*ScopeLimitError](err); !limit || !strings.Contains(err.Error(), "would have 101 scopes, and Cognito allows 100") {
		t.Errorf("Create of 100 scopes beside one = %v, want a ScopeLimitError", err)
	}
	if n := pool.Calls("UpdateResourceServer"); n != 0 {
		t.Errorf("the resource server was updated %d times, want never", n)
	}
	var servers []Scope
	for i := range 25 {
		servers = append(servers, Scope{fmt.Sprintf("server%02d/call", i), ""})
	}
	created, err := s.Create(t.Context(), servers, 25)
	if _, limit := errors.AsType[*ScopeLimitError](err); !limit || len(created) != 0 || !strings.Contains(err.Error(), "would have 26 resource servers, 25 of them new, and its quota is 25") {
		t.Errorf("Create of 25 resource servers beside one = %d scopes, %v, want none and a ScopeLimitError", len(created), err)
	}
	// The document says that AWS has raised the quota, and it has not.
	created, err = s.Create(t.Context(), servers, 300)
	if _, limit := errors.AsType[*ScopeLimitError](err); !limit || len(created) != 24 || !strings.Contains(err.Error(), "resource_binding") {
		t.Errorf("Create of 25 resource servers beside one = %d scopes, %v, want 24 and what to do", len(created), err)
	}
	// A quota that the pool exceeds already does not matter to its resource
	// servers.
	if _, err := s.Create(t.Context(), []Scope{{"mcp/more", ""}}, 1); err != nil {
		t.Error(err)
	}
	if _, err := s.Create(t.Context(), []Scope{{"noserver", ""}}, 25); err == nil || !strings.Contains(err.Error(), "identifier/name") {
		t.Errorf("Create of a scope without a resource server = %v, want an error", err)
	}
}
