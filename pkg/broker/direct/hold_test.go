package direct_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// A registration is held at each of its calls, while a sweep considers it dead. It
// is registered or it is not, and in the end it holds a use of its token and a
// place only if it is.
func TestARegistrationThatIsOvertaken(t *testing.T) {
	for name, fail := range map[string]func(*world.World){
		"Cognito answers":       func(*world.World) {},
		"Cognito's reply lost":  func(w *world.World) { w.Pool.FailNext("Create", 1, fake.ReplyLost) },
		"Cognito was not asked": func(w *world.World) { w.Pool.FailNext("Create", 1, fake.NotApplied) },
	} {
		t.Run(name, func(t *testing.T) {
			world.ForEachHold(t, func(t *testing.T) world.Scene {
				w := world.New(t)
				w.UsePolicy(world.LimitedPolicy)
				tok, iat := w.Token("limited", 1)
				var info *dcr.ClientInformation
				var err error
				return world.Scene{
					World: w, Ends: true,
					UseCase: func() {
						fail(w)
						info, err = w.Register(t.Context(), world.Request(t, world.ConfidentialBody), tok)
					},
					Meantime: []func(){func() {
						w.Wait(3 * time.Minute)
						_, _ = w.Sweep(t.Context(), janitor.Options{})
					}},
					Check: func() {
						w.Recover()
						n := len(w.Pool.All())
						w.WantTaken("in the end", iat, world.Taken{Uses: n, Places: n})
						if err != nil {
							return
						}
						if _, err := w.Read(t.Context(), info.ClientID, credential.Presented(info.RegistrationAccessToken)); err != nil {
							t.Errorf("the response says that the client is registered, but it is not: %v", err)
						}
					},
				}
			})
		})
	}
}

// A sweep is held at each of its calls, while another one does the same work, or
// the client makes the change again that was interrupted.
func TestASweepOfDirectModeThatIsOvertaken(t *testing.T) {
	change := func(w *world.World, c *world.LimitedClient) error {
		_, err := w.Update(t.Context(), c.R.ClientID, c.RAT, world.Update(t, world.ConfidentialBody, c.R.ClientID, "client_name", "Renamed"))
		return err
	}
	remove := func(w *world.World, c *world.LimitedClient) error { return w.Delete(t.Context(), c.R.ClientID, c.RAT) }
	for name, tt := range map[string]struct {
		// interrupted is the change that dies at this call.
		interrupted func(*world.World, *world.LimitedClient) error
		at          string
	}{
		"an update":                {change, "Update"},
		"a deletion":               {remove, "Delete"},
		"an update that is stored": {change, "ReplaceRegistration"},
	} {
		for what, again := range map[string]bool{"by another sweep": false, "by the client": true} {
			t.Run(name+" "+what, func(t *testing.T) {
				world.ForEachHold(t, func(t *testing.T) world.Scene {
					w := world.New(t)
					c := w.LimitedClient()
					if f := w.Store.Faults; tt.at == "ReplaceRegistration" {
						f.DieAt(tt.at, 1, fake.ReplyLost, w.Pool.Faults)
					} else {
						w.Pool.DieAt(tt.at, 1, fake.ReplyLost, f)
					}
					if err := tt.interrupted(w, c); err == nil {
						t.Error("the change was not interrupted")
					}
					w.Store.Reset()
					w.Pool.Reset()
					sweep := func() {
						w.Wait(3 * time.Minute)
						_, _ = w.Sweep(t.Context(), janitor.Options{})
					}
					meantime := sweep
					if again {
						meantime = func() { _ = tt.interrupted(w, c) }
					}
					return world.Scene{World: w, UseCase: sweep, Meantime: []func(){meantime}, Check: func() {
						w.Recover()
						n := len(w.Pool.All())
						w.WantTaken("in the end", c.IAT, world.Taken{Uses: 1, Places: n})
					}}
				})
			})
		}
	}
}
