package brokered_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// growingScopes are the scopes of the pool in TestAnAppClientThatTwoProcessesGrow.
var growingScopes = []string{"openid", "mcp/read", "mcp/write", "mcp/more"}

func growingPolicy(scopes string) string {
	return strings.Replace(world.BrokeredPolicy, `"open":{`, `"open":{"scopes":{"allowed":["`+strings.ReplaceAll(scopes, " ", `","`)+`"]},`, 1)
}

// A sweep that gives an app client scopes is held at each of its calls, while an
// operator applies a newer configuration with yet another scope, or the client asks
// for one. Cognito then has the scopes of the record: no request is refused at
// Cognito for a scope that the record lists.
func TestAnAppClientThatTwoProcessesGrow(t *testing.T) {
	t.Run("the shared one of a profile", func(t *testing.T) {
		world.ForEachHold(t, func(t *testing.T) world.Scene {
			const key = "profile/open"
			w := world.NewBrokeredWith(t, world.Options{Scopes: growingScopes, Policy: growingPolicy("mcp/read")})
			w.MustProvision(key)
			w.UseBrokeredPolicy(growingPolicy("mcp/read mcp/write"))
			return world.Scene{
				World: w.World, Ends: true, UseCase: func() { _, _ = w.Sweep(t.Context(), janitor.Options{}) },
				Meantime: []func(){func() {
					w.UseBrokeredPolicy(growingPolicy("mcp/read mcp/more"))
					if _, err := w.ApplyProfile(t.Context(), "open", "ops"); err != nil {
						t.Error(err)
					}
				}},
				Check: func() { w.Recover(key) },
			}
		})
	})
	t.Run("the one of a client", func(t *testing.T) {
		world.ForEachHold(t, func(t *testing.T) world.Scene {
			w := world.NewBrokeredWith(t, world.Options{Scopes: growingScopes})
			body := func(scope string) string {
				return strings.Replace(world.ConfidentialBody, `{`, `{"scope":"`+scope+`",`, 1)
			}
			id, rat := w.Vouched("trusted", body("mcp/read"))
			key := w.AppClientKey(id)
			w.MustProvision(key)
			ask := func(scope string) {
				info, err := w.Update(t.Context(), id, rat, world.Update(t, world.ConfidentialBody, id, "scope", scope))
				if err != nil {
					t.Error(err)
					return
				}
				rat = credential.Presented(info.RegistrationAccessToken)
			}
			ask("mcp/read mcp/write")
			sweep := func() {
				w.Wait(time.Second)
				_, _ = w.Sweep(t.Context(), janitor.Options{})
			}
			return world.Scene{
				World: w.World, Ends: true, UseCase: sweep, Meantime: []func(){func() { ask("mcp/read mcp/write mcp/more"); sweep() }},
				Check: func() { w.Recover(key) },
			}
		})
	})
}
