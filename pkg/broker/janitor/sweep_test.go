package janitor_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestAnUnusedClientOfDirectModeIsRemoved(t *testing.T) {
	w := world.New(t)
	w.UsePolicy(`{"version":1,"profiles":{"limited":{"redirect_uris":{"any_https":true},"limits":{"app_clients":3},
		"token_endpoint_auth_methods":["client_secret_basic"],"lifetimes":{"unconfirmed":"1d","inactive":"3d"}}}}`)
	tok, iat := w.Token("limited", 2)
	idle, _ := w.MustRegister(world.ConfidentialBody, tok)
	used, _ := w.MustRegister(world.ConfidentialBody, tok)
	for range 10 {
		r, err := w.Client(t.Context(), used.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Touch(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.Wait(12 * time.Hour)
		w.SweepOnce()
	}
	if _, err := w.Client(t.Context(), idle.ClientID); !errors.Is(err, broker.ErrRemoved) || w.Exists(idle.ClientID) {
		t.Errorf("never used: Client = %v, app client exists %t", err, w.Exists(idle.ClientID))
	}
	if n := w.Members(world.PlacesKey); n != 1 || w.Uses(iat) != 2 {
		t.Errorf("%d places taken and %d uses, want 1 and 2", n, w.Uses(iat))
	}
	w.Wait(3 * world.Day)
	w.SweepOnce()
	if _, err := w.Client(t.Context(), used.ClientID); !errors.Is(err, broker.ErrRemoved) || w.Exists(used.ClientID) {
		t.Errorf("no longer used: Client = %v, app client exists %t", err, w.Exists(used.ClientID))
	}
	w.Wait(90 * world.Day)
	if _, err := w.Inner.Registration(t.Context(), used.ClientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("after 90 days: Registration = %v, want ErrNotFound", err)
	}
}

// Records that always fail do not keep the others from their turn.
func TestASweepContinuesWhereTheLastOneStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := world.NewLife(t)
		w.UseBrokeredPolicy(strings.Replace(world.LifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
		for range 12 {
			id, _ := w.Vouched("trusted", world.AppBody)
			w.Allow(id)
		}
		w.Wait(4 * world.Day)
		var failing []string // the first ones
		for d, err := range w.Inner.Due(t.Context(), w.Now(), "") {
			if err != nil || len(failing) == 3 {
				break
			}
			failing = append(failing, d.Key)
		}
		// Ending the grants of a client takes twenty seconds, and a run has a
		// minute.
		slow := &slowGrants{Grants: w.Grants, takes: 20 * time.Second}
		s, err := world.Assemble(world.Parts{
			Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Grants: slow, Now: w.Now, Policy: w.PolicySource,
		})
		if err != nil {
			t.Fatal(err)
		}
		slow.failing = failing
		runs := 0
		for ; runs < 20 && len(w.Grants.Standing()) > len(failing); runs++ {
			ctx, cancel := context.WithTimeout(t.Context(), 75*time.Second)
			began := time.Now()
			done, err := s.Sweep(ctx, janitor.Options{})
			cancel()
			if took := time.Since(began); err != nil || took > 65*time.Second || !done.Unfinished {
				t.Errorf("run %d = %+v, %v in %s, want it to stop by itself", runs, done, err, took)
			}
		}
		if n := len(w.Grants.Standing()); n != len(failing) || w.Standing(failing[0]) != 1 || runs < 4 || runs > 12 {
			t.Errorf("%d grants stand after %d runs, want the three that always fail, after 4 to 12 runs", n, runs)
		}
		slow.failing = nil
		if _, err := s.Sweep(t.Context(), janitor.Options{}); err != nil || len(w.Grants.Standing()) != 0 {
			t.Errorf("in the end %d grants stand, %v", len(w.Grants.Standing()), err)
		}
	})
}

// slowGrants is slow, and always fails for one client.
type slowGrants struct {
	*fake.Grants
	takes   time.Duration
	failing []string
}

func (g *slowGrants) EndOfClient(ctx context.Context, clientID string, over broker.Over) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(g.takes):
	}
	if slices.Contains(g.failing, clientID) {
		return 0, errors.New("as always")
	}
	return g.Grants.EndOfClient(ctx, clientID, over)
}

func TestTwoSweepsAtOnce(t *testing.T) {
	w := world.NewLife(t)
	w.UseBrokeredPolicy(strings.Replace(world.LifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
	var stays []string
	for i := range 20 {
		id, _ := w.Vouched("trusted", world.AppBody)
		w.MustProvision(w.AppClientKey(id))
		w.Allow(id)
		if i%2 == 0 {
			stays = append(stays, id)
		}
	}
	w.Wait(2 * world.Day)
	for _, id := range stays {
		w.Use(id)
	}
	w.Wait(2 * world.Day)
	w.Orphan(2 * time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := w.Sweep(t.Context(), janitor.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var keys []string
	for _, id := range stays {
		w.WantState(id, broker.RegistrationActive)
		keys = append(keys, w.AppClientKey(id))
	}
	w.Recover(keys...)
	if n := len(w.Grants.Standing()); n != len(stays) {
		t.Errorf("%d grants stand, want %d", n, len(stays))
	}
}

func TestADryRunReportsTheSteps(t *testing.T) {
	w := world.NewLife(t)
	w.MustProvision("profile/open")
	expired, _ := w.Vouched("trusted", world.AppBody)
	off, _ := w.Vouched("lasting", world.AppBody)
	w.Allow(off)
	w.Wait(4 * world.Day)
	gone := w.MustProvision("profile/lasting").CognitoID
	w.Wait(2 * time.Hour)
	w.Pool.Drop(gone)
	orphan := w.Orphan(2 * time.Hour)
	w.Grants.FailNext("EndOfClient", 1, fake.NotApplied)
	if _, err := w.Disable(t.Context(), off, "ops"); !errors.Is(err, broker.ErrLeftToSweep) {
		t.Fatalf("Disable = %v", err)
	}
	w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
	half, _ := w.Vouched("asked", world.AppBody)
	if _, err := w.Approve(t.Context(), half, "ops"); err != nil {
		t.Fatal(err)
	}
	_ = w.Provision(t.Context(), w.AppClientKey(half))
	w.Wait(5 * time.Minute)

	w.Store.Reset()
	got := make(map[janitor.Action]string)
	done, err := w.Sweep(t.Context(), janitor.Options{DryRun: true, OnStep: func(s janitor.Step) {
		got[s.Action] += s.ClientID + s.CognitoID
		if s.ClientID == "" && s.CognitoID == "" {
			got[s.Action] += s.Key
		}
	}})
	if err != nil || done.Failed > 0 {
		t.Errorf("Sweep = %+v, %v", done, err)
	}
	for action, want := range map[janitor.Action]string{
		janitor.ActionExpire: expired, janitor.ActionEndGrants: off, janitor.ActionOrphan: orphan, janitor.ActionGone: gone, janitor.ActionFinish: half,
	} {
		if got[action] != want {
			t.Errorf("%s: %q, want %q", action, got[action], want)
		}
	}
	for _, method := range w.Store.Methods() {
		if n := w.Store.Calls(method); n > 0 && !strings.HasPrefix(method, "List") && !readsOnly[method] {
			t.Errorf("%d calls of %s by a dry run", n, method)
		}
	}
	if !w.Exists(orphan) || w.Standing(off) != 1 {
		t.Error("a dry run has changed something")
	}
}

var readsOnly = map[string]bool{
	"Registration": true, "AppClient": true, "AppClientKeys": true, "Due": true, "SweepPlace": true, "TableOwner": true, "Identity": true,
}

// A check of a dedicated app client that adds scopes reports a step of its own
// for them, before Cognito gets them.
func TestASweepReportsTheScopesThatItAdds(t *testing.T) {
	w := world.NewBrokered(t)
	body := strings.Replace(world.ConfidentialBody, `{`, `{"scope":"mcp/read",`, 1)
	id, rat := w.Vouched("trusted", body)
	w.MustProvision(w.AppClientKey(id))
	w.Recover(w.AppClientKey(id))
	if _, err := w.Update(t.Context(), id, rat, world.Update(t, body, id, "scope", "mcp/read mcp/write")); err != nil {
		t.Fatal(err)
	}
	for grown := range 2 {
		if grown == 0 {
			w.Pool.FailNext("UpdateBrokered", 1, fake.NotApplied)
		}
		var got []janitor.Action
		done, err := w.Sweep(t.Context(), janitor.Options{OnStep: func(s janitor.Step) {
			if n := w.Pool.Calls("UpdateBrokered"); s.Action == janitor.ActionGrow && n != grown {
				t.Errorf("the step was reported after %d calls of Cognito, want %d", n, grown)
			}
			if s.Key == w.AppClientKey(id) {
				got = append(got, s.Action)
			}
		}})
		if want := []janitor.Action{janitor.ActionLook, janitor.ActionGrow}; err != nil || done.Grown != grown || !slices.Equal(got, want) {
			t.Errorf("steps %q, %+v, %v, want %q and %d grown", got, done, err, want, grown)
		}
	}
}
