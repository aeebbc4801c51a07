package brokered_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// A sweep is held at each of its calls, while another sweep does the same work
// and a request makes the app client again. Each app client then has a place
// among those of its profile, and no other place is taken.
func TestASweepThatIsOvertaken(t *testing.T) {
	var own string // the key of the dedicated app client
	lost := func(w *world.Brokered, key string) {
		w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
		_ = w.Provision(t.Context(), key)
		w.Wait(3 * time.Minute)
	}
	public := strings.Replace(world.ConfidentialBody, "client_secret_basic", "none", 1)
	for name, tt := range map[string]struct {
		// leave leaves the app client of a key behind in a state that a sweep ends.
		leave func(w *world.Brokered) (key string)
		// again is whether a request can make it again.
		again bool
	}{
		"a creation with an unknown result": {func(w *world.Brokered) string { lost(w, "profile/open"); return "profile/open" }, true},
		"a creation that was given up twice": {func(w *world.Brokered) string {
			lost(w, "profile/open")
			lost(w, "profile/open")
			return "profile/open"
		}, true},
		"an app client that is gone": {func(w *world.Brokered) string {
			a := w.MustProvision("profile/open")
			w.Pool.Drop(a.CognitoID)
			w.Wait(2 * time.Hour)
			return "profile/open"
		}, true},
		"a dedicated app client": {func(w *world.Brokered) string {
			id, _ := w.Vouched("trusted", public)
			own = w.AppClientKey(id)
			lost(w, own)
			return own
		}, true},
		"a dedicated app client of a deleted client": {func(w *world.Brokered) string {
			id, rat := w.Vouched("trusted", public)
			own = w.AppClientKey(id)
			w.MustProvision(own)
			if err := w.Delete(t.Context(), id, rat); err != nil {
				t.Error(err)
			}
			return own
		}, false},
	} {
		for _, meantime := range []string{"", "made", "made, and later removed", "removed, and later made"} {
			if meantime != "" && !tt.again {
				continue
			}
			t.Run(name+", meanwhile "+meantime, func(t *testing.T) {
				world.ForEachHold(t, func(t *testing.T) world.Scene {
					w := world.NewBrokered(t)
					key := tt.leave(w)
					sweep := func() {
						w.Wait(3 * time.Minute)
						_, _ = w.Sweep(t.Context(), janitor.Options{})
					}
					sweepAndMake := func() {
						sweep()
						w.MustProvision(key)
					}
					remove := func() {
						w.Pool.Drop(w.AppClient(key).CognitoID)
						w.Wait(2 * time.Hour)
						sweep()
						sweep()
					}
					s := world.Scene{World: w.World, UseCase: sweep}
					exist := []string{key}
					switch meantime {
					case "":
						s.Meantime, exist = []func(){sweep}, nil
					case "made":
						s.Meantime = []func(){sweepAndMake}
					case "made, and later removed":
						s.Meantime, exist = []func(){sweepAndMake, remove}, nil
					case "removed, and later made":
						s.Meantime = []func(){sweep, func() { w.MustProvision(key) }}
					}
					s.Check = func() {
						w.Recover()
						w.CheckConsistent(exist...)
					}
					return s
				})
			})
		}
	}
}

// The same for a request that makes an app client, while a sweep undoes what it
// has begun, and another request makes the app client.
func TestAProvisioningThatIsOvertaken(t *testing.T) {
	for name, made := range map[string]bool{"by a sweep": false, "by a sweep and another request": true} {
		for _, state := range []string{"new", "vacant", "given up"} {
			t.Run(name+", "+state, func(t *testing.T) {
				world.ForEachHold(t, func(t *testing.T) world.Scene {
					const key = "profile/open"
					w := world.NewBrokered(t)
					if state != "new" {
						w.Pool.FailNext("CreateBrokered", 1, fake.ReplyLost)
						_ = w.Provision(t.Context(), key)
						w.Wait(time.Minute)
					}
					if state == "vacant" {
						w.Recover()
					}
					provision := func() { _ = w.Provision(t.Context(), key) }
					return world.Scene{
						World: w.World, UseCase: provision, Ends: true,
						Meantime: []func(){func() {
							w.Wait(3 * time.Minute)
							_, _ = w.Sweep(t.Context(), janitor.Options{})
							if made {
								w.Restart()
								provision()
							}
						}},
						Check: func() {
							w.Recover()
							w.CheckConsistent(w.Existing(key)...)
							w.MustProvision(key)
							w.Recover(key)
						},
					}
				})
			})
		}
	}
}
