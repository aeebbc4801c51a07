package usecase_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/broker/usecase"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
)

// direct returns the use cases of direct mode on the store and pool of w, as
// after the stack was switched.
func (w *brokeredWorld) direct() *usecase.Service {
	w.t.Helper()
	s, err := usecase.New(usecase.Config{
		Store: w.store, AppClients: w.pool, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard, Policy: w.policySource,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func wantNoClient(t *testing.T, what string, s *usecase.Service, clientID string) {
	t.Helper()
	if _, err := s.Client(t.Context(), clientID); !errors.Is(err, broker.ErrNotFound) {
		t.Errorf("%s: Client = %v, want ErrNotFound", what, err)
	}
}

// atRest checks that a client cannot be used, read or changed in s, of the other
// mode, and that nothing of it has changed.
func atRest(t *testing.T, s *usecase.Service, clientID, body string, rat credential.Token) {
	t.Helper()
	wantNoClient(t, "of the other mode", s, clientID)
	_, err := s.Read(t.Context(), clientID, rat)
	wantCode(t, "Read", err, dcr.InvalidToken)
	_, err = s.Update(t.Context(), clientID, rat, update(t, body, clientID))
	wantCode(t, "Update", err, dcr.InvalidToken)
}

func TestSwitchFromDirectToBrokered(t *testing.T) {
	w := newBrokeredWorld(t)
	direct := w.direct()
	register := func() (string, credential.Token) {
		info, err := direct.Register(t.Context(), request(t, publicBody), none)
		if err != nil {
			t.Fatal(err)
		}
		return info.ClientID, credential.Presented(info.RegistrationAccessToken)
	}
	stays, staysRAT := register()
	goes, goesRAT := register()

	atRest(t, w.Service, stays, publicBody, staysRAT)
	if _, ok := w.pool.All()[stays]; !ok {
		t.Error("its app client has gone")
	}
	if err := w.Delete(t.Context(), goes, goesRAT); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	if n := w.pool.Calls("Delete"); n != 0 {
		t.Errorf("%d deletions at Cognito by DELETE, want none in brokered mode", n)
	}
	w.recover()
	if _, ok := w.pool.All()[goes]; ok || w.rows() != 1 {
		t.Errorf("after DELETE and Sweep: app client there %t, %d rows, want false and 1", ok, w.rows())
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
	w := newBrokeredWorld(t)
	open, _ := w.mustRegister(publicBody, none)
	stays, staysRAT := w.vouched("trusted", confidentialBody)
	goes, goesRAT := w.vouched("trusted", confidentialBody)
	staysKey, goesKey := w.appClientKey(stays), w.appClientKey(goes)
	w.mustProvision(staysKey)
	w.mustProvision(goesKey)
	direct := w.direct()

	wantNoClient(t, "open", direct, open.ClientID)
	atRest(t, direct, stays, confidentialBody, staysRAT)
	if err := direct.Delete(t.Context(), goes, goesRAT); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	w.wait(5 * time.Minute)
	if done, err := direct.Sweep(t.Context(), usecase.SweepOptions{}); err != nil || done.Failed != 0 {
		t.Errorf("Sweep of direct mode = %+v, %v", done, err)
	}
	// And back.
	w.recover(staysKey)
	if _, err := w.Client(t.Context(), stays); err != nil {
		t.Errorf("back in brokered mode: Client = %v", err)
	}
	if again, _ := w.mustRegister(publicBody, none); again.ClientID != open.ClientID {
		t.Errorf("back in brokered mode: client_id %s, want %s", again.ClientID, open.ClientID)
	}
}

func TestConfigOfAMode(t *testing.T) {
	w := newBrokeredWorld(t)
	ok := usecase.Config{Mode: broker.ModeBrokered, Store: w.store, Keys: w.ring, Policy: w.policySource, Deployment: "test", Issuer: "https://auth.example.com", Now: w.now, Log: discard}
	s, err := usecase.New(ok)
	if err != nil {
		t.Fatalf("brokered mode without AppClients: %v", err)
	}
	if _, err := s.Sweep(t.Context(), usecase.SweepOptions{}); err == nil {
		t.Error("Sweep without AppClients has no error")
	}
	keyless := ok
	keyless.Keys = nil
	if s, err = usecase.New(keyless); err != nil {
		t.Fatalf("brokered mode without keys: %v", err)
	}
	_, err = s.Register(t.Context(), request(t, publicBody), none)
	wantCode(t, "open registration without keys", err, dcr.Unavailable)
	for name, change := range map[string]func(*usecase.Config){
		"app clients without deployment":  func(c *usecase.Config) { c.AppClients, c.Deployment = w.pool, "" },
		"direct mode without app clients": func(c *usecase.Config) { c.Mode = broker.ModeDirect },
		"a mode that does not exist":      func(c *usecase.Config) { c.Mode = "proxy" },
	} {
		c := ok
		change(&c)
		if _, err := usecase.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
