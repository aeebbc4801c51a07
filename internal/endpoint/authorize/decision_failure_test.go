package authorize

import (
	"net/http"
	"testing"

	"github.com/dcr-broker/dcr-broker/internal/tool/emulator"
	"github.com/dcr-broker/dcr-broker/test/fake"
)

func TestAllowWhenTheStoreFails(t *testing.T) {
	for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		start := func(t *testing.T, method string) (*world, *browser, answer) {
			w := newWorld(t)
			b := w.browser()
			page := b.arrive(requestOf(w.register("open", nil, webURI), webURI), "alice")
			w.Store.FailNext(method, 1, point)
			return w, b, b.decide(page, "allow")
		}
		t.Run("TakeStep "+point.String(), func(t *testing.T) {
			w, b, a := start(t, "TakeStep")
			if a.status != http.StatusSeeOther || !a.asks() {
				t.Fatalf("status %d, location %q, want the consent page", a.status, a.location)
			}
			w.wantNoGrant()
			// The user can press the button again.
			again := b.decide(b.get(a.location), "allow")
			w.wantCode(again.target(t), webURI)
			if n := len(w.AllGrants()); n != 1 {
				t.Errorf("%d grants, want 1", n)
			}
			w.wantRevoked(0)
		})
		// A user who then cancels gets no code out of the decision before.
		t.Run("TakeStep "+point.String()+", then cancel", func(t *testing.T) {
			w, b, a := start(t, "TakeStep")
			b.decide(b.get(a.location), "cancel")
			w.wantNoGrant()
		})
		// Nothing that the broker reads can lose the decision: it comes before the step.
		for _, method := range []string{"Transaction", "Registration"} {
			t.Run(method+" "+point.String(), func(t *testing.T) {
				for _, decision := range []string{"allow", "cancel", "switch"} {
					w := newWorld(t)
					b := w.browser()
					page := b.arrive(requestOf(w.register("open", nil, webURI), webURI), "alice")
					w.Store.FailNext(method, 1, point)
					a := b.decide(page, decision)
					if method == "Registration" && decision == "switch" {
						a.target(t) // does not read it
						continue
					}
					if a.status != http.StatusSeeOther || !a.asks() {
						t.Fatalf("%s: status %d, location %q, want the consent page", decision, a.status, a.location)
					}
					w.Store.FailNext(method, 1, point)
					unavailable := b.get(a.location)
					wantPage(t, unavailable, http.StatusServiceUnavailable, "")
					if unavailable.header.Get("Retry-After") == "" {
						t.Errorf("%s: no Retry-After", decision)
					}
					w.wantNoGrant()
					w.wantRevoked(0)
					w.wantCode(b.decide(b.get(a.location), "allow").target(t), webURI)
				}
			})
		}
		t.Run("CreateGrant "+point.String(), func(t *testing.T) {
			w, b, a := start(t, "CreateGrant")
			if point == fake.ReplyLost {
				w.wantCode(a.target(t), webURI)
				if n := len(w.AllGrants()); n != 1 {
					t.Errorf("%d grants, want 1", n)
				}
				return
			}
			wantPage(t, a, http.StatusOK, "http-equiv")
			w.wantError(a.target(t), webURI, "temporarily_unavailable")
			w.wantRevoked(1)
			w.wantNoGrant()
			wantPage(t, b.consent(), http.StatusBadRequest, "expired")
		})
		t.Run("PutConsent "+point.String(), func(t *testing.T) {
			w, _, a := start(t, "PutConsent")
			w.wantCode(a.target(t), webURI) // remembered or not
		})
	}
}

func TestCancelWhenSomethingFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*world)
	}{
		{"Cognito fails", func(w *world) {
			w.cognito.Faults().Inject("revoke", emulator.Fault{Effect: emulator.FailBefore})
		}},
		{"Cognito is cut off", func(w *world) { w.cognito.Faults().Inject("revoke", emulator.Fault{Effect: emulator.CutAfter}) }},
		{"Cognito is slow", func(w *world) {
			w.cognito.Faults().Inject("revoke", emulator.Fault{Effect: emulator.SlowBefore})
			w.limitCognito()
		}},
		{"not deleted", func(w *world) { w.Store.FailNext("DeleteTransaction", 1, fake.NotApplied) }},
		{"deleted, reply lost", func(w *world) { w.Store.FailNext("DeleteTransaction", 1, fake.ReplyLost) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
			tt.fault(w)
			w.wantError(b.decide(page, "cancel").target(t), webURI, "access_denied")
			w.wantNoGrant()
		})
	}
	for _, point := range []fake.Point{fake.NotApplied, fake.ReplyLost} {
		t.Run("TakeStep "+point.String(), func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
			w.Store.FailNext("TakeStep", 1, point)
			if a := b.decide(page, "cancel"); !a.asks() {
				t.Errorf("location = %q, want the consent page", a.location)
			}
			w.wantNoGrant()
		})
	}
}

func TestASecondDecisionWhenTheStoreFails(t *testing.T) {
	for _, method := range []string{"Transaction", "Grant"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			b := w.browser()
			page := b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
			first := b.decide(page, "allow").target(t)
			w.Store.FailNext(method, 1, fake.NotApplied)
			a := b.decide(page, "allow")
			if !a.asks() {
				t.Fatalf("status %d, location %q, want the consent page", a.status, a.location)
			}
			w.Store.FailNext(method, 1, fake.NotApplied)
			wantPage(t, b.get(a.location), http.StatusServiceUnavailable, "could not be read")
			if again := b.get(a.location).target(t); again.String() != first.String() {
				t.Errorf("the page leads to %s, the decision to %s", again, first)
			}
		})
	}
}

func TestConsentPageWhenTheStoreFails(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.arrive(requestOf(w.register("asking", nil, webURI), webURI), "alice")
	w.Store.FailNext("Registration", 1, fake.NotApplied)
	a := b.consent()
	wantPage(t, a, http.StatusServiceUnavailable, "could not be read")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	wantPage(t, b.consent(), http.StatusOK, "alice")
}
