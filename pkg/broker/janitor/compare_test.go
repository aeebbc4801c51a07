package janitor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestOrphansAreDeletedAfterAnHour(t *testing.T) {
	w := world.NewLife(t)
	w.MustProvision("profile/open")
	w.Wait(10 * world.Day)
	old, young := w.Orphan(time.Hour), w.Orphan(time.Hour-time.Second)
	w.Pool.Put("foreign", fake.AppClient{}) // an app client of another program has no mark
	w.Pool.Put("odd", fake.AppClient{Marker: "who knows"})
	w.Pool.FailNext("Delete", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Failed != 1 || done.Orphans != 0 {
		t.Errorf("Sweep whose deletion fails = %+v, %v", done, err)
	}
	if done := w.MustSweep(); done.Orphans != 1 || w.Exists(old) || !w.Exists(young) {
		t.Errorf("Sweep = %+v, the old one exists: %t, the young one: %t, want only the old one deleted", done, w.Exists(old), w.Exists(young))
	}
	w.Wait(time.Second)
	if done := w.MustSweep(); done.Orphans != 1 || w.Exists(young) {
		t.Errorf("a second later: Sweep = %+v, exists: %t", done, w.Exists(young))
	}
	if !w.Exists("foreign") || !w.Exists("odd") {
		t.Error("a foreign app client was deleted")
	}
	w.Pool.Drop("foreign")
	w.Pool.Drop("odd")
	w.Recover("profile/open")
}

// omitKeys leaves all keys out of the list of app clients in some of the passes.
func omitKeys(w *world.World, omits func(pass int) bool) {
	passes := 0
	w.Store.Around("AppClientKeys", func(do func() error) error {
		if passes++; omits(passes) {
			return nil
		}
		return do()
	})
}

// The list of keys comes from an index, which may miss a key while its record
// moves.
func TestAnAppClientWhoseKeyIsMissingOnceIsNoOrphan(t *testing.T) {
	// The key of a shared app client follows from the policy, and may be missing
	// permanently.
	for _, missing := range []int{1, 2, 0} {
		t.Run(fmt.Sprint("from pass ", missing), func(t *testing.T) {
			w := world.NewLife(t)
			key := "profile/open"
			if missing > 0 {
				client, _ := w.Vouched("trusted", world.ConfidentialBody)
				key = w.AppClientKey(client)
			}
			live := w.MustProvision(key).CognitoID
			w.Wait(2 * time.Hour)
			orphan := w.Orphan(time.Hour)
			omitKeys(w.World, func(pass int) bool { return missing == 0 || pass == missing })
			done, err := w.Sweep(t.Context(), janitor.Options{})
			if err != nil || done.Orphans != 1 || done.Failed != 0 || !w.Exists(live) || w.Exists(orphan) {
				t.Errorf("Sweep = %+v, %v, the live one exists: %t, the orphan: %t, want only the orphan deleted", done, err, w.Exists(live), w.Exists(orphan))
			}
		})
	}
	t.Run("of direct mode, from all passes", func(t *testing.T) {
		w := world.New(t)
		c := w.LimitedClient()
		w.Wait(2 * time.Hour)
		omitKeys(w, func(int) bool { return true })
		done, err := w.Sweep(t.Context(), janitor.Options{})
		if err != nil || done != (janitor.Report{}) || !w.Exists(c.Info.ClientID) {
			t.Errorf("Sweep = %+v, %v, the app client exists: %t, want nothing done, because it has its record", done, err, w.Exists(c.Info.ClientID))
		}
		w.CheckConsistent()
	})
}

// A record that was lost is made again if there is a registration of direct mode.
func TestALostRecordOfDirectModeIsMadeAgain(t *testing.T) {
	w := world.New(t)
	c := w.LimitedClient()
	if err := w.Inner.DeleteAppClient(t.Context(), c.A.Key, c.A.Version); err != nil {
		t.Fatal(err)
	}
	w.Wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Orphans != 1 || !w.Exists(c.Info.ClientID) {
		t.Errorf("Sweep = %+v, %v, the app client exists: %t, want its record made again", done, err, w.Exists(c.Info.ClientID))
	}
	w.CheckConsistent()
}

func TestADeletedAppClientIsMadeAgain(t *testing.T) {
	w := world.NewLife(t)
	id, _ := w.Vouched("trusted", world.AppBody)
	keys := []string{"profile/open", w.AppClientKey(id)}
	for _, key := range keys {
		w.Pool.Drop(w.MustProvision(key).CognitoID)
	}
	w.Wait(time.Hour - time.Second)
	if done := w.MustSweep(); done.Gone != 0 {
		t.Errorf("Sweep = %+v, want it to wait for an hour", done)
	}
	w.Wait(time.Second)
	w.Pool.FailNext("Exists", 1, fake.ReplyLost)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Gone != 1 || done.Failed != 1 {
		t.Errorf("Sweep that could not look = %+v, %v, want one gone and one failed", done, err)
	}
	if done := w.MustSweep(); done.Gone != 1 {
		t.Errorf("Sweep = %+v, want the other one gone", done)
	}
	w.Recover()
	w.CheckConsistent()
	for _, key := range keys {
		w.MustProvision(key)
	}
	w.Recover(keys...)
}

// An app client counts as gone only when its record has changed.
func TestAGoneAppClientThatCouldNotBeRecorded(t *testing.T) {
	w := world.NewBrokered(t)
	id, _ := w.Vouched("trusted", world.ConfidentialBody)
	w.Pool.Drop(w.MustProvision(w.AppClientKey(id)).CognitoID)
	w.Wait(2 * time.Hour)
	w.MustSweep() // everything else that is due
	w.Pool.Drop(w.MustProvision(w.AppClientKey(id)).CognitoID)
	w.Wait(2 * time.Hour)
	w.Store.FailNext("ReplaceAppClient", 1, fake.NotApplied)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Gone != 0 || done.Failed != 1 {
		t.Errorf("Sweep that could not write = %+v, %v, want none gone and one failed", done, err)
	}
	if done := w.MustSweep(); done.Gone != 1 {
		t.Errorf("Sweep = %+v, want it counted as gone", done)
	}
	w.Recover()
	w.CheckConsistent()
}

func TestARegistrationOfDirectModeEndsWithItsAppClient(t *testing.T) {
	w := world.New(t)
	stays, _ := w.MustRegister(world.PublicBody, world.None)
	goes, _ := w.MustRegister(world.PublicBody, world.None)
	w.Pool.Drop(goes.ClientID)
	w.Wait(2 * time.Hour)
	if done, err := w.Sweep(t.Context(), janitor.Options{}); err != nil || done.Gone != 1 || done.Failed != 0 {
		t.Errorf("Sweep = %+v, %v", done, err)
	}
	if _, err := w.Client(t.Context(), goes.ClientID); !errors.Is(err, broker.ErrRemoved) {
		t.Errorf("Client = %v, want ErrRemoved", err)
	}
	if _, err := w.Client(t.Context(), stays.ClientID); err != nil {
		t.Errorf("the other one: Client = %v", err)
	}
}

// One sweep does not empty a pool, whatever the cause.
func TestASweepStopsAtTooMany(t *testing.T) {
	for _, tt := range []struct{ known, orphans, deleted int }{
		{5, 10, 10},   // no more than ten
		{5, 11, 0},    // more than ten, and more than 5 %
		{208, 11, 11}, // 5 % of 220, including the half-made one
		{207, 11, 0},
	} {
		t.Run(fmt.Sprintf("%d orphans beside %d", tt.orphans, tt.known), func(t *testing.T) {
			w := world.NewLife(t)
			w.MustSweep() // a new table
			w.Wait(world.Day)
			for i := range tt.known {
				key := fmt.Sprint("profile/p", i)
				a := &broker.AppClient{Key: key, Kind: broker.KindShared, State: broker.AppClientReady, Marker: broker.NewMarker(w.Now()), CognitoID: key, Profile: "p", CreatedAt: w.Now()}
				if err := w.Inner.CreateAppClient(t.Context(), a); err != nil {
					t.Fatal(err)
				}
				w.Pool.Put(key, fake.AppClient{Marker: a.Marker})
			}
			for range tt.orphans {
				w.Orphan(2 * time.Hour)
			}
			half, _ := w.Vouched("trusted", world.AppBody)
			w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
			_ = w.Provision(t.Context(), w.AppClientKey(half))
			w.Wait(5 * time.Minute)
			done, err := w.Sweep(t.Context(), janitor.Options{})
			if stopped := tt.deleted == 0; stopped != errors.Is(err, janitor.ErrTooMany) || done.Orphans != tt.deleted {
				t.Errorf("Sweep = %+v, %v, want %d orphans deleted", done, err, tt.deleted)
			}
			if done.Removed != 1 {
				t.Errorf("Sweep = %+v, want the half-made app client removed in any case", done)
			}
			if n := len(w.Pool.All()); n != tt.known+tt.orphans-tt.deleted {
				t.Errorf("%d app clients left", n)
			}
			if done, err := w.Sweep(t.Context(), janitor.Options{AcceptMany: true}); err != nil || done.Orphans != tt.orphans-tt.deleted {
				t.Errorf("Sweep that accepts many = %+v, %v, want %d orphans deleted", done, err, tt.orphans-tt.deleted)
			}
		})
	}
	t.Run("records without app client", func(t *testing.T) {
		w := world.NewLife(t)
		w.UseBrokeredPolicy(strings.Replace(world.LifePolicy, `"app_clients":5`, `"app_clients":50`, -1))
		for range 11 {
			id, _ := w.Vouched("trusted", world.AppBody)
			w.Pool.Drop(w.MustProvision(w.AppClientKey(id)).CognitoID)
		}
		w.Wait(2 * time.Hour)
		if done, err := w.Sweep(t.Context(), janitor.Options{}); !errors.Is(err, janitor.ErrTooMany) || done.Gone != 0 || w.Pool.Calls("Exists") != 0 {
			t.Errorf("Sweep = %+v, %v, want ErrTooMany", done, err)
		} else if !strings.Contains(err.Error(), "dcrctl sweep --accept-many") {
			t.Errorf("Sweep: %v, want it to name the command", err)
		}
		if done, err := w.Sweep(t.Context(), janitor.Options{AcceptMany: true}); err != nil || done.Gone != 11 {
			t.Errorf("Sweep that accepts many = %+v, %v, want 11 gone", done, err)
		}
	})
}

// With a wrong table no client is lost.
func TestAForeignTable(t *testing.T) {
	setting := func(change func(*broker.TableOwner)) func(*testing.T, *world.Brokered) {
		return func(t *testing.T, w *world.Brokered) {
			d, err := w.Inner.TableOwner(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			change(d)
			if err := w.Inner.SetTableOwner(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	lost := func(t *testing.T, w *world.Brokered) { // a new table under the same deployment
		fresh := world.NewLife(t)
		w.Inner, w.Store = fresh.Inner, fresh.Store
		w.Restart()
	}
	for name, wrong := range map[string]func(*testing.T, *world.Brokered){
		"lost": lost,
		"lost, and used since": func(t *testing.T, w *world.Brokered) {
			lost(t, w)
			w.MustProvision("profile/lasting")
		},
		"of another deployment":  setting(func(d *broker.TableOwner) { d.ID = "prod" }),
		"restored from a backup": setting(func(d *broker.TableOwner) { d.Store = "that of the other table" }),
	} {
		t.Run(name, func(t *testing.T) {
			w := world.NewLife(t)
			w.MustProvision("profile/open")
			id, _ := w.Vouched("trusted", world.AppBody)
			w.MustProvision(w.AppClientKey(id))
			w.MustSweep()
			w.Wait(10 * world.Day) // longer than its lifetime
			wrong(t, w)
			before := len(w.Pool.All())
			w.Wait(2 * time.Hour)
			for range 2 {
				done, err := w.Sweep(t.Context(), janitor.Options{})
				if !errors.Is(err, janitor.ErrForeignTable) || done != (janitor.Report{}) || len(w.Pool.All()) != before {
					t.Errorf("Sweep = %+v, %v, %d app clients, want ErrForeignTable and nothing done", done, err, len(w.Pool.All()))
				}
			}
			if err := w.AcceptTable(t.Context(), "ops"); err != nil {
				t.Fatal(err)
			}
			w.MustSweep()
			w.Recover()
		})
	}
	t.Run("an empty pool and a new table are a new deployment", func(t *testing.T) {
		w := world.NewLife(t)
		w.MustSweep()
		d, err := w.Inner.TableOwner(t.Context())
		if err != nil || d.ID != "test" || d.Store == "" || !d.Began.Equal(broker.Seconds(w.Now())) {
			t.Errorf("Deployment = %+v, %v", d, err)
		}
	})
	t.Run("without the owner's record no app client is made", func(t *testing.T) {
		w := world.NewLife(t)
		w.Store.FailNext("CreateTableOwner", 1, fake.NotApplied)
		if err := w.Provision(t.Context(), "profile/open"); err == nil || len(w.Pool.All()) != 0 {
			t.Errorf("Provision = %v with %d app clients, want an error and none", err, len(w.Pool.All()))
		}
	})
}
