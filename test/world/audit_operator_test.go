package world_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// wantOperator checks that the trail has these events, and that ada did
// everything.
func (l *trail) wantOperator(events ...string) {
	l.t.Helper()
	lines := l.lines()
	all := strings.Join(lines, "\n")
	for _, event := range events {
		if !strings.Contains(all, `"event":"`+event+`"`) {
			l.t.Errorf("no event %s in\n%s", event, all)
		}
	}
	for _, line := range lines {
		if !strings.Contains(line, `"actor":{"id":"ada","kind":"operator"}`) {
			l.t.Errorf("another actor than the operator: %s", line)
		}
	}
}

// In the process of an operator, what the provisioner and the janitor do is by
// the operator.
func TestTheWorkOfAnOperatorsProcessIsTheOperators(t *testing.T) {
	w, l := world.NewLife(t), &trail{t: t}
	w.Log = l.logger()
	own, err := world.Assemble(world.Parts{
		Mode: broker.ModeBrokered, Store: w.Store, Pool: w.Pool, Grants: w.Grants, Keys: w.Ring, JWTs: &w.JWTs, Policy: w.PolicySource,
		Branding: true, Operator: "ada", Now: w.Now, Log: l.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ends, _ := w.Vouched("trusted", world.AppBody)
	w.MustProvision(w.AppClientKey(ends))
	w.Use(ends)
	w.Allow(ends)
	grows, _ := w.Vouched("lasting", world.AppBody)
	w.Use(grows)
	w.Pool.Put("orphan", fake.AppClient{Marker: broker.NewMarker(w.Now())})
	w.Wait(4 * world.Day)
	l.lines()

	if err := own.Provision(t.Context(), w.AppClientKey(grows)); err != nil {
		t.Fatal(err)
	}
	l.wantOperator("app_client.created", "app_client.updated") // made, and branded
	if _, err := own.ApplyProfile(t.Context(), "lasting", "ada"); err != nil {
		t.Fatal(err)
	}
	l.wantOperator("app_client.updated")
	if done, err := own.Sweep(t.Context(), janitor.Options{}); err != nil || done.Expired != 1 || done.Orphans != 1 || done.EndedGrants != 1 || done.Removed != 1 {
		t.Errorf("Sweep = %+v, %v, want an expired client, an orphan, and an ended grant", done, err)
	}
	l.wantOperator("registration.removed", "grant.ended", "app_client.removed")
}

// In direct mode the janitor finishes registrations and removals.
func TestTheWorkOfAnOperatorsProcessIsTheOperatorsInDirectMode(t *testing.T) {
	w, l := world.New(t), &trail{t: t}
	own, err := world.Assemble(world.Parts{Store: w.Store, Pool: w.Pool, Now: w.Now, Policy: w.PolicySource, Operator: "ada", Log: l.logger()})
	if err != nil {
		t.Fatal(err)
	}
	w.Store.FailNext("ReplaceAppClient", 1, fake.NotApplied) // its app client is not recorded as ready
	w.MustRegister(world.PublicBody, credential.Token{})
	w.Wait(time.Hour)
	if done, err := own.Sweep(t.Context(), janitor.Options{}); err != nil || done.Completed != 1 {
		t.Fatalf("Sweep = %+v, %v, want one completed", done, err)
	}
	l.wantOperator("app_client.created", "registration.created")
}
