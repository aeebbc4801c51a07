package world_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/brokered"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/direct"
	"github.com/dcr-broker/dcr-broker/pkg/broker/janitor"
	"github.com/dcr-broker/dcr-broker/pkg/broker/operator"
	"github.com/dcr-broker/dcr-broker/pkg/broker/provision"
	"github.com/dcr-broker/dcr-broker/pkg/broker/registration"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestSwitchFromDirectToBrokered(t *testing.T) {
	w := world.NewBrokered(t)
	direct := w.Direct()
	register := func() (string, credential.Token) {
		info, err := direct.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
		if err != nil {
			t.Fatal(err)
		}
		return info.ClientID, credential.Presented(info.RegistrationAccessToken)
	}
	stays, staysRAT := register()
	goes, goesRAT := register()

	world.AtRest(t, w.Broker, stays, world.PublicBody, staysRAT)
	if _, ok := w.Pool.All()[stays]; !ok {
		t.Error("its app client is gone")
	}
	if err := w.Delete(t.Context(), goes, goesRAT); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if n := w.Pool.Calls("Delete"); n != 0 {
		t.Errorf("%d deletions at Cognito by DELETE, want none in brokered mode", n)
	}
	w.Recover()
	if _, ok := w.Pool.All()[goes]; ok || w.Rows() != 1 {
		t.Errorf("after DELETE and Sweep: app client there %t, %d rows, want false and 1", ok, w.Rows())
	}
	// And back.
	if _, err := direct.Client(t.Context(), stays); err != nil {
		t.Errorf("back in direct mode: Client = %v", err)
	}
	if _, err := direct.Read(t.Context(), stays, staysRAT); err != nil {
		t.Errorf("back in direct mode: Read = %v", err)
	}
}

func TestSwitchFromBrokeredToDirect(t *testing.T) {
	w := world.NewBrokered(t)
	open, _ := w.MustRegister(world.PublicBody, world.None)
	stays, staysRAT := w.Vouched("trusted", world.ConfidentialBody)
	goes, goesRAT := w.Vouched("trusted", world.ConfidentialBody)
	staysKey, goesKey := w.AppClientKey(stays), w.AppClientKey(goes)
	w.MustProvision(staysKey)
	w.MustProvision(goesKey)
	direct := w.Direct()

	world.WantNoClient(t, "open", direct, open.ClientID)
	world.AtRest(t, direct, stays, world.ConfidentialBody, staysRAT)
	if err := direct.Delete(t.Context(), goes, goesRAT); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	w.Wait(5 * time.Minute)
	if done, err := direct.Sweep(t.Context(), janitor.Options{}); err != nil || done.Failed != 0 {
		t.Errorf("Sweep of direct mode = %+v, %v", done, err)
	}
	// And back.
	w.Recover(staysKey)
	if _, err := w.Client(t.Context(), stays); err != nil {
		t.Errorf("back in brokered mode: Client = %v", err)
	}
	if again, _ := w.MustRegister(world.PublicBody, world.None); again.ClientID != open.ClientID {
		t.Errorf("back in brokered mode: client_id %s, want %s", again.ClientID, open.ClientID)
	}
}

// A use case cannot be made if a part is missing.
func TestEachUseCaseNeedsItsParts(t *testing.T) {
	w := world.NewBrokered(t)
	for name, make := range map[string]func() error{
		"registration": func() error { _, err := registration.New(registration.Config{Store: w.Store}); return err },
		"direct": func() error {
			_, err := direct.New(direct.Config{Store: w.Store, Now: w.Now, Log: world.Discard})
			return err
		},
		"adoption": func() error { _, err := direct.NewAdopter(direct.AdopterConfig{Store: w.Store}); return err },
		"brokered": func() error {
			_, err := brokered.New(brokered.Config{Store: w.Store, Now: w.Now, Log: world.Discard})
			return err
		},
		"provision": func() error { _, err := provision.New(provision.Config{Store: w.Store}); return err },
		"maintenance": func() error {
			_, err := provision.NewMaintainer(provision.MaintainerConfig{Store: w.Store})
			return err
		},
		"janitor":  func() error { _, err := janitor.New(janitor.Config{Store: w.Store, Pool: w.Pool}); return err },
		"operator": func() error { _, err := operator.New(operator.Config{Store: w.Store}); return err },
	} {
		if make() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A janitor without anything that ends grants would record that stale grants have
// ended.
func TestAJanitorNeedsAGrantEnder(t *testing.T) {
	w := world.NewBrokered(t)
	trail := broker.AuditTrail{Log: world.Discard}
	c := janitor.Config{
		Store: w.Store, Pool: w.Pool, Grower: w.Maintainer, Grants: broker.NoGrants{}, Deployment: "test", Policy: w.PolicySource, Now: w.Now, Log: world.Discard,
		Modes: broker.ByMode[janitor.Reconciler]{
			Direct: direct.NewReconciler(w.Store, w.Pool, w.Now, trail), Brokered: brokered.NewReconciler(w.Store, w.Maintainer, w.Now, trail),
		},
	}
	if _, err := janitor.New(c); err != nil {
		t.Fatal(err)
	}
	c.Grants = nil
	if _, err := janitor.New(c); err == nil {
		t.Error("New without Grants is no error")
	}
}

func TestOperatorsOfDirectModeHaveNoGrants(t *testing.T) {
	w := world.New(t)
	_, ofClient := w.EndGrantsOfClient(t.Context(), "client", "ops")
	_, ofUser := w.EndGrantsOfUser(t.Context(), "user", "ops")
	for name, err := range map[string]error{"EndGrantsOfClient": ofClient, "EndGrantsOfUser": ofUser, "EndGrant": w.EndGrant(t.Context(), "id", "ops")} {
		if !errors.Is(err, broker.ErrNoGrants) {
			t.Errorf("%s = %v, want ErrNoGrants", name, err)
		}
	}
}

// Without keys no client id can be derived. The client can try again later.
func TestOpenRegistrationWithoutKeys(t *testing.T) {
	w := world.NewBrokered(t)
	b, err := world.Assemble(world.Parts{Mode: broker.ModeBrokered, Store: w.Store, Policy: w.PolicySource, Now: w.Now})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
	world.WantCode(t, "open registration without keys", err, dcr.Unavailable)
}
