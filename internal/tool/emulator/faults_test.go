package emulator_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/smithy-go"
	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/must"
)

const createOp = "CreateUserPoolClient"

func TestFaultsOfTheControlPlane(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   emulator.Fault
		want    string // exception; "" means no response
		applied int    // app clients afterwards
	}{
		{"fail before", emulator.Fault{Effect: emulator.FailBefore}, "InternalErrorException", 0},
		{"fail after", emulator.Fault{Effect: emulator.FailAfter}, "InternalErrorException", 1},
		{"fail with an exception", emulator.Fault{Effect: emulator.FailBefore, Exception: "NotAuthorizedException"}, "NotAuthorizedException", 0},
		{"throttle", emulator.Fault{Effect: emulator.Throttle}, "TooManyRequestsException", 0},
		{"cut before", emulator.Fault{Effect: emulator.CutBefore}, "", 0},
		{"cut after", emulator.Fault{Effect: emulator.CutAfter}, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := start(t, nil)
			tt.fault.Times = 2
			l.Faults().Inject(createOp, tt.fault)
			for n := 1; n <= 2; n++ {
				_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
				if e, ok := errors.AsType[smithy.APIError](err); tt.want != "" && (!ok || e.ErrorCode() != tt.want) {
					t.Errorf("call %d: %v, want %s", n, err, tt.want)
				} else if err == nil || (tt.want == "" && ok) {
					t.Errorf("call %d: %v, want no answer", n, err)
				}
				if got := len(l.AppClients()); got != n*tt.applied {
					t.Errorf("call %d: %d app clients, want %d", n, got, n*tt.applied)
				}
			}
			if n := l.Faults().Pending(createOp); n != 0 {
				t.Errorf("%d faults pending, want them used up", n)
			}
			l.create(publicClient())
			if got := l.Calls(createOp); got != 3 {
				t.Errorf("Calls = %d, want 3", got)
			}
		})
	}
}

func TestSecretOperationsHaveTheirOwnInternalError(t *testing.T) {
	l := start(t, nil)
	l.Faults().Inject("ListUserPoolClientSecrets", emulator.Fault{Effect: emulator.FailBefore})
	req := l.controlRequest("ListUserPoolClientSecrets", "{}")
	if a := l.do(req); a.status != 500 || a.text("__type") != "InternalServerException" {
		t.Errorf("got %d %s, want 500 InternalServerException", a.status, a.raw)
	}
}

func (l *local) controlRequest(op, body string) *http.Request {
	l.t.Helper()
	req := must.Request(l.t, http.MethodPost, l.base+"/", body)
	req.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+op)
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 test")
	return req
}

func TestSlowCalls(t *testing.T) {
	for _, tt := range []struct {
		name    string
		effect  emulator.Effect
		applied int // app clients while the call waits, and after its caller gave up
	}{
		{"slow before", emulator.SlowBefore, 0},
		{"slow after", emulator.SlowAfter, 1},
	} {
		t.Run(tt.name+", given up", func(t *testing.T) {
			l := start(t, nil)
			l.Faults().Inject(createOp, emulator.Fault{Effect: tt.effect, Times: 1})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := l.sdk.CreateUserPoolClient(ctx, publicClient())
				done <- err
			}()
			for len(l.AppClients()) < tt.applied || l.Faults().Pending(createOp) > 0 {
				runtime.Gosched() // until the call waits in the fault
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the caller's context error", err)
			}
			if got := len(l.AppClients()); got != tt.applied {
				t.Errorf("%d app clients, want %d", got, tt.applied)
			}
		})
		t.Run(tt.name+", released", func(t *testing.T) {
			l := start(t, nil)
			gate := make(chan struct{})
			l.Faults().Inject(createOp, emulator.Fault{Effect: tt.effect, Times: 1, Until: gate})
			done := make(chan error)
			go func() {
				_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
				done <- err
			}()
			close(gate)
			if err := <-done; err != nil {
				t.Errorf("got %v, want an answer once the gate is open", err)
			}
			if got := len(l.AppClients()); got != 1 {
				t.Errorf("%d app clients, want 1", got)
			}
		})
		t.Run(tt.name+", after a delay", func(t *testing.T) {
			l := start(t, nil)
			l.Faults().Inject(createOp, emulator.Fault{Effect: tt.effect, Times: 1, Delay: 1})
			l.create(publicClient())
		})
	}
}

func TestFaultsOfTheTokenEndpoint(t *testing.T) {
	for _, tt := range []struct {
		name   string
		effect emulator.Effect
		status int  // 0 means no response
		spent  bool // whether the code is used up afterwards
	}{
		{"fail before", emulator.FailBefore, 500, false},
		{"fail after", emulator.FailAfter, 500, true},
		{"throttle", emulator.Throttle, 429, false},
		{"cut before", emulator.CutBefore, 0, false},
		{"cut after", emulator.CutAfter, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := start(t, nil)
			a := *l.create(publicClient()).ClientId
			form := url.Values{"grant_type": {"authorization_code"}, "client_id": {a}, "code": {l.code(a, nil)}, "redirect_uri": {callback}}
			l.Faults().Inject("token", emulator.Fault{Effect: tt.effect, Times: 1})
			resp, err := http.PostForm(l.base+"/oauth2/token", form)
			if err == nil {
				resp.Body.Close()
			}
			switch {
			case tt.status == 0 && err == nil:
				t.Errorf("got status %d, want no answer", resp.StatusCode)
			case tt.status != 0 && (err != nil || resp.StatusCode != tt.status):
				t.Errorf("got %v, %v, want status %d", resp, err, tt.status)
			}
			want := 200
			if tt.spent {
				want = 400
			}
			if got := l.post("/oauth2/token", form, "", ""); got.status != want {
				t.Errorf("the code afterwards: %d %s, want %d", got.status, got.raw, want)
			}
			if got := l.Calls("token"); got != 2 {
				t.Errorf("Calls = %d, want 2", got)
			}
		})
	}
}

func TestFaultsApplyUntilCleared(t *testing.T) {
	l := start(t, nil)
	l.Faults().Inject("discovery", emulator.Fault{Effect: emulator.FailBefore})
	l.Faults().Inject("jwks", emulator.Fault{Effect: emulator.FailBefore})
	discovery, jwks := "/"+pool+"/.well-known/openid-configuration", "/"+pool+"/.well-known/jwks.json"
	for range 3 {
		if got := l.get(discovery, nil); got.status != 500 {
			t.Fatalf("status %d, want 500", got.status)
		}
	}
	l.Faults().Clear("discovery")
	if got := l.get(discovery, nil); got.status != 200 {
		t.Errorf("after Clear: %d, want 200", got.status)
	}
	if got := l.get(jwks, nil); got.status != 500 {
		t.Errorf("the other operation: %d, want its fault to stay", got.status)
	}
	l.Faults().Clear()
	if got := l.get(jwks, nil); got.status != 200 {
		t.Errorf("after Clear of all: %d, want 200", got.status)
	}
}

func TestFaultsComeInOrder(t *testing.T) {
	l := start(t, nil)
	l.Faults().Inject(createOp, emulator.Fault{Effect: emulator.Throttle, Times: 1})
	l.Faults().Inject(createOp, emulator.Fault{Effect: emulator.FailBefore, Times: 1, Exception: "LimitExceededException"})
	_, err := l.sdk.CreateUserPoolClient(t.Context(), publicClient())
	var throttled *types.TooManyRequestsException
	if !asError(err, &throttled) {
		t.Errorf("first call: %v, want *types.TooManyRequestsException", err)
	}
	_, err = l.sdk.CreateUserPoolClient(t.Context(), publicClient())
	var full *types.LimitExceededException
	if !asError(err, &full) {
		t.Errorf("second call: %v, want *types.LimitExceededException", err)
	}
}
