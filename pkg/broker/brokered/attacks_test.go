package brokered_test

import (
	"fmt"
	"testing"

	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/test/world"
)

// A client that many programs share has no owner. No token can read, change or
// delete it; otherwise one program could take it from all others.
func TestADeduplicatedClientCannotBeManaged(t *testing.T) {
	w := world.NewBrokered(t)
	shared, _ := w.MustRegister(world.PublicBody, world.None)
	_, foreign := w.Vouched("trusted", world.ConfidentialBody)
	initial, _ := w.Token("trusted", 1)
	before := w.Registration(shared.ClientID)
	body := fmt.Sprintf(`{"client_id":%q,"redirect_uris":["http://127.0.0.1/evil"]}`, shared.ClientID)
	for name, tok := range map[string]credential.Token{
		"no token": world.None, "another client's": foreign, "an initial access token": initial,
		"made up": credential.NewRegistrationAccessToken(), "the client_id": credential.Presented(shared.ClientID),
	} {
		if _, err := w.Read(t.Context(), shared.ClientID, tok); err == nil {
			t.Errorf("%s reads it", name)
		}
		if _, err := w.Update(t.Context(), shared.ClientID, tok, world.Request(t, body)); err == nil {
			t.Errorf("%s changes it", name)
		}
		if err := w.Delete(t.Context(), shared.ClientID, tok); err == nil {
			t.Errorf("%s deletes it", name)
		}
	}
	if after := w.Registration(shared.ClientID); after.Version != before.Version || after.Generation != before.Generation {
		t.Errorf("version %d and generation %s, want %d and %s as before", after.Version, after.Generation, before.Version, before.Generation)
	}
}

// A client cannot know beforehand which client_id it gets, and cannot get the
// client_id of another client by choosing its metadata.
func TestClientsCannotChooseTheirID(t *testing.T) {
	a, b := world.NewBrokered(t), world.NewBrokered(t)
	here, _ := a.MustRegister(world.PublicBody, world.None)
	there, _ := b.MustRegister(world.PublicBody, world.None)
	if here.ClientID == there.ClientID {
		t.Error("two deployments with keys of their own derive the same client_id")
	}
	wanted, _ := a.MustRegister(fmt.Sprintf(`{"client_id":%q,"client_name":"x","redirect_uris":["http://127.0.0.1/cb"]}`, here.ClientID), world.None)
	if wanted.ClientID == here.ClientID {
		t.Error("a registration got the client_id that it asked for")
	}
}
