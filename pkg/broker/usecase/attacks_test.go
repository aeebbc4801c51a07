package usecase_test

import (
	"fmt"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
)

// A client that many share has no owner: nobody can read, change or delete it,
// with whatever token, or the first to try would take it from all others.
func TestNobodyManagesADeduplicatedClient(t *testing.T) {
	w := newBrokeredWorld(t)
	shared, _ := w.mustRegister(publicBody, none)
	_, foreign := w.vouched("trusted", confidentialBody)
	initial, _ := w.token("trusted", 1)
	before := w.registration(shared.ClientID)
	body := fmt.Sprintf(`{"client_id":%q,"redirect_uris":["http://127.0.0.1/evil"]}`, shared.ClientID)
	for name, tok := range map[string]credential.Token{
		"no token": none, "another client's": foreign, "an initial access token": initial,
		"made up": credential.NewRegistrationAccessToken(), "the client_id": credential.Presented(shared.ClientID),
	} {
		if _, err := w.Read(t.Context(), shared.ClientID, tok); err == nil {
			t.Errorf("%s reads it", name)
		}
		if _, err := w.Update(t.Context(), shared.ClientID, tok, request(t, body)); err == nil {
			t.Errorf("%s changes it", name)
		}
		if err := w.Delete(t.Context(), shared.ClientID, tok); err == nil {
			t.Errorf("%s deletes it", name)
		}
	}
	if after := w.registration(shared.ClientID); after.Version != before.Version || after.Generation != before.Generation {
		t.Errorf("version %d and generation %s, want %d and %s as before", after.Version, after.Generation, before.Version, before.Generation)
	}
}

// Nobody can say beforehand which client_id a registration gets, and nobody gets
// that of another by what they register.
func TestNobodyChoosesAClientID(t *testing.T) {
	a, b := newBrokeredWorld(t), newBrokeredWorld(t)
	here, _ := a.mustRegister(publicBody, none)
	there, _ := b.mustRegister(publicBody, none)
	if here.ClientID == there.ClientID {
		t.Error("two deployments with keys of their own derive the same client_id")
	}
	wanted, _ := a.mustRegister(fmt.Sprintf(`{"client_id":%q,"client_name":"x","redirect_uris":["http://127.0.0.1/cb"]}`, here.ClientID), none)
	if wanted.ClientID == here.ClientID {
		t.Error("a registration got the client_id that it asked for")
	}
}
