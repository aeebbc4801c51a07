package usecase_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

// orphan makes an app client that carries our mark, made some time ago, and that
// nobody knows.
func (w *world) orphan(age time.Duration) string {
	id := "orphan" + credential.NewID()
	w.pool.Put(id, fake.AppClient{Marker: broker.NewMarker(w.now().Add(-age)), Brokered: &broker.BrokeredAppClient{}})
	return id
}

func (w *world) exists(id string) bool {
	_, ok := w.pool.All()[id]
	return ok
}

func TestOrphansAreDeletedAfterAnHour(t *testing.T) {
	w := newLife(t)
	w.mustProvision("profile/open")
	w.wait(10 * day)
	old, young := w.orphan(time.Hour), w.orphan(time.Hour-time.Second)
	w.pool.Put("foreign", fake.AppClient{}) // another's has no mark of ours
	w.pool.Put("odd", fake.AppClient{Marker: "who knows"})
	w.pool.FailNext("Delete", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Failed != 1 || done.Orphans != 0 {
		t.Errorf("Sweep whose deletion fails = %+v, %v", done, err)
	}
	if done := w.mustSweep(); done.Orphans != 1 || w.exists(old) || !w.exists(young) {
		t.Errorf("Sweep = %+v, the old one there %t, the young one %t, want it to delete the old one", done, w.exists(old), w.exists(young))
	}
	w.wait(time.Second)
	if done := w.mustSweep(); done.Orphans != 1 || w.exists(young) {
		t.Errorf("a second later: Sweep = %+v, there %t", done, w.exists(young))
	}
	if !w.exists("foreign") || !w.exists("odd") {
		t.Error("an app client was deleted that is not known to be ours")
	}
	w.pool.Drop("foreign")
	w.pool.Drop("odd")
	w.recover("profile/open")
}

// laggingKeys leaves all keys out of the list in some of the passes.
type laggingKeys struct {
	broker.Store
	passes int
	omits  func(pass int) bool
}

func (s *laggingKeys) AppClientKeys(ctx context.Context) iter.Seq2[string, error] {
	if s.passes++; s.omits(s.passes) {
		return func(func(string, error) bool) {}
	}
	return s.Store.AppClientKeys(ctx)
}

// The list of keys is that of an index, from which one that moves in it can be
// missing.
func TestAnAppClientWhoseKeyIsMissingOnceIsNoOrphan(t *testing.T) {
	// The key of a shared one follows from the policy, and may be missing for good.
	for _, missing := range []int{1, 2, 0} {
		t.Run(fmt.Sprint("from pass ", missing), func(t *testing.T) {
			w := newLife(t)
			key := "profile/open"
			if missing > 0 {
				client, _ := w.vouched("trusted", confidentialBody)
				key = w.appClientKey(client)
			}
			live := w.mustProvision(key).CognitoID
			w.wait(2 * time.Hour)
			orphan := w.orphan(time.Hour)
			lagging := &laggingKeys{Store: w.store, omits: func(pass int) bool { return missing == 0 || pass == missing }}
			s, err := usecase.New(usecase.Config{
				Mode: broker.ModeBrokered, Store: lagging, AppClients: w.pool, Grants: w.grants, Deployment: "test",
				Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
			})
			if err != nil {
				t.Fatal(err)
			}
			done, err := s.Sweep(t.Context(), usecase.SweepOptions{})
			if err != nil || done.Orphans != 1 || done.Failed != 0 || !w.exists(live) || w.exists(orphan) {
				t.Errorf("Sweep = %+v, %v, the live one there %t, the orphan %t, want the orphan alone deleted", done, err, w.exists(live), w.exists(orphan))
			}
		})
	}
	t.Run("of direct mode, from all passes", func(t *testing.T) {
		w := newWorld(t)
		c := w.limitedClient()
		w.wait(2 * time.Hour)
		done, err := w.on(&laggingKeys{Store: w.store, omits: func(int) bool { return true }}, w.pool).Sweep(t.Context(), usecase.SweepOptions{})
		if err != nil || done != (usecase.Swept{}) || !w.exists(c.info.ClientID) {
			t.Errorf("Sweep = %+v, %v, the app client there %t, want nothing done: it has its record", done, err, w.exists(c.info.ClientID))
		}
		w.checkConsistent()
	})
}

// A record that was lost is made again if there is a registration of direct mode.
func TestALostRecordOfDirectModeIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	c := w.limitedClient()
	if err := w.inner.DeleteAppClient(t.Context(), c.a.Key, c.a.Version); err != nil {
		t.Fatal(err)
	}
	w.wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Orphans != 1 || !w.exists(c.info.ClientID) {
		t.Errorf("Sweep = %+v, %v, the app client there %t, want its record back", done, err, w.exists(c.info.ClientID))
	}
	w.checkConsistent()
}

func TestAnAppClientThatSomebodyDeletedIsMadeAgain(t *testing.T) {
	w := newLife(t)
	id, _ := w.vouched("trusted", appBody)
	keys := []string{"profile/open", w.appClientKey(id)}
	for _, key := range keys {
		w.pool.Drop(w.mustProvision(key).CognitoID)
	}
	w.wait(time.Hour - time.Second)
	if done := w.mustSweep(); done.Gone != 0 {
		t.Errorf("Sweep = %+v, want it to wait for an hour", done)
	}
	w.wait(time.Second)
	w.pool.FailNext("Exists", 1, fake.ReplyLost)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Gone != 1 || done.Failed != 1 {
		t.Errorf("Sweep that could not look = %+v, %v, want one gone and one failed", done, err)
	}
	if done := w.mustSweep(); done.Gone != 1 {
		t.Errorf("Sweep = %+v, want the other one gone", done)
	}
	w.checkConsistent()
	for _, key := range keys {
		w.mustProvision(key)
	}
	w.recover(keys...)
}

func TestARegistrationOfDirectModeEndsWithItsAppClient(t *testing.T) {
	w := newWorld(t)
	stays, _ := w.mustRegister(publicBody, none)
	goes, _ := w.mustRegister(publicBody, none)
	w.pool.Drop(goes.ClientID)
	w.wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Gone != 1 || done.Failed != 0 {
		t.Errorf("Sweep = %+v, %v", done, err)
	}
	if _, err := w.Client(t.Context(), goes.ClientID); !errors.Is(err, broker.ErrRemoved) {
		t.Errorf("Client = %v, want ErrRemoved", err)
	}
	if _, err := w.Client(t.Context(), stays.ClientID); err != nil {
		t.Errorf("the other one: Client = %v", err)
	}
}

func TestAClientOfDirectModeThatNobodyUsesIsRemoved(t *testing.T) {
	w := newWorld(t)
	w.usePolicy(`{"version":1,"profiles":{"limited":{"redirect_uris":{"any_https":true},"limits":{"app_clients":3},
		"token_endpoint_auth_methods":["client_secret_basic"],"lifetimes":{"unconfirmed":"1d","inactive":"3d"}}}}`)
	tok, iat := w.token("limited", 2)
	idle, _ := w.mustRegister(confidentialBody, tok)
	used, _ := w.mustRegister(confidentialBody, tok)
	for range 10 {
		r, err := w.Client(t.Context(), used.ClientID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Touch(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.wait(12 * time.Hour)
		w.sweepOnce()
	}
	if _, err := w.Client(t.Context(), idle.ClientID); !errors.Is(err, broker.ErrRemoved) || w.exists(idle.ClientID) {
		t.Errorf("never used: Client = %v, app client there %t", err, w.exists(idle.ClientID))
	}
	if n := w.members(placesKey); n != 1 || w.uses(iat) != 2 {
		t.Errorf("%d places taken and %d uses, want 1 and 2", n, w.uses(iat))
	}
	w.wait(3 * day)
	w.sweepOnce()
	if _, err := w.Client(t.Context(), used.ClientID); !errors.Is(err, broker.ErrRemoved) || w.exists(used.ClientID) {
		t.Errorf("not used any more: Client = %v, app client there %t", err, w.exists(used.ClientID))
	}
	w.wait(90 * day)
	if _, err := w.inner.Registration(t.Context(), used.ClientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("after 90 days: Registration = %v, want ErrNotFound", err)
	}
}

func (w *world) sweepOnce() {
	w.t.Helper()
	if done, err := w.Sweep(w.t.Context(), usecase.SweepOptions{}); err != nil || done.Failed > 0 {
		w.t.Errorf("Sweep = %+v, %v", done, err)
	}
}

// However it comes about, one sweep does not empty a pool.
func TestTooManyAreNotBelieved(t *testing.T) {
	for _, tt := range []struct{ known, orphans, deleted int }{
		{5, 10, 10},   // no more than ten
		{5, 11, 0},    // more than ten, and more than 5 %
		{208, 11, 11}, // 5 % of 220, with the one that is half made
		{207, 11, 0},
	} {
		t.Run(fmt.Sprintf("%d orphans beside %d", tt.orphans, tt.known), func(t *testing.T) {
			w := newLife(t)
			w.mustSweep() // a new table
			w.wait(day)
			for i := range tt.known {
				key := fmt.Sprint("profile/p", i)
				a := &broker.AppClient{Key: key, Kind: broker.KindShared, State: broker.AppClientReady, Marker: broker.NewMarker(w.now()), CognitoID: key, Profile: "p", CreatedAt: w.now()}
				if err := w.inner.CreateAppClient(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				w.pool.Put(key, fake.AppClient{Marker: a.Marker})
			}
			for range tt.orphans {
				w.orphan(2 * time.Hour)
			}
			half, _ := w.vouched("trusted", appBody)
			w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
			_ = w.Provision(t.Context(), w.appClientKey(half))
			w.wait(5 * time.Minute)
			done, err := w.Sweep(t.Context(), usecase.SweepOptions{})
			if stopped := tt.deleted == 0; stopped != errors.Is(err, usecase.ErrTooMany) || done.Orphans != tt.deleted {
				t.Errorf("Sweep = %+v, %v, want %d orphans deleted", done, err, tt.deleted)
			}
			if done.Removed != 1 {
				t.Errorf("Sweep = %+v, want what is half done removed whatever else is wrong", done)
			}
			if n := len(w.pool.All()); n != tt.known+tt.orphans-tt.deleted {
				t.Errorf("%d app clients left", n)
			}
			if done, err := w.Sweep(t.Context(), usecase.SweepOptions{AcceptMany: true}); err != nil || done.Orphans != tt.orphans-tt.deleted {
				t.Errorf("Sweep that accepts many = %+v, %v, want %d orphans deleted", done, err, tt.orphans-tt.deleted)
			}
		})
	}
	t.Run("records without app client", func(t *testing.T) {
		w := newLife(t)
		w.useBrokeredPolicy(strings.Replace(lifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
		for range 11 {
			id, _ := w.vouched("trusted", appBody)
			w.pool.Drop(w.mustProvision(w.appClientKey(id)).CognitoID)
		}
		w.wait(2 * time.Hour)
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{}); !errors.Is(err, usecase.ErrTooMany) || done.Gone != 0 || w.pool.Calls("Exists") != 0 {
			t.Errorf("Sweep = %+v, %v, want ErrTooMany", done, err)
		} else if !strings.Contains(err.Error(), "dcrctl sweep --accept-many") {
			t.Errorf("Sweep: %v, want it to say what to do", err)
		}
		if done, err := w.Sweep(t.Context(), usecase.SweepOptions{AcceptMany: true}); err != nil || done.Gone != 11 {
			t.Errorf("Sweep that accepts many = %+v, %v, want 11 gone", done, err)
		}
	})
}

// A table that is not the one that the deployment had costs nobody a client.
func TestATableThatIsNotOurs(t *testing.T) {
	setting := func(change func(*broker.TableOwner)) func(*testing.T, *brokeredWorld) {
		return func(t *testing.T, w *brokeredWorld) {
			d, err := w.inner.TableOwner(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			change(d)
			if err := w.inner.SetTableOwner(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost := func(t *testing.T, w *brokeredWorld) { // a new table under the same deployment
		fresh := newLife(t)
		w.inner, w.store = fresh.inner, fresh.store
		w.restart()
	}
	for name, wrong := range map[string]func(*testing.T, *brokeredWorld){
		"lost": lost,
		"lost, and used since": func(t *testing.T, w *brokeredWorld) {
			lost(t, w)
			w.mustProvision("profile/lasting")
		},
		"of another deployment":  setting(func(d *broker.TableOwner) { d.ID = "prod" }),
		"restored from a backup": setting(func(d *broker.TableOwner) { d.Store = "that of the other table" }),
	} {
		t.Run(name, func(t *testing.T) {
			w := newLife(t)
			w.mustProvision("profile/open")
			id, _ := w.vouched("trusted", appBody)
			w.mustProvision(w.appClientKey(id))
			w.mustSweep()
			w.wait(10 * day) // beyond its life
			wrong(t, w)
			before := len(w.pool.All())
			w.wait(2 * time.Hour)
			for range 2 {
				done, err := w.Sweep(t.Context(), usecase.SweepOptions{})
				if !errors.Is(err, usecase.ErrForeignTable) || done != (usecase.Swept{}) || len(w.pool.All()) != before {
					t.Errorf("Sweep = %+v, %v, %d app clients, want ErrForeignTable and nothing done", done, err, len(w.pool.All()))
				}
			}
			if err := w.AcceptTable(t.Context(), "ops"); err != nil {
				t.Fatal(err)
			}
			w.mustSweep()
			w.recover()
		})
	}
	t.Run("an empty pool and a new table are a beginning", func(t *testing.T) {
		w := newLife(t)
		w.mustSweep()
		d, err := w.inner.TableOwner(t.Context())
		if err != nil || d.ID != "test" || d.Store == "" || !d.Began.Equal(w.now().Truncate(time.Second)) {
			t.Errorf("Deployment = %+v, %v", d, err)
		}
	})
	t.Run("without the note no app client is made", func(t *testing.T) {
		w := newLife(t)
		w.store.FailNext("CreateTableOwner", 1, fake.NotApplied)
		if err := w.Provision(t.Context(), "profile/open"); err == nil || len(w.pool.All()) != 0 {
			t.Errorf("Provision = %v with %d app clients, want an error and none", err, len(w.pool.All()))
		}
	})
}

// What always fails does not keep the rest from its turn.
func TestASweepGoesOnWhereTheLastOneStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLife(t)
		w.useBrokeredPolicy(strings.Replace(lifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
		for range 12 {
			id, _ := w.vouched("trusted", appBody)
			w.allow(id)
		}
		w.wait(4 * day)
		var failing []string // those that come first
		for d, err := range w.inner.Due(t.Context(), w.now(), "") {
			if err != nil || len(failing) == 3 {
				break
			}
			failing = append(failing, d.Key)
		}
		// Ending grants takes twenty seconds each, and there is a minute for a run.
		slow := &slowGrants{Grants: w.grants, takes: 20 * time.Second}
		s, err := usecase.New(usecase.Config{
			Mode: broker.ModeBrokered, Store: w.store, AppClients: w.pool, Grants: slow, Deployment: "test",
			Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
		})
		if err != nil {
			t.Fatal(err)
		}
		slow.failing = failing
		runs := 0
		for ; runs < 20 && len(w.grants.Standing()) > len(failing); runs++ {
			ctx, cancel := context.WithTimeout(t.Context(), 75*time.Second)
			began := time.Now()
			done, err := s.Sweep(ctx, usecase.SweepOptions{})
			cancel()
			if took := time.Since(began); err != nil || took > 65*time.Second || !done.Unfinished {
				t.Errorf("run %d = %+v, %v in %s, want it to stop by itself", runs, done, err, took)
			}
		}
		if n := len(w.grants.Standing()); n != len(failing) || w.standing(failing[0]) != 1 || runs < 4 || runs > 12 {
			t.Errorf("%d grants stand after %d runs, want the three that always fail after 4 to 12", n, runs)
		}
		slow.failing = nil
		if _, err := s.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || len(w.grants.Standing()) != 0 {
			t.Errorf("in the end %d grants stand, %v", len(w.grants.Standing()), err)
		}
	})
}

// slowGrants takes its time, and always fails for one client.
type slowGrants struct {
	*fake.Grants
	takes   time.Duration
	failing []string
}

func (g *slowGrants) EndOfClient(ctx context.Context, clientID, keep string) (int, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(g.takes):
	}
	if slices.Contains(g.failing, clientID) {
		return 0, errors.New("as always")
	}
	return g.Grants.EndOfClient(ctx, clientID, keep)
}

func TestTwoSweepsAtOnce(t *testing.T) {
	w := newLife(t)
	w.useBrokeredPolicy(strings.Replace(lifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
	var stays []string
	for i := range 20 {
		id, _ := w.vouched("trusted", appBody)
		w.mustProvision(w.appClientKey(id))
		w.allow(id)
		if i%2 == 0 {
			stays = append(stays, id)
		}
	}
	w.wait(2 * day)
	for _, id := range stays {
		w.use(id)
	}
	w.wait(2 * day)
	w.orphan(2 * time.Hour)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := w.Sweep(t.Context(), usecase.SweepOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var keys []string
	for _, id := range stays {
		w.wantState(id, broker.RegistrationActive)
		keys = append(keys, w.appClientKey(id))
	}
	w.recover(keys...)
	if n := len(w.grants.Standing()); n != len(stays) {
		t.Errorf("%d grants stand, want %d", n, len(stays))
	}
}

func TestADryRunSaysWhatWouldBeDone(t *testing.T) {
	w := newLife(t)
	w.mustProvision("profile/open")
	expired, _ := w.vouched("trusted", appBody)
	off, _ := w.vouched("lasting", appBody)
	w.allow(off)
	w.wait(4 * day)
	gone := w.mustProvision("profile/lasting").CognitoID
	w.wait(2 * time.Hour)
	w.pool.Drop(gone)
	orphan := w.orphan(2 * time.Hour)
	w.grants.FailNext("EndOfClient", 1, fake.NotApplied)
	if _, err := w.Disable(t.Context(), off, "ops"); !errors.Is(err, usecase.ErrLeftToSweep) {
		t.Fatalf("Disable = %v", err)
	}
	w.pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
	half, _ := w.vouched("asked", appBody)
	if _, err := w.Approve(t.Context(), half, "ops"); err != nil {
		t.Fatal(err)
	}
	_ = w.Provision(t.Context(), w.appClientKey(half))
	w.wait(5 * time.Minute)

	w.store.Reset()
	got := make(map[usecase.SweepAction]string)
	done, err := w.Sweep(t.Context(), usecase.SweepOptions{DryRun: true, Report: func(s usecase.SweepStep) {
		got[s.Action] += s.ClientID + s.CognitoID
		if s.ClientID == "" && s.CognitoID == "" {
			got[s.Action] += s.Key
		}
	}})
	if err != nil || done.Failed > 0 {
		t.Errorf("Sweep = %+v, %v", done, err)
	}
	for action, want := range map[usecase.SweepAction]string{
		usecase.SweepExpire: expired, usecase.SweepEndGrants: off, usecase.SweepOrphan: orphan, usecase.SweepGone: gone, usecase.SweepFinish: half,
	} {
		if got[action] != want {
			t.Errorf("%s: %q, want %q", action, got[action], want)
		}
	}
	for _, method := range w.store.Methods() {
		if n := w.store.Calls(method); n > 0 && !strings.HasPrefix(method, "List") && !readsOnly[method] {
			t.Errorf("%d calls of %s by a dry run", n, method)
		}
	}
	if !w.exists(orphan) || w.standing(off) != 1 {
		t.Error("a dry run has changed something")
	}
}

var readsOnly = map[string]bool{
	"Registration": true, "AppClient": true, "AppClientKeys": true, "Due": true, "SweepPlace": true, "TableOwner": true, "Identity": true,
}
