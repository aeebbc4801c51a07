package usecase_test

import (
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
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
		t.Error("its app client has gone")
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
	if done, err := direct.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Failed != 0 {
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

func TestConfigOfAMode(t *testing.T) {
	w := world.NewBrokered(t)
	ok := world.Parts{Mode: broker.ModeBrokered, Store: w.Store, Keys: w.Ring, Policy: w.PolicySource, Deployment: "test", Issuer: "https://auth.example.com", Now: w.Now, Log: world.Discard}
	s, err := world.Assemble(ok)
	if err != nil {
		t.Fatalf("brokered mode without AppClients: %v", err)
	}
	if _, err := s.Sweep(t.Context(), usecase.SweepOptions{}); err == nil {
		t.Error("Sweep without AppClients has no error")
	}
	keyless := ok
	keyless.Keys = nil
	if s, err = world.Assemble(keyless); err != nil {
		t.Fatalf("brokered mode without keys: %v", err)
	}
	_, err = s.Register(t.Context(), world.Request(t, world.PublicBody), world.None)
	world.WantCode(t, "open registration without keys", err, dcr.Unavailable)
	for name, change := range map[string]func(*world.Parts){
		"app clients without deployment":  func(c *world.Parts) { c.AppClients, c.Deployment = w.Pool, "" },
		"direct mode without app clients": func(c *world.Parts) { c.Mode = broker.ModeDirect },
		"a mode that does not exist":      func(c *world.Parts) { c.Mode = "proxy" },
	} {
		c := ok
		change(&c)
		if _, err := world.Assemble(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
