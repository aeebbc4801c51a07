package direct_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dcr-broker/dcr-broker/pkg/broker"
	"github.com/dcr-broker/dcr-broker/pkg/broker/credential"
	"github.com/dcr-broker/dcr-broker/pkg/dcr"
	"github.com/dcr-broker/dcr-broker/test/fake"
	"github.com/dcr-broker/dcr-broker/test/world"
)

func TestAdopt(t *testing.T) {
	w := world.New(t)
	m := w.ByHand("theirs")
	plan, err := w.PlanAdoption(t.Context(), "theirs", "open")
	if err != nil || plan.Adopted || plan.Exceeds != "" || plan.AppClient.ID != "theirs" {
		t.Fatalf("PlanAdoption = %+v, %v", plan, err)
	}
	if w.Pool.All()["theirs"].Marker != "" {
		t.Fatal("a plan has changed the app client")
	}
	info, err := w.Adopt(t.Context(), "theirs", "open", "ops")
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Pool.All()["theirs"]; got.Marker == "" || world.MustJSON(t, got.Metadata) != world.MustJSON(t, m) {
		t.Errorf("the app client is %+v, want only our mark added", got)
	}
	if _, err := w.Client(t.Context(), "theirs"); err != nil {
		t.Errorf("Client = %v", err)
	}
	w.Recover()
	tok := credential.Presented(info.RegistrationAccessToken)
	if _, err := w.Update(t.Context(), "theirs", tok, world.Update(t, world.PublicBody, "theirs", "client_name", "Ours")); err != nil {
		t.Errorf("Update = %v", err)
	}
	w.Wait(4000 * world.Day)
	w.Recover() // the client of an operator does not expire
	if _, err := w.Adopt(t.Context(), "theirs", "open", "ops"); !errors.Is(err, broker.ErrExists) {
		t.Errorf("Adopt again = %v, want ErrExists", err)
	}
	if _, err := w.DeleteClient(t.Context(), "theirs", "ops"); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if w.Exists("theirs") {
		t.Error("the adopted app client was not deleted with its registration")
	}
}

// The scopes of an app client are a set, which Cognito returns in an order of its own.
func TestAnAdoptionComparesScopesAsSets(t *testing.T) {
	w := world.New(t)
	m := w.ByHand("theirs")
	m.Scope = "mcp/write openid mcp/read"
	w.Pool.Put("theirs", fake.AppClient{Metadata: m})
	plan, err := w.PlanAdoption(t.Context(), "theirs", "open")
	if err != nil || plan.Exceeds != "" {
		t.Errorf("PlanAdoption = %+v, %v, want nothing that exceeds the profile", plan, err)
	}
}

func TestAppClientsThatCannotBeAdopted(t *testing.T) {
	w := world.New(t)
	ours, _ := w.MustRegister(world.PublicBody, world.None)
	w.Pool.Put("of another deployment", fake.AppClient{Marker: "x"})
	w.ByHand("theirs")
	for _, tt := range []struct {
		id, profile string
		want        error
	}{
		{"nobody's", "open", broker.ErrNotFound},
		{ours.ClientID, "open", broker.ErrExists},
		{"of another deployment", "open", nil},
		{"theirs", "nothing", nil},
	} {
		if _, err := w.Adopt(t.Context(), tt.id, tt.profile, "ops"); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("Adopt(%s, %s) = %v, want an error, %v", tt.id, tt.profile, err, tt.want)
		}
	}
	plan, err := w.PlanAdoption(t.Context(), "theirs", "trusted")
	if err != nil || plan.Exceeds != "" {
		t.Errorf("PlanAdoption under a wider profile = %+v, %v", plan, err)
	}
	w.UsePolicy(`{"version":1,"profiles":{"narrow":{"redirect_uris":{"loopback":true}}}}`)
	if plan, err = w.PlanAdoption(t.Context(), "theirs", "narrow"); err != nil || plan.Exceeds == "" {
		t.Errorf("PlanAdoption under a narrower profile = %+v, %v, want it to name the excess", plan, err)
	}
}

// After any failure the app client still exists: it is either adopted and
// registered, or unchanged.
func TestAdoptWhateverFails(t *testing.T) {
	world.ForEachTwoFaults(t, func(t *testing.T, w *world.World, c *world.Trouble) {
		w.ByHand("theirs")
		var info *dcr.ClientInformation
		var err error
		c.During(w, func() { info, err = w.Adopt(t.Context(), "theirs", "open", "ops") })
		w.Settle()
		if !w.Exists("theirs") {
			t.Fatal("the app client no longer exists")
		}
		_, registered := w.Client(t.Context(), "theirs")
		if marked := w.Pool.All()["theirs"].Marker != ""; marked != (registered == nil) || err == nil && !marked {
			t.Errorf("Adopt = %v; the app client is marked: %t; Client = %v", err, marked, registered)
		}
		if err == nil {
			if _, err := w.Read(t.Context(), "theirs", credential.Presented(info.RegistrationAccessToken)); err != nil {
				t.Errorf("the operator's token: %v", err)
			}
		}
		if registered != nil {
			if _, err := w.Adopt(t.Context(), "theirs", "open", "ops"); err != nil {
				t.Errorf("Adopt, later: %v", err)
			}
		}
		w.Wait(2 * time.Hour)
		w.Recover()
	})
}
